"""The match table and the exclusions, one rule at a time (the property test mixes them)."""

from pathlib import Path

import pytest

from core.genotypes.block import DosageBlock
from core.scoring.join import join_rows
from core.scoring.matching import MATCH_TYPES, REASONS, match_block
from core.scoring.policy import Compat, ScoringPolicy, policy_for
from core.scoring.scoring_file import read_scoring_file
from tests.builders.blocks import Site, block_of
from tests.builders.scoring_file import Row, write_scoring_file

Fate = tuple[str | None, str | None]


def policy(compat: Compat = Compat.DEFAULT, **fields: str) -> ScoringPolicy:
    return policy_for(compat, n_samples=60, has_frequencies=False, overrides=fields)


def block(*sites: Site, ids: list[str] | None = None) -> DosageBlock:
    n_rows = sum(alts.count(",") + 1 for *_, alts in sites)
    return block_of(sites, [[0]] * n_rows, ids=ids)


def fates(folder: Path, rows: list[Row], against: DosageBlock, rules: ScoringPolicy) -> list[Fate]:
    """(match type, reason) of the rows that met a record, in row order."""
    file = read_scoring_file(write_scoring_file(folder / "score.txt", rows))
    joined = join_rows([file], rules)
    matches = match_block(joined, against, rules)
    by_row = sorted(
        zip(joined.row_number[matches.row].tolist(), range(len(matches.row)), strict=True)
    )
    return [
        (
            MATCH_TYPES[matches.match_type[at]] if matches.match_type[at] >= 0 else None,
            REASONS[matches.reason[at]].value if matches.reason[at] >= 0 else None,
        )
        for _, at in by_row
    ]


@pytest.mark.parametrize(
    ("effect", "other", "kind"),
    [
        ("A", "G", "refalt"),
        ("G", "A", "altref"),
        ("T", "C", "refalt_flip"),
        ("C", "T", "altref_flip"),
        ("A", None, "no_oa_ref"),
        ("G", None, "no_oa_alt"),
        ("T", None, "no_oa_ref_flip"),
        ("C", None, "no_oa_alt_flip"),
    ],
)
def test_each_row_of_the_match_table(effect, other, kind, tmp_path):
    against = block(("1", 100, "A", "G"))
    rows = [Row("1", 100, effect, other, 0.5)]
    assert fates(tmp_path, rows, against, policy()) == [(kind, None)]


def test_another_allele_at_the_place_is_a_mismatch(tmp_path):
    rows = [Row("1", 100, "G", "T", 0.5)]
    assert fates(tmp_path, rows, block(("1", 100, "A", "G")), policy()) == [
        (None, "allele_mismatch")
    ]


@pytest.mark.parametrize(("ref", "alt"), [("A", "T"), ("C", "G"), ("AT", "AT"[::-1])])
def test_a_palindrome_is_ambiguous(ref, alt, tmp_path):
    rows = [Row("1", 100, alt, ref, 0.5)]
    against = block(("1", 100, ref, alt))
    reason = "ambiguous" if len(ref) == 1 else None
    assert fates(tmp_path, rows, against, policy())[0][1] == reason
    assert fates(tmp_path, rows, against, policy(ambiguous="keep"))[0][1] is None


def test_an_indel_is_never_flipped_by_default_and_basewise_as_pgscatalog_match_does(tmp_path):
    """Base by base without reversing, AT and A read TA and T."""
    rows = [Row("1", 100, "TA", "T", 0.5)]
    against = block(("1", 100, "AT", "A"))
    assert fates(tmp_path, rows, against, policy()) == [(None, "allele_mismatch")]
    assert fates(tmp_path, rows, against, policy(Compat.PGSC_CALC_V2)) == [("refalt_flip", None)]


def test_without_an_other_allele_the_record_tells_an_indel(tmp_path):
    rows = [Row("1", 100, "T", None, 0.5)]
    insertion = block(("1", 100, "A", "AG"))
    assert fates(tmp_path, rows, insertion, policy()) == [(None, "allele_mismatch")]
    basewise = fates(tmp_path, rows, insertion, policy(strand_flip="basewise"))
    assert basewise == [("no_oa_ref_flip", None)]


@pytest.mark.parametrize("alts", ["T,G", "G,T"])
def test_ref_alone_is_ambiguous_where_any_alt_is_its_complement(alts, tmp_path):
    rows = [Row("1", 100, "A", None, 0.5)]
    found = fates(tmp_path, rows, block(("1", 100, "A", alts)), policy())
    assert found == [("no_oa_ref", "ambiguous")]
    known = fates(tmp_path, [Row("1", 100, "A", "G", 0.5)], block(("1", 100, "A", alts)), policy())
    assert known == [("refalt", None)]


def test_a_substitution_of_several_bases_flips_by_reverse_complement(tmp_path):
    rows = [Row("1", 100, "GT", "GG", 0.5)]
    assert fates(tmp_path, rows, block(("1", 100, "CC", "AC")), policy()) == [("altref_flip", None)]


def test_the_direct_reading_wins_over_the_flip(tmp_path):
    rows = [Row("1", 100, "T", "A", 0.5)]
    assert fates(tmp_path, rows, block(("1", 100, "A", "T")), policy(ambiguous="keep")) == [
        ("altref", None)
    ]


def test_every_alt_of_a_multiallelic_record_can_be_named(tmp_path):
    rows = [Row("1", 100, "C", "A", 0.5), Row("1", 100, "G", "A", 0.5)]
    against = block(("1", 100, "A", "C,G"))
    assert fates(tmp_path, rows, against, policy()) == [("altref", None)] * 2
    dropped = fates(tmp_path, rows, against, policy(multiallelic="drop"))
    assert dropped == [("altref", "multiallelic")] * 2


def test_ref_of_a_site_split_over_records_cannot_be_scored(tmp_path):
    rows = [Row("1", 100, "A", "C", 0.5), Row("1", 100, "G", "A", 0.5)]
    against = block(("1", 100, "A", "C"), ("1", 100, "A", "G"))
    assert fates(tmp_path, rows, against, policy()) == [
        ("refalt", "split_multiallelic"),
        ("altref", None),
    ]


def test_rows_that_share_a_target_all_leave_or_the_first_stays(tmp_path):
    rows = [Row("1", 100, "G", "A", 0.5), Row("1", 100, "A", "G", 0.25)]
    against = block(("1", 100, "A", "G"))
    assert [reason for _, reason in fates(tmp_path, rows, against, policy())] == [
        "duplicate_target"
    ] * 2
    kept = fates(tmp_path, rows, against, policy(duplicate_target="keep_first"))
    assert [reason for _, reason in kept] == [None, "duplicate_target"]


def test_ref_of_a_multiallelic_record_counts_once_whichever_alt_it_stands_against(tmp_path):
    rows = [Row("1", 100, "A", "C", 0.5), Row("1", 100, "A", "G", 0.25)]
    against = block(("1", 100, "A", "C,G"))
    assert fates(tmp_path, rows, against, policy()) == [("refalt", "duplicate_target")] * 2
    kept = fates(tmp_path, rows, against, policy(duplicate_target="keep_first"))
    assert kept == [("refalt", None), ("refalt", "duplicate_target")]


def test_the_same_row_twice_is_said_to_be_that(tmp_path):
    rows = [Row("1", 100, "G", "A", 0.5), Row("1", 100, "G", "A", 0.25)]
    assert [
        reason for _, reason in fates(tmp_path, rows, block(("1", 100, "A", "G")), policy())
    ] == ["duplicate_score_row"] * 2


def test_a_repeated_record_is_matched_once_and_the_first_is_taken(tmp_path):
    file = read_scoring_file(
        write_scoring_file(tmp_path / "score.txt", [Row("1", 100, "G", "A", 0.5)])
    )
    against = block(("1", 100, "A", "G"), ("1", 100, "A", "G"))
    matches = match_block(join_rows([file], policy()), against, policy())
    assert matches.variant.tolist() == [0]
    assert matches.matched.tolist() == [True]


def test_matching_by_rsid_takes_any_of_a_records_ids_and_ignores_the_place(tmp_path):
    rows = [Row(None, None, "G", "A", 0.5, rsid="rs7")]
    against = block(("1", 100, "A", "G"), ("2", 5, "A", "G"), ids=["rs1", "rs6;rs7"])
    assert fates(tmp_path, rows, against, policy(match_by="rsid")) == [("altref", None)]


def test_a_position_past_any_chromosome_is_none_of_the_next_contig(tmp_path):
    """Keys are contig and position in one integer."""
    rows = [Row("1", 5, "G", "A", 0.5), Row("2", 100, "G", "A", 0.5)]
    assert fates(tmp_path, rows, block(("1", (1 << 32) + 100, "A", "G")), policy()) == []


@pytest.mark.parametrize(
    ("effect", "other", "kind"),
    [
        ("A", "G", "ref_only_effect"),
        ("G", "A", "ref_only_other"),
        ("T", "C", "ref_only_effect_flip"),
        ("C", "T", "ref_only_other_flip"),
        ("A", None, "ref_only_effect"),
        ("G", None, None),
        ("T", None, None),
        ("C", "G", None),
        ("AT", "A", None),
        ("A", "AT", None),
        ("A", "A", None),
    ],
)
def test_a_record_of_ref_alone_answers_two_bases_of_which_one_is_ref(effect, other, kind, tmp_path):
    rows = [Row("1", 100, effect, other, 0.5)]
    expected = (kind, None) if kind else (None, "allele_mismatch")
    assert fates(tmp_path, rows, block(("1", 100, "A", ".")), policy()) == [expected]


@pytest.mark.parametrize("compat", [Compat.PLINK2, Compat.PGSC_CALC_V2])
def test_the_peers_match_no_two_alleles_at_a_record_of_ref_alone(compat, tmp_path):
    rows = [Row("1", 100, "A", "G", 0.5), Row("1", 200, "A", None, 0.5)]
    against = block(("1", 100, "A", "."), ("1", 200, "A", "."))
    assert fates(tmp_path, rows, against, policy(compat)) == [
        (None, "allele_mismatch"),
        ("no_oa_ref", None),
    ]


def test_a_palindrome_at_a_record_of_ref_alone_is_ambiguous(tmp_path):
    rows = [Row("1", 100, "T", "A", 0.5)]
    against = block(("1", 100, "A", "."))
    assert fates(tmp_path, rows, against, policy()) == [("ref_only_other", "ambiguous")]
    kept = fates(tmp_path, rows, against, policy(ambiguous="keep"))
    assert kept == [("ref_only_other", None)]


def test_a_flip_at_a_record_of_ref_alone_is_ignored_where_flips_are(tmp_path):
    rows = [Row("1", 100, "T", "C", 0.5)]
    found = fates(tmp_path, rows, block(("1", 100, "A", ".")), policy(strand_flip="ignore"))
    assert found == [("ref_only_effect_flip", "strand_flip_ignored")]


def test_a_record_with_both_alleles_wins_over_one_of_ref_alone(tmp_path):
    """Even where only the other strand fits; that other record leaves REF alone undecided."""
    rows = [Row("1", 100, "C", "T", 0.5)]
    against = block(("1", 100, "T", "."), ("1", 100, "A", "G"))
    assert fates(tmp_path, rows, against, policy()) == [("altref_flip", None)]


@pytest.mark.parametrize(("effect", "other"), [("A", "G"), ("G", "A")])
def test_ref_alone_is_not_believed_beside_another_record_of_the_same_ref(effect, other, tmp_path):
    rows = [Row("1", 100, effect, other, 0.5)]
    against = block(("1", 100, "A", "."), ("1", 100, "A", "T"))
    (found,) = fates(tmp_path, rows, against, policy())
    assert found[1] == "split_multiallelic"


def test_alleles_that_a_person_has_none_of_are_targets_of_their_own(tmp_path):
    against = block(("1", 100, "A", "."))
    two_alts = [Row("1", 100, "G", "A", 0.5), Row("1", 100, "C", "A", 0.25)]
    assert fates(tmp_path, two_alts, against, policy()) == [("ref_only_other", None)] * 2
    one_alt = [Row("1", 100, "G", "A", 0.5), Row("1", 100, "A", "G", 0.25)]
    assert [reason for _, reason in fates(tmp_path, one_alt, against, policy())] == [
        "duplicate_target"
    ] * 2
    ref_twice = [Row("1", 100, "A", "G", 0.5), Row("1", 100, "A", "C", 0.25)]
    assert [reason for _, reason in fates(tmp_path, ref_twice, against, policy())] == [
        "duplicate_target"
    ] * 2


@pytest.mark.parametrize("name", ["<NON_REF>", "<*>"])
def test_an_unspecified_alt_is_no_allele(name, tmp_path):
    rows = [Row("1", 100, "G", "A", 0.5)]
    against = block(("1", 100, "A", f"G,{name}"))
    assert fates(tmp_path, rows, against, policy(multiallelic="drop")) == [("altref", None)]
    peers = fates(tmp_path, rows, against, policy(Compat.PGSC_CALC_V2))
    assert peers == [("altref", "multiallelic")]
