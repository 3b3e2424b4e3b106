"""The policy table of the contract."""

import pytest

from core.errors import PolicyError
from core.scoring.policy import Compat, policy_for

CONTRACT = {
    # field: (default, plink2, pgsc_calc_v2)
    "missing": ("mean_external", "mean_cohort", "mean_cohort"),
    "ambiguous": ("drop", "keep", "drop"),
    "strand_flip": ("allow", "ignore", "basewise"),
    "multiallelic": ("every_alt", "every_alt", "drop"),
    "duplicate_target": ("drop_all", "keep_first", "drop_all"),
    "x_male": ("observed", "doubled", "doubled"),
    "par": ("by_build", "unsplit", "unsplit"),
    "half_call": ("missing", "error", "error"),
    "effect_type": ("from_file", "additive", "from_file"),
    "match_by": ("position", "position", "position"),
    "absent": ("unmatched", "unmatched", "unmatched"),
    "reference_calls": ("match", "ignore", "ignore"),
    "min_reference_gq": (20.0, 20.0, 20.0),
    "min_overlap": (0.75, 0.0, 0.75),
}


@pytest.mark.parametrize(("column", "compat"), list(enumerate(Compat)))
def test_each_compat_names_the_values_of_the_contract(column, compat):
    policy = policy_for(compat, n_samples=100, has_frequencies=False).as_dict()
    assert {field: policy[field] for field in CONTRACT} == {
        field: values[column] for field, values in CONTRACT.items()
    }


def test_pgsc_calc_stops_imputing_below_fifty_samples():
    policy = policy_for(Compat.PGSC_CALC_V2, n_samples=49, has_frequencies=False)
    assert policy.missing == "zero"


@pytest.mark.parametrize("compat", [Compat.PLINK2, Compat.PGSC_CALC_V2])
def test_given_frequencies_replace_the_cohorts_own(compat):
    assert policy_for(compat, n_samples=10, has_frequencies=True).missing == "mean_external"


def test_an_override_wins_over_the_preset():
    policy = policy_for(
        Compat.PLINK2, n_samples=10, has_frequencies=True, overrides={"missing": "drop"}
    )
    assert policy.missing == "drop"


def test_an_unknown_field_is_refused_with_the_known_ones():
    with pytest.raises(PolicyError, match="Choose one of: missing, ambiguous"):
        policy_for(Compat.DEFAULT, n_samples=1, has_frequencies=False, overrides={"strand": "keep"})


@pytest.mark.parametrize("value", ["1.5", "-0.1", "nan", "many"])
def test_min_overlap_is_a_fraction(value):
    with pytest.raises(PolicyError, match=r"0\.\.1"):
        policy_for(
            Compat.DEFAULT, n_samples=1, has_frequencies=False, overrides={"min_overlap": value}
        )
