"""Errors say what, where and how to put it right, also on the far side of a process border."""

import pickle

import pytest

from core import errors
from core.errors import (
    CuraGenieError,
    GenotypeFileError,
    InfrastructureError,
    ScoringFileError,
    UserError,
    Where,
)

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, CuraGenieError)
]
WHERE = Where("cohort.vcf.gz", 12, "HG00096")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            GenotypeFileError("GT 0/x is no call.", where=WHERE, fix="Mend the line."),
            "cohort.vcf.gz, line 12, HG00096: GT 0/x is no call. Mend the line.",
        ),
        (
            GenotypeFileError("It is empty.", where=Where("a.vcf"), fix="Send it again."),
            "a.vcf: It is empty. Send it again.",
        ),
        (ScoringFileError("It is wrong.", where=Where("a", 3)), "a, line 3: It is wrong."),
        (UserError("It is wrong."), "It is wrong."),
    ],
)
def test_the_text_has_the_place_the_mistake_and_the_fix(error: CuraGenieError, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_survives_a_process_border_whole(kind: type[CuraGenieError]) -> None:
    error = kind("what.", where=WHERE, fix="fix.")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (str(copy), copy.where, copy.fix) == (str(error), WHERE, "fix.")
    assert copy.as_dict() == error.as_dict()


@pytest.mark.parametrize("kind", KINDS)
def test_only_infrastructure_errors_are_worth_another_try(kind: type[CuraGenieError]) -> None:
    assert kind.retryable is issubclass(kind, InfrastructureError)


def test_every_kind_has_its_own_code() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(set(codes)) == len(codes)


def test_programs_get_the_facts_apart_and_no_empty_ones() -> None:
    error = ScoringFileError("It is wrong.", where=Where("a.txt", 3), fix="Mend it.")
    assert error.as_dict() == {
        "code": "invalid_scoring_file",
        "what": "It is wrong.",
        "retryable": False,
        "fix": "Mend it.",
        "file": "a.txt",
        "line": 3,
    }
    assert UserError("It is wrong.").as_dict() == {
        "code": "invalid_request",
        "what": "It is wrong.",
        "retryable": False,
    }
