"""What an attempt has finished, taken up by the next one on another machine."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import InfrastructureError
from core.job import JobState, Queue
from core.records.session import Database
from core.storage.local_disk import LocalObjects
from core.storage.objects import ObjectStore
from jobs import calculate_prs_score
from jobs.attempt import JobEnvironment, run_attempt
from jobs.checkpoint import StoredCheckpoint
from jobs.run_shards import Executor
from jobs.score_cohort import score_cohort
from jobs.scoring_inputs import CohortScoring
from jobs.submit import retry, submit_prs
from tests.builders.cohort_run import run_scoring
from tests.builders.records import USER, stored_upload
from tests.builders.scoring_file import Row, write_scoring_file
from tests.builders.vcf import Record, bgzip, vcf_text, write_vcf

PREFIX = "checkpoints/job-1"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def ignore(done: int, total: int) -> None:
    pass


def keeper(objects: ObjectStore, folder: Path, clock: Clock) -> Callable[[int, int], None]:
    folder.mkdir(exist_ok=True)
    checkpoint = StoredCheckpoint(objects, PREFIX, seconds=5, clock=clock)
    return checkpoint.kept_while(ignore, folder)


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return LocalObjects(tmp_path / "objects")


def test_files_come_back_under_the_same_key_and_no_other(
    objects: ObjectStore, tmp_path: Path
) -> None:
    clock = Clock()
    on_progress = keeper(objects, tmp_path / "key", clock)
    write(tmp_path / "key", "first/0-2.arrow", "sum of 0 and 1")
    write(tmp_path / "key", "first/2-1.arrow", "2")
    write(tmp_path / "key", "first/3-1.unfinished", "half of 3")
    clock.now = 6
    on_progress(3, 4)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    keeper(objects, elsewhere / "key", Clock())
    assert contents(elsewhere / "key") == {
        "first/0-2.arrow": "sum of 0 and 1",
        "first/2-1.arrow": "2",
    }
    keeper(objects, elsewhere / "other", Clock())
    assert contents(elsewhere / "other") == {}


def test_what_another_file_holds_by_now_is_let_go(objects: ObjectStore, tmp_path: Path) -> None:
    clock, folder = Clock(), tmp_path / "key"
    on_progress = keeper(objects, folder, clock)
    for name in ("0-1", "1-1"):
        write(folder, f"first/{name}.arrow", name)
    clock.now = 6
    on_progress(2, 4)
    for name in ("0-1", "1-1"):
        (folder / f"first/{name}.arrow").unlink()
    write(folder, "first/0-2.arrow", "0-2")
    clock.now = 12
    on_progress(2, 4)
    assert list(objects.keys(PREFIX)) == [f"{PREFIX}/key/first/0-2.arrow"]


def test_nothing_is_copied_before_its_time(objects: ObjectStore, tmp_path: Path) -> None:
    clock, folder = Clock(), tmp_path / "key"
    on_progress = keeper(objects, folder, clock)
    write(folder, "first/0-1.arrow", "0")
    clock.now = 4.9
    on_progress(1, 4)
    assert list(objects.keys(PREFIX)) == []


class SlowObjects(LocalObjects):
    """Asking what there is takes two seconds."""

    def __init__(self, root: Path, clock: Clock) -> None:
        super().__init__(root)
        self._clock = clock

    def keys(self, prefix: str):
        self._clock.now += 2.0
        return super().keys(prefix)


def test_copying_takes_at_most_a_tenth_of_a_run(tmp_path: Path) -> None:
    clock, folder = Clock(), tmp_path / "key"
    objects = SlowObjects(tmp_path / "objects", clock)
    on_progress = keeper(objects, folder, clock)
    copied_at: list[float] = []
    for shard in range(100):
        write(folder, f"first/{shard}-1.arrow", "")
        before = clock.now = clock.now + 1.0
        on_progress(shard + 1, 100)
        if clock.now > before:
            copied_at.append(before)
    assert len(copied_at) > 2
    assert all(b - a >= 20 for a, b in zip(copied_at, copied_at[1:], strict=False))


CALLS = ["0/1", "1/1"]
POSITIONS = range(100, 600)
ROWS = [Row("1", position, "G", "A", 0.1) for position in POSITIONS]


class KilledError(Exception):
    pass


def test_a_run_that_is_killed_at_nine_tenths_goes_on_there_on_another_machine(
    objects: ObjectStore, tmp_path: Path
) -> None:
    records = [Record("1", position, CALLS) for position in POSITIONS]
    genotypes = write_vcf(tmp_path / "cohort.vcf", vcf_text(records, samples=["S1", "S2"]))
    file = tmp_path / "score.txt"
    write_scoring_file(file, ROWS, accession="PGS000001")

    def request(output: str) -> CohortScoring:
        return CohortScoring(
            genotypes=(str(genotypes),),
            scoring_files=(file,),
            output=tmp_path / output,
            shard_bytes=500,
            checkpoint=StoredCheckpoint(objects, PREFIX, seconds=0, clock=Clock()),
        )

    def killed(done: int, total: int) -> None:
        if done >= 0.9 * total:
            raise KilledError

    with pytest.raises(KilledError):
        score_cohort(request("first"), executor=Executor.INLINE, on_progress=killed)
    seen: list[tuple[int, int]] = []
    summary = score_cohort(
        request("second"),
        executor=Executor.INLINE,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    whole = run_scoring(genotypes, file, tmp_path / "whole", shard_bytes=500)
    n_shards, n_resumed = whole.summary["n_shards"], summary["n_shards_resumed"]
    assert n_shards > 20
    assert isinstance(n_resumed, int)
    # the copy is made after `on_progress`, so the shard that killed it is not in it
    assert n_resumed >= int(0.9 * n_shards) - 1
    assert seen[1] == (n_resumed, n_shards)
    bytes_of = (tmp_path / "second" / "scores.parquet").read_bytes()
    assert bytes_of == (tmp_path / "whole" / "scores.parquet").read_bytes()


def test_a_retried_job_does_no_finished_shard_again_and_leaves_no_checkpoint(
    database: Database, environment: JobEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = LocalObjects(environment.objects.root)
    environment = replace(environment, checkpoint_seconds=0, shard_bytes=1000)
    path = environment.scoring_files_dir / "PGS000001.txt.gz"
    write_scoring_file(path, ROWS, accession="PGS000001")
    records = [Record("1", position, CALLS[:1]) for position in POSITIONS]
    with database.transaction() as tx:
        data = stored_upload(tx, objects, bgzip(vcf_text(records, samples=["S1"])))
        data = tx.genomic_data.complete(data.id, {"build": "GRCh37", "n_samples": 1})
        job, (score,) = submit_prs(tx, data, ["PGS000001"])

    def fail(*_: object) -> None:
        raise InfrastructureError("the object store went away")

    with monkeypatch.context() as patched:
        patched.setattr(calculate_prs_score, "write_report", fail)
        for _ in range(environment.retry.max_attempts):
            attempt(database, environment)
    with database.transaction() as tx:
        assert tx.jobs.get(job.id, user_id=USER).state is JobState.SYSTEM_ERROR
        assert list(objects.keys(f"checkpoints/job-{job.id}"))
        retry(tx, job.id, user_id=USER)
    attempt(database, environment)
    with database.reading() as tx:
        assert tx.jobs.get(job.id, user_id=USER).state is JobState.COMPLETE
        result_url = tx.prs_scores.get(score.id, user_id=USER).result_url
    with objects.local_path(f"{result_url}/summary.json") as stored:
        summary = json.loads(stored.read_text())
    assert summary["n_shards_resumed"] == summary["n_shards"]
    assert list(objects.keys("checkpoints")) == []


def attempt(database: Database, environment: JobEnvironment) -> None:
    with database.transaction() as tx:
        job = tx.jobs.lease(Queue.PRS_CALCULATION, owner="test", seconds=30)
    assert job is not None
    run_attempt(job, environment, calculate_prs_score.BODY)
