import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import GenotypeFileError, InfrastructureError, Where
from core.job import (
    LEASED,
    TRANSITIONS,
    WORKING,
    Failures,
    Job,
    JobKind,
    JobState,
    Place,
    Priority,
    Problem,
    Queue,
    RetryPolicy,
    WorkerLostError,
    eta_seconds,
    sources_of,
)

TERMINAL = {
    JobState.COMPLETE,
    JobState.EXECUTOR_ERROR,
    JobState.SYSTEM_ERROR,
    JobState.CANCELED,
}


def reachable_from(state: JobState) -> set[JobState]:
    found = {state}
    while new := {after for before in found for after in TRANSITIONS[before]} - found:
        found |= new
    return found


def test_every_state_has_its_line_in_the_transition_table() -> None:
    assert set(TRANSITIONS) == set(JobState)


def test_from_a_terminal_state_only_another_try_leads_on() -> None:
    assert {state for state in JobState if state.is_terminal} == TERMINAL
    assert {after for state in TERMINAL for after in TRANSITIONS[state]} == {JobState.QUEUED}
    assert TERMINAL & sources_of(JobState.QUEUED) == {JobState.SYSTEM_ERROR}


def test_every_state_is_reachable_from_queued() -> None:
    assert reachable_from(JobState.QUEUED) == set(JobState)


@pytest.mark.parametrize("state", JobState)
def test_from_every_state_a_job_can_still_end(state: JobState) -> None:
    assert reachable_from(state) & TERMINAL


@pytest.mark.parametrize("state", JobState)
def test_sources_are_the_inverse_of_transitions(state: JobState) -> None:
    assert sources_of(state) == {before for before in JobState if state in TRANSITIONS[before]}


def test_only_a_running_job_completes_or_fails_by_its_data() -> None:
    assert sources_of(JobState.COMPLETE) == {JobState.RUNNING, JobState.CANCELING}
    assert sources_of(JobState.EXECUTOR_ERROR) == {JobState.RUNNING}


def test_a_lost_worker_can_be_replaced_or_given_up_in_every_working_state() -> None:
    assert WORKING < LEASED
    for state in WORKING:
        assert JobState.SYSTEM_ERROR in TRANSITIONS[state]
        assert {JobState.QUEUED, JobState.PREEMPTED} & TRANSITIONS[state]


@given(st.data())
def test_any_walk_over_the_table_stays_in_it_and_stops_in_a_terminal_state(
    data: st.DataObject,
) -> None:
    state, steps = JobState.QUEUED, 0
    while not state.is_terminal and steps < 50:
        state = data.draw(st.sampled_from(sorted(TRANSITIONS[state])))
        steps += 1
    assert state in TERMINAL or steps == 50


def test_each_kind_has_the_queue_of_the_contract() -> None:
    assert JobKind.PROCESS_GENOMIC_FILE.queue is Queue.GENOMIC_PROCESSING
    assert JobKind.SUMMARISE_READ_PAIR.queue is Queue.GENOMIC_PROCESSING
    assert JobKind.CALCULATE_PRS_SCORE.queue is Queue.PRS_CALCULATION
    assert {str(queue) for queue in Queue} == {
        "genomic_processing",
        "prs_calculation",
        "ml_inference",
    }


def tries(policy: RetryPolicy, error: Exception) -> int:
    """How many attempts a job gets that always ends in `error`."""
    failures = Failures().after(error)
    while policy.allows(error, failures):
        failures = failures.after(error)
    return failures.n_failed


def test_infrastructure_errors_are_tried_again_a_bounded_number_of_times() -> None:
    policy = RetryPolicy(max_attempts=4, max_lost=2)
    assert tries(policy, InfrastructureError("the database does not answer")) == 4
    assert tries(policy, WorkerLostError("the worker was killed")) == 2


def test_lost_workers_are_counted_among_all_failures() -> None:
    away, lost = InfrastructureError("away"), WorkerLostError("killed")
    failures = Failures().after(away).after(lost).after(away)
    assert failures == Failures(n_failed=3, n_lost=1)
    assert RetryPolicy().allows(away, failures)
    assert not RetryPolicy().allows(lost, failures.after(lost).after(lost))


@pytest.mark.parametrize("error", [GenotypeFileError("not a VCF"), TypeError("a mistake of ours")])
def test_other_errors_are_never_tried_again(error: Exception) -> None:
    assert tries(RetryPolicy(), error) == 1


@given(n_failed=st.integers(1, 60), seed=st.integers())
def test_delays_are_jittered_and_never_above_the_cap(n_failed: int, seed: int) -> None:
    policy = RetryPolicy(first_delay_seconds=1, max_delay_seconds=60)
    delay = policy.delay_seconds(Failures(n_failed), rng=random.Random(seed))
    assert 0 <= delay <= min(60, 2 ** (n_failed - 1))


NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def job_in(state: JobState, *, done: int | None = None, total: int | None = None) -> Job:
    return Job(
        id=1,
        kind=JobKind.CALCULATE_PRS_SCORE,
        queue=Queue.PRS_CALCULATION,
        user_id="ada",
        state=state,
        params={},
        attempt=1,
        priority=Priority.NORMAL,
        n_failed=0,
        n_lost=0,
        created_at=NOW,
        updated_at=NOW,
        started_at=NOW,
        done=done,
        total=total,
    )


def test_a_running_job_is_expected_to_go_on_as_fast_as_its_finished_shards() -> None:
    job = job_in(JobState.RUNNING, done=3, total=12)
    assert eta_seconds(job, None, now=NOW + timedelta(seconds=30)) == 90.0
    assert eta_seconds(replace(job, done=0), None, now=NOW) is None


def test_a_waiting_job_is_expected_to_wait_for_those_ahead_and_to_take_as_long_as_they() -> None:
    job = job_in(JobState.QUEUED)
    place = Place(n_ahead=4, n_under_way=2, typical_seconds=10.0)
    assert eta_seconds(job, place, now=NOW) == (4 / 2 + 1) * 10
    assert eta_seconds(job, replace(place, n_ahead=0, n_under_way=0), now=NOW) == 10
    assert eta_seconds(job, replace(place, typical_seconds=None), now=NOW) is None


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_nothing_is_expected_of_a_job_that_has_ended(state: JobState) -> None:
    assert eta_seconds(job_in(state, done=3, total=12), None, now=NOW) is None


def test_a_problem_carries_the_facts_of_its_error_and_leaves_out_the_unknown() -> None:
    error = GenotypeFileError(
        "not a number", where=Where("a.vcf", line=7, field="POS"), fix="Write one."
    )
    assert Problem.of(error).as_dict() == {
        "code": "invalid_genotype_file",
        "detail": "not a number",
        "file": "a.vcf",
        "line": 7,
        "field": "POS",
        "fix": "Write one.",
    }
    assert Problem.of(GenotypeFileError("empty")).as_dict() == {
        "code": "invalid_genotype_file",
        "detail": "empty",
    }
