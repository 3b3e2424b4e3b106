"""Pairs of FASTQs: who may be one, and that of two mates that end at once the last sees both."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from core.errors import ConflictError, NotFoundError
from core.events import EventType
from core.job import Job, JobKind, JobState
from core.records.records import GenomicData, RecordStatus
from core.records.repositories import UnitOfWork
from core.records.session import Database
from jobs import process_genomic_file, summarise_read_pair
from jobs.attempt import problem_of
from jobs.submit import pair_reads, submit_genomic_file, submit_read_pair
from tests.builders.records import USER

FACTS = {"names_agree": True, "n_pairs": 5}
PROBLEM = problem_of(ConflictError("record 3 is of another read."))


def reads(tx: UnitOfWork, number: int, *, user_id: str = USER, kind: str = "fastq") -> GenomicData:
    """An upload in processing, of other bytes for each number."""
    data = tx.genomic_data.create(
        user_id=user_id,
        filename=f"R{number}.fastq",
        file_url=f"genomic_data/{number}/reads.{kind}",
        sha256=str(number) * 64,
        size_bytes=10,
    )
    submit_genomic_file(tx, data)
    return tx.genomic_data.get(data.id, user_id=user_id)


def two_uploads(database: Database) -> tuple[GenomicData, GenomicData]:
    with database.transaction() as tx:
        return reads(tx, 1), reads(tx, 2)


def join(database: Database, record: GenomicData, mate: GenomicData) -> None:
    with database.transaction() as tx:
        pair_reads(tx, record, mate.id)


def complete(database: Database, data: GenomicData) -> None:
    """As the end of the file's own job does."""
    with database.transaction() as tx:
        tx.events.wait_for_turn(data.user_id)
        tx.genomic_data.complete(data.id, {"kind": "fastq"})
        submit_read_pair(tx, data.id)


def fail(database: Database, data: GenomicData) -> None:
    with database.transaction() as tx:
        assert data.job_id is not None
        tx.events.wait_for_turn(data.user_id)
        process_genomic_file.fail(tx, tx.jobs.get(data.job_id, user_id=USER), PROBLEM)


def get(database: Database, data: GenomicData) -> GenomicData:
    with database.reading() as tx:
        return tx.genomic_data.get(data.id, user_id=USER)


def pair_jobs(database: Database) -> list[Job]:
    with database.reading() as tx:
        jobs = tx.jobs.of_user(USER)
    return [job for job in jobs if job.kind is JobKind.SUMMARISE_READ_PAIR]


def told(database: Database) -> list[tuple[int, object]]:
    """Of each upload_complete: the record, and what it says of the pair."""
    with database.reading() as tx:
        events = tx.events.after(USER, 0)
    return [
        (event.data["id"], event.data.get("metadata", {}).get("pair"))
        for event in events
        if event.type is EventType.UPLOAD_COMPLETE
    ]


@pytest.mark.parametrize("order", ["123", "132", "213", "231", "312", "321"])
def test_whatever_comes_last_the_pair_is_queued_once(database: Database, order: str) -> None:
    first, second = two_uploads(database)
    steps: dict[str, Callable[[], None]] = {
        "1": lambda: complete(database, first),
        "2": lambda: complete(database, second),
        "3": lambda: join(database, second, first),
    }
    for at, step in enumerate(order):
        assert len(pair_jobs(database)) == 0, at
        steps[step]()
    (job,) = pair_jobs(database)
    assert job.params == {"genomic_data_id": first.id, "mate_id": second.id}
    assert get(database, first).mate_id == second.id
    assert get(database, second).mate_id == first.id
    processing = {"genomic_data_ids": [first.id, second.id], "status": "processing"}
    assert get(database, first).pair == get(database, second).pair == processing


@pytest.mark.parametrize("attempt", range(5))
def test_at_the_same_time_too(database: Database, attempt: int) -> None:
    first, second = two_uploads(database)
    steps: list[Callable[[], None]] = [
        lambda: complete(database, first),
        lambda: complete(database, second),
        lambda: join(database, second, first),
        lambda: join(database, first, second),
    ]
    start = Barrier(len(steps))

    def run(step: Callable[[], None]) -> None:
        start.wait()
        step()

    with ThreadPoolExecutor(len(steps)) as threads:
        list(threads.map(run, steps))
    (job,) = pair_jobs(database)
    assert job.params == {"genomic_data_id": first.id, "mate_id": second.id}


@pytest.mark.parametrize("attempt", range(5))
def test_of_two_that_want_the_same_mate_at_the_same_time_one_gets_it(
    database: Database, attempt: int
) -> None:
    first, second = two_uploads(database)
    with database.transaction() as tx:
        third = reads(tx, 3)
    start = Barrier(2)

    def run(record: GenomicData) -> str | None:
        start.wait()
        try:
            join(database, record, first)
        except ConflictError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(run, [second, third]))
    (refused,) = [answer for answer in answers if answer is not None]
    assert f"genomic data {first.id} is in a pair already" in refused
    winner = (second, third)[answers.index(None)]
    assert get(database, first).mate_id == winner.id
    assert sorted(str(get(database, each).mate_id) for each in (second, third)) == [
        str(first.id),
        "None",
    ]


def test_asking_again_changes_nothing(database: Database) -> None:
    first, second = two_uploads(database)
    for data in (first, second):
        complete(database, data)
    for _ in range(2):
        join(database, first, second)
        join(database, second, first)
    assert len(pair_jobs(database)) == 1


def test_what_is_in_a_pair_is_told_of_both_alike(database: Database) -> None:
    first, second = two_uploads(database)
    join(database, second, first)
    for data in (first, second):
        complete(database, data)
    (job,) = pair_jobs(database)
    with database.transaction() as tx:
        tx.read_pairs.complete((first.id, second.id), FACTS, job_id=job.id)
    pair = {"genomic_data_ids": [first.id, second.id], "status": "completed", **FACTS}
    assert get(database, first).pair == get(database, second).pair == pair
    nothing_yet = [(first.id, None), (second.id, None)]
    assert told(database) == [*nothing_yet, (first.id, pair), (second.id, pair)]
    assert [event.job_id for event in tx.recorded] == [job.id, job.id]


def test_mates_that_are_none_say_why_and_are_free_for_another(database: Database) -> None:
    first, second = two_uploads(database)
    join(database, second, first)
    for data in (first, second):
        complete(database, data)
    (job,) = pair_jobs(database)
    with database.transaction() as tx:
        summarise_read_pair.fail(tx, job, PROBLEM)
        third = reads(tx, 3)
    for data in (first, second):
        after = get(database, data)
        assert (after.status, after.mate_id) == (RecordStatus.COMPLETED, None)
        assert after.pair is not None
        assert after.pair["problem"] == PROBLEM.as_dict()
    join(database, third, first)
    again = get(database, first).pair
    assert again == {"genomic_data_ids": [first.id, third.id], "status": "processing"}


@pytest.mark.parametrize("is_read", [True, False])
def test_a_mate_that_cannot_be_read_frees_the_other_and_it_says_so(
    database: Database, is_read: bool
) -> None:
    first, second = two_uploads(database)
    join(database, second, first)
    if is_read:
        complete(database, second)
    fail(database, first)
    if not is_read:
        complete(database, second)
    assert pair_jobs(database) == []
    after = get(database, second)
    assert (after.status, after.mate_id) == (RecordStatus.COMPLETED, None)
    assert after.pair is not None
    assert after.pair["status"] == "failed"
    assert after.pair["problem"]["code"] == "mate_failed"
    assert "R1.fastq" in after.pair["problem"]["detail"]
    assert told(database)[-1] == (second.id, after.pair)
    failed = get(database, first)
    assert (failed.status, failed.mate_id, failed.pair) == (RecordStatus.FAILED, None, None)
    with database.transaction() as tx:
        third = reads(tx, 3)
        pair_reads(tx, third, second.id)
    assert get(database, second).mate_id == third.id


@pytest.mark.parametrize("attempt", range(5))
def test_mates_that_fail_at_the_same_time_both_fail(database: Database, attempt: int) -> None:
    first, second = two_uploads(database)
    join(database, second, first)
    start = Barrier(2)

    def run(data: GenomicData) -> None:
        start.wait()
        fail(database, data)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(run, [first, second]))
    for data in (first, second):
        after = get(database, data)
        assert (after.status, after.mate_id) == (RecordStatus.FAILED, None)
    assert [record for record, _ in told(database)].count(first.id) == 1


def test_what_cannot_be_a_pair_is_refused_with_the_reason(database: Database) -> None:
    first, second = two_uploads(database)
    with database.transaction() as tx:
        genotypes = reads(tx, 3, kind="vcf")
        copy, broken, other = reads(tx, 1), reads(tx, 4), reads(tx, 5)
    fail(database, broken)
    join(database, first, second)
    for record, mate, says in (
        (other, other, "are the same bytes"),
        (other, first, f"genomic data {first.id} is in a pair already, with {second.id}"),
        (other, genotypes, f"genomic data {genotypes.id} holds genotypes"),
        (genotypes, other, f"genomic data {genotypes.id} holds genotypes"),
        (other, broken, f"genomic data {broken.id} could not be read"),
    ):
        with pytest.raises(ConflictError, match=says):
            join(database, record, mate)
    assert get(database, other).mate_id is None
    fail(database, second)
    with pytest.raises(ConflictError, match="are the same bytes"):
        join(database, copy, first)


def test_a_mate_of_another_user_is_not_found(database: Database) -> None:
    first, _ = two_uploads(database)
    with database.transaction() as tx:
        theirs = reads(tx, 7, user_id="eve")
    with pytest.raises(NotFoundError, match=f"no genomic data {theirs.id}"):
        join(database, first, theirs)
    with pytest.raises(NotFoundError, match=f"no genomic data {first.id}"):
        join(database, theirs, first)
    assert get(database, first).mate_id is None


def test_a_canceled_summary_frees_both(database: Database) -> None:
    first, second = two_uploads(database)
    join(database, second, first)
    for data in (first, second):
        complete(database, data)
    (job,) = pair_jobs(database)
    with database.transaction() as tx:
        canceling = tx.jobs.cancel(job.id, user_id=USER)
        assert canceling.state is JobState.CANCELING
        summarise_read_pair.fail(tx, canceling, PROBLEM)
    join(database, second, first)
    assert len(pair_jobs(database)) == 2
