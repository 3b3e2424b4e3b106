"""Two FASTQ uploads read together: what the command line tells of the pair stands in both."""

import json
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from core.events import EventType
from core.job import Job, JobState, Queue
from core.records.records import QUALITY_HTML, GenomicData, RecordStatus
from core.records.session import Database
from core.storage.objects import ObjectStore
from jobs import process_genomic_file, summarise_read_pair, summarise_reads
from jobs.attempt import JobContext, JobEnvironment, run_attempt
from jobs.catalogue import BODIES
from jobs.submit import pair_reads, submit_genomic_file
from tests.builders.fastq import Read, fastq_text, random_reads
from tests.builders.records import USER, stored_upload
from tests.builders.vcf import bgzip

R1 = random_reads(300, seed=1, mate="/1")
R2 = random_reads(300, 120, seed=2, mate="/2")


def uploaded(
    database: Database, objects: ObjectStore, reads: bytes, number: int, mate: int | None = None
) -> GenomicData:
    with database.transaction() as tx:
        data = stored_upload(tx, objects, reads, key=f"genomic_data/{number}/reads.fastq.gz")
        if mate is not None:
            pair_reads(tx, data, mate)
        submit_genomic_file(tx, data)
    return data


def run_jobs(database: Database, environment: JobEnvironment) -> list[Job]:
    """Everything that is queued, and what that queues."""
    done: list[Job] = []
    while True:
        with database.transaction() as tx:
            job = tx.jobs.lease(Queue.GENOMIC_PROCESSING, owner="test", seconds=30)
        if job is None:
            return done
        run_attempt(job, environment, BODIES[job.kind])
        with database.reading() as tx:
            done.append(tx.jobs.get(job.id, user_id=USER))


def pair_of_uploads(
    database: Database, environment: JobEnvironment, objects: ObjectStore, mates: list[Read]
) -> tuple[GenomicData, GenomicData, Job]:
    """Both records after the pair's job, and that job."""
    first = uploaded(database, objects, bgzip(fastq_text(R1)), 1)
    second = uploaded(database, objects, bgzip(fastq_text(mates)), 2, first.id)
    *_, job = run_jobs(database, environment)
    with database.reading() as tx:
        return (
            tx.genomic_data.get(first.id, user_id=USER),
            tx.genomic_data.get(second.id, user_id=USER),
            job,
        )


def test_both_records_tell_what_the_command_line_tells_of_the_pair(
    database: Database,
    environment: JobEnvironment,
    objects: ObjectStore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second, job = pair_of_uploads(database, environment, objects, R2)
    assert job.state is JobState.COMPLETE
    assert first.pair == second.pair
    assert first.pair is not None
    pair = dict(first.pair)
    assert pair.pop("genomic_data_ids") == [first.id, second.id]
    assert [pair.pop(name) for name in ("status", "names_agree", "n_pairs")] == [
        *("completed", True, 300),
    ]
    assert [file.pop("genomic_data_id") for file in pair["files"]] == [first.id, second.id]
    paths = [tmp_path / "R1.fastq", tmp_path / "R2.fastq"]
    for path, reads in zip(paths, (R1, R2), strict=True):
        path.write_bytes(fastq_text(reads))
    line = ["--reads", str(paths[0]), "--mates", str(paths[1]), "--output", "json"]
    assert summarise_reads.main([*line, "--executor", "inline"]) == 0
    expected = summarise_reads.without_curves(json.loads(capsys.readouterr().out))
    names = {str(path): first.filename for path in paths}
    files = [{**file, "file": names[file["file"]]} for file in expected["files"]]
    pair.pop("read_quality")
    assert pair == {**expected, "files": files}
    assert (pair["n_reads"], pair["n_bases"]) == (600, 300 * 150 + 300 * 120)


def test_each_file_is_told_alone_and_then_with_its_mate(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    first, second, job = pair_of_uploads(database, environment, objects, R2)
    with database.reading() as tx:
        events = tx.events.after(USER, 0)
    told = [event for event in events if event.type is EventType.UPLOAD_COMPLETE]
    assert [event.data["id"] for event in told] == [first.id, second.id] * 2
    assert ["pair" in event.data["metadata"] for event in told] == [False, False, True, True]
    assert [event.data["metadata"] for event in told[2:]] == [
        first.metadata_json,
        second.metadata_json,
    ]
    assert {event.message["status"] for event in told} == {"success"}
    assert [event.job_id for event in told[2:]] == [job.id, job.id]
    assert (first.metadata_json or {})["n_reads"] == 300


def test_the_page_of_both_lies_beside_each(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    pages: list[bytes] = []
    for data in pair_of_uploads(database, environment, objects, R2)[:2]:
        with objects.open(f"{data.pair_quality_url}/{QUALITY_HTML}") as stream:
            pages.append(stream.read())
    assert pages[0] == pages[1]
    assert pages[0].count(b"<h2>") == 2


@pytest.mark.parametrize(
    ("mates", "says", "line"),
    [
        ([*R2[:9], Read("run:1:99:9/2", "A", "F"), *R2[10:]], "record 10 is of another read", 37),
        (R2[:-1], "record 300 has no mate", 1197),
        ([*R2, Read("one more", "A", "F")], "record 301 has no mate", 1201),
        ([R2[1], R2[0], *R2[2:]], "record 1 is of another read", 1),
    ],
    ids=["another name", "one less", "one more", "another order"],
)
def test_mates_of_other_reads_are_named_by_record_and_line_and_stay_files_of_their_own(
    database: Database,
    environment: JobEnvironment,
    objects: ObjectStore,
    tmp_path: Path,
    mates: list[Read],
    says: str,
    line: int,
) -> None:
    first, second, job = pair_of_uploads(database, environment, objects, mates)
    assert job.state is JobState.EXECUTOR_ERROR
    assert first.pair == second.pair
    assert first.pair is not None
    problem = first.pair["problem"]
    assert job.problem == problem
    assert says in problem["detail"]
    assert problem["line"] == line
    assert str(tmp_path) not in str(problem)
    for data in (first, second):
        assert (data.status, data.mate_id) == (RecordStatus.COMPLETED, None)
        assert data.pair_quality_url is None
        assert objects.exists(data.file_url)
        assert objects.exists(f"{data.read_quality_url}/{QUALITY_HTML}")
    assert not [key for key in objects.keys("genomic_data") if "/pair-" in key]


def test_of_several_attempts_one_page_is_kept(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    def die_at_the_end(job: Job, context: JobContext) -> NoReturn:
        summarise_read_pair.run(job, context)
        raise MemoryError

    dead = replace(summarise_read_pair.BODY, run=die_at_the_end, clean_up=lambda *_: None)
    first = uploaded(database, objects, fastq_text(R1), 1)
    uploaded(database, objects, fastq_text(R2), 2, first.id)
    for body in (*[process_genomic_file.BODY] * 2, dead, summarise_read_pair.BODY):
        with database.transaction() as tx:
            job = tx.jobs.lease(Queue.GENOMIC_PROCESSING, owner="test", seconds=30)
        assert job is not None
        run_attempt(job, environment, body)
    pages = [key.split("/")[1:3] for key in objects.keys("genomic_data") if "/pair-" in key]
    assert pages == [["1", "pair-3-2"], ["2", "pair-3-2"]]
