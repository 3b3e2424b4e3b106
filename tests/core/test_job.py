import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import GenotypeFileError, InfrastructureError, Where
from core.job import (
    LEASED,
    TRANSITIONS,
    WORKING,
    JobKind,
    JobState,
    Problem,
    Queue,
    RetryPolicy,
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


def test_the_terminal_states_are_those_that_lead_nowhere() -> None:
    assert {state for state in JobState if state.is_terminal} == TERMINAL


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


def test_infrastructure_errors_are_tried_again_a_bounded_number_of_times() -> None:
    policy = RetryPolicy(max_attempts=3)
    lost = InfrastructureError("the worker was lost")
    assert [policy.allows(lost, attempt=attempt) for attempt in (1, 2, 3, 4)] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("error", [GenotypeFileError("not a VCF"), TypeError("a mistake of ours")])
def test_other_errors_are_never_tried_again(error: Exception) -> None:
    assert not RetryPolicy().allows(error, attempt=1)


@given(attempt=st.integers(1, 60), seed=st.integers())
def test_delays_are_jittered_and_never_above_the_cap(attempt: int, seed: int) -> None:
    policy = RetryPolicy(first_delay_seconds=1, max_delay_seconds=60)
    delay = policy.delay_seconds(attempt, rng=random.Random(seed))
    assert 0 <= delay <= min(60, 2 ** (attempt - 1))


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
