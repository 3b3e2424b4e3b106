"""The rule alone: keys and records in, orphans out."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.job import JobState
from core.storage.objects import StoredEntry
from jobs.orphans import Records, Standing, Upload, orphans

NOW = datetime(2026, 11, 24, tzinfo=UTC)
OLD = NOW - timedelta(days=2)
BEFORE = NOW - timedelta(days=1)
FOLDER = "genomic_data/ab"
FILE = f"{FOLDER}/genotypes.vcf.gz"
STORE = f"{FOLDER}/genotypes-0123.cgstore"
RESULT = "prs_scores/job-7/attempt-2"


def records(state: JobState, *, attempt: int = 2) -> Records:
    """One upload read by job 7, whose results are named too."""
    return Records(
        uploads={FOLDER: Upload(FILE, (STORE,), job_id=7)},
        results=frozenset({RESULT}),
        jobs={7: Standing(state, attempt)},
    )


def is_orphan(key: str, known: Records, *, modified_at: datetime = OLD) -> bool:
    return bool(orphans([StoredEntry(key, 1, modified_at)], known, before=BEFORE))


ENDED = [
    JobState.COMPLETE,
    JobState.EXECUTOR_ERROR,
    JobState.CANCELED,
]
LIVING = [JobState.QUEUED, JobState.INITIALIZING, JobState.RUNNING, JobState.CANCELING]


@pytest.mark.parametrize(
    "key",
    [
        f"{FOLDER}/genotypes-4567.cgstore/manifest.json",
        f"{FOLDER}/pair-7-1/quality.html",
        f"{FOLDER}/pair-99-1/quality.html",
        "prs_scores/job-7/attempt-1/scores.parquet",
        "cohorts/job-7/attempt-1/scores.parquet",
        "checkpoints/job-7/key/0.arrow",
    ],
)
@pytest.mark.parametrize("state", ENDED)
def test_what_an_ended_job_left_beside_what_rows_name_is_an_orphan(
    key: str, state: JobState
) -> None:
    assert is_orphan(key, records(state))
    assert not is_orphan(key, records(state), modified_at=NOW)


@pytest.mark.parametrize(
    "key",
    [
        f"{FOLDER}/genotypes-4567.cgstore/manifest.json",
        f"{FOLDER}/pair-7-1/quality.html",
        "prs_scores/job-7/attempt-1/scores.parquet",
        "cohorts/job-7/attempt-1/scores.parquet",
        "checkpoints/job-7/key/0.arrow",
    ],
)
@pytest.mark.parametrize("state", LIVING)
def test_nothing_of_a_job_that_lives_is_an_orphan(key: str, state: JobState) -> None:
    assert not is_orphan(key, records(state))


def test_a_job_that_may_be_retried_keeps_what_it_would_go_on_from_but_no_results() -> None:
    known = records(JobState.SYSTEM_ERROR)
    assert not is_orphan("checkpoints/job-7/key/0.arrow", known)
    assert not is_orphan(f"{FOLDER}/genotypes-4567.cgstore/0", known)
    assert is_orphan("prs_scores/job-7/attempt-1/scores.parquet", known)


@pytest.mark.parametrize(
    "key",
    [
        "genomic_data/cd/genotypes.vcf.gz",
        "prs_scores/job-8/attempt-1/scores.parquet",
        "cohorts/job-8/attempt-1/scores.parquet",
        "checkpoints/job-8/key/0.arrow",
    ],
)
def test_what_nobody_knows_of_is_an_orphan(key: str) -> None:
    assert is_orphan(key, records(JobState.RUNNING))


def test_the_results_of_a_cohort_are_those_of_its_completed_attempt() -> None:
    key = "cohorts/job-7/attempt-2/scores.parquet"
    assert not is_orphan(key, records(JobState.COMPLETE, attempt=2))
    assert is_orphan(key, records(JobState.CANCELED, attempt=2))


KEYS = st.sampled_from(
    [
        FILE,
        f"{STORE}/manifest.json",
        f"{FOLDER}/genotypes-4567.cgstore/0",
        f"{FOLDER}/pair-7-1/quality.html",
        f"{RESULT}/scores.parquet",
        "prs_scores/job-7/attempt-1/scores.parquet",
        "cohorts/job-7/attempt-1/x",
        "checkpoints/job-7/x",
        "checkpoints/job-8/x",
        "genomic_data/cd/genotypes.vcf",
        "models/v1/weights",
        "genomic_data/alone",
        "prs_scores/notes",
    ]
)


@given(
    keys=st.lists(KEYS, unique=True),
    ages=st.lists(st.integers(0, 100), min_size=13, max_size=13),
    state=st.sampled_from(JobState),
    attempt=st.integers(0, 3),
)
def test_whatever_the_state_nothing_young_named_or_foreign_is_an_orphan(
    keys: list[str], ages: list[int], state: JobState, attempt: int
) -> None:
    entries = [
        StoredEntry(key, 1, NOW - timedelta(hours=age))
        for key, age in zip(keys, ages, strict=False)
    ]
    found = orphans(entries, records(state, attempt=attempt), before=BEFORE)
    assert all(entry.modified_at < BEFORE for entry in found)
    named = {FILE, f"{STORE}/manifest.json", f"{RESULT}/scores.parquet"}
    foreign = {"models/v1/weights", "genomic_data/alone", "prs_scores/notes"}
    assert not {entry.key for entry in found} & (named | foreign)
    old = {entry.key for entry in entries if entry.modified_at < BEFORE}
    assert {entry.key for entry in found} >= old & {
        "checkpoints/job-8/x",
        "genomic_data/cd/genotypes.vcf",
    }
