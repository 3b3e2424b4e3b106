"""Allele frequencies by place and alleles, by ID and alleles, and what cannot be read."""

import gzip
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import FrequencyFileError
from core.scoring.frequencies import Frequencies, read_frequencies

Alt = tuple[str | None, int | None, str | None, str, str]
"""contig, position, id, ref, alt"""

AFREQ = """\
#CHROM\tID\tREF\tALT\tPROVISIONAL_REF?\tALT_FREQS\tOBS_CT
1\trs1\tA\tG\tN\t0.25\t100
1\tchr1:20:a:c,g\ta\tc,g\tN\t0.1,0.2\t100
2\trs3\tT\tC\tN\tnan\t0
X\tX:30:CT:C\tCT\tC\tN\t0.5\t90
"""


def ask(frequencies: Frequencies, *alts: Alt) -> npt.NDArray[np.float64]:
    contig, position, variant_id, ref, alt = zip(*alts, strict=True)
    return frequencies.of_alts(
        pa.array(contig, pa.string()),
        pa.array(position, pa.int64()),
        pa.array(variant_id, pa.string()),
        pa.array(ref, pa.string()),
        pa.array(alt, pa.string()),
    )


def read(folder: Path, text: str) -> Frequencies:
    (folder / "panel.afreq").write_text(text)
    return read_frequencies(folder / "panel.afreq")


@pytest.fixture
def panel(tmp_path: Path) -> Frequencies:
    return read(tmp_path, AFREQ)


class TestLookup:
    def test_an_id_that_names_its_place_is_found_by_place(self, panel: Frequencies) -> None:
        found = ask(panel, ("X", 30, "any", "CT", "C"), ("X", 31, "any", "CT", "C"))
        np.testing.assert_array_equal(found, [0.5, np.nan])

    def test_another_id_is_found_by_itself_and_its_alleles(self, panel: Frequencies) -> None:
        found = ask(panel, ("7", 7, "rs1", "A", "G"), ("1", 10, "rs1", "A", "T"))
        np.testing.assert_array_equal(found, [0.25, np.nan])

    def test_every_alt_of_a_record_has_its_own_frequency(self, panel: Frequencies) -> None:
        found = ask(panel, ("1", 20, ".", "A", "G"), ("1", 20, ".", "A", "C"))
        np.testing.assert_array_equal(found, [0.2, 0.1])

    def test_turned_alleles_give_one_minus_the_frequency(self, panel: Frequencies) -> None:
        found = ask(panel, ("1", 10, "rs1", "G", "A"), ("X", 30, None, "C", "CT"))
        np.testing.assert_array_equal(found, [0.75, 0.5])

    def test_a_record_of_several_alts_is_not_turned(self, panel: Frequencies) -> None:
        assert np.isnan(ask(panel, ("1", 20, ".", "C", "A")))

    def test_several_alts_on_lines_of_their_own_are_not_turned(self, tmp_path: Path) -> None:
        panel = read(tmp_path, "chrom\tpos\tref\talt\taf\n1\t5\tA\tC\t0.1\n1\t5\tA\tG\t0.2\n")
        found = ask(panel, ("1", 5, None, "A", "C"), ("1", 5, None, "C", "A"))
        np.testing.assert_array_equal(found, [0.1, np.nan])

    def test_alleles_the_same_way_round_win_over_turned_ones(self, tmp_path: Path) -> None:
        panel = read(
            tmp_path,
            "chrom\tpos\tid\tref\talt\taf\n1\t5\ta\tA\tC\t0.1\n1\t5\tb\tC\tA\t0.4\n",
        )
        found = ask(panel, ("1", 5, None, "A", "C"), ("1", 5, None, "C", "A"))
        np.testing.assert_array_equal(found, [0.1, 0.4])

    def test_a_place_wins_over_an_id(self, tmp_path: Path) -> None:
        panel = read(
            tmp_path,
            "chrom\tpos\tid\tref\talt\taf\n1\t5\trs5\tA\tC\t0.1\n.\t.\trs6\tA\tC\t0.4\n",
        )
        assert ask(panel, ("1", 5, "rs6", "A", "C")) == [0.1]

    def test_a_record_without_alt_has_none_of_it(self, tmp_path: Path) -> None:
        """So says plink2, and a missing call there is REF twice."""
        path = tmp_path / "panel.afreq"
        path.write_text("#CHROM\tID\tREF\tALT\tALT_FREQS\tOBS_CT\n1\trs1\tA\t.\t0\t120\n")
        found = ask(read_frequencies(path), ("1", 10, "rs1", "A", "."), ("1", 10, "rs1", "A", "G"))
        assert found.tolist() == [0.0, pytest.approx(np.nan, nan_ok=True)]

    def test_unknown_is_nan(self, panel: Frequencies) -> None:
        asked: list[Alt] = [
            ("2", 9, "rs3", "T", "C"),
            ("99", 9, "rs99", "T", "C"),
            (None, None, None, "T", "C"),
            ("1", 10, ".", "A", "G"),
        ]
        assert np.isnan(ask(panel, *asked)).all()

    def test_contigs_are_known_by_their_canonical_names(self, tmp_path: Path) -> None:
        panel = read(tmp_path, "CHR,POS,REF,ALT,AF\nchr23,5,A,C,0.1\n")
        assert ask(panel, ("X", 5, ".", "A", "C")) == [0.1]

    def test_long_ids_that_begin_alike_are_told_apart(self, tmp_path: Path) -> None:
        start = "x" * 40
        panel = read(tmp_path, f"ID\tREF\tALT\tAF\n{start}1\tA\tC\t0.1\n{start}2\tA\tC\t0.2\n")
        found = ask(panel, ("1", 1, f"{start}2", "A", "C"), ("1", 1, f"{start}3", "A", "C"))
        np.testing.assert_array_equal(found, [0.2, np.nan])

    def test_nothing_asked_is_nothing_found(self, panel: Frequencies) -> None:
        empty = pa.array([], pa.string())
        found = panel.of_alts(empty, pa.array([], pa.int64()), empty, empty, empty)
        assert (found.shape, found.dtype) == ((0,), np.float64)

    def test_a_file_without_rows_knows_nothing(self, tmp_path: Path) -> None:
        panel = read(tmp_path, "#CHROM\tID\tREF\tALT\tALT_FREQS\n")
        assert np.isnan(ask(panel, ("1", 1, "rs1", "A", "C")))

    def test_gzip_and_another_process_make_no_difference(self, tmp_path: Path) -> None:
        path = tmp_path / "panel.afreq.gz"
        path.write_bytes(gzip.compress(AFREQ.encode()))
        panel = pickle.loads(pickle.dumps(read_frequencies(path)))
        assert ask(panel, ("1", 10, "rs1", "A", "G")) == [0.25]


FREQUENCY_ROWS = st.lists(
    st.tuples(
        st.sampled_from(["1", "X"]),
        st.integers(1, 6),
        st.sampled_from("ACGT"),
        st.sampled_from("ACGT"),
        st.integers(0, 1000).map(lambda n: n / 1000),
    ).filter(lambda row: row[2] != row[3]),
    min_size=1,
    max_size=12,
    unique_by=lambda row: row[:4],
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=FREQUENCY_ROWS, asked=FREQUENCY_ROWS)
def test_the_lookup_is_that_of_a_dictionary(
    tmp_path: Path,
    rows: Sequence[tuple[str, int, str, str, float]],
    asked: Sequence[tuple[str, int, str, str, float]],
) -> None:
    lines = [f"{contig}\t{position}\t{ref}\t{alt}\t{af}" for contig, position, ref, alt, af in rows]
    panel = read(tmp_path, "\n".join(["chrom\tpos\tref\talt\taf", *lines]))
    table = {row[:4]: row[4] for row in rows}
    places = [row[:2] for row in rows]

    def expected(contig: str, position: int, ref: str, alt: str) -> float:
        if (contig, position, ref, alt) in table:
            return table[contig, position, ref, alt]
        turned = table.get((contig, position, alt, ref), np.nan)
        return 1 - turned if places.count((contig, position)) == 1 else np.nan

    found = ask(panel, *[(contig, pos, None, ref, alt) for contig, pos, ref, alt, _ in asked])
    np.testing.assert_array_equal(found, [expected(*row[:4]) for row in asked])


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("ID\tREF\tALT\nrs1\tA\tG\n", "line 1: the file has no frequency column.*alt_freqs"),
            ("ID\tALT\tAF\nrs1\tA\t0.1\n", "line 1: the file has no ref column"),
            ("REF\tALT\tAF\nA\tG\t0.1\n", "line 1: the file has no id column"),
            ("CHROM\tREF\tALT\tAF\n1\tA\tG\t0.1\n", "line 1: the file has no id column"),
            ("ID\tREF\tALT\tAF\n\nrs1\tA\tG\t1.5\n", r"line 3: 1\.5 is not a frequency"),
            ("ID\tREF\tALT\tAF\nrs1\tA\tG\thalf\n", "line 2: half is not a frequency"),
            ("ID\tREF\tALT\tAF\nrs1\tA\tC,G\t0.5\n", "line 2: 2 ALT alleles, but 0.5"),
            (
                "ID\tREF\tALT\tAF\nrs1\tA\tG\t0.5\nrs1\tA\tG\t0.6\n",
                "line 3: A to G is listed before, with another frequency",
            ),
        ],
    )
    def test_what_cannot_be_used_is_refused_with_its_line(
        self, tmp_path: Path, text: str, message: str
    ) -> None:
        with pytest.raises(FrequencyFileError, match=message) as error:
            read(tmp_path, text)
        assert error.value.fix

    def test_the_same_line_twice_is_no_contradiction(self, tmp_path: Path) -> None:
        panel = read(tmp_path, "ID\tREF\tALT\tAF\nrs1\tA\tG\t0.5\nrs1\tA\tG\t0.5\n")
        assert ask(panel, ("1", 1, "rs1", "A", "G")) == [0.5]

    @pytest.mark.parametrize("word", ["NA", ".", "", "nan"])
    def test_a_variant_without_a_frequency_is_unknown(self, tmp_path: Path, word: str) -> None:
        panel = read(
            tmp_path, f"ID\tREF\tALT\tAF\nrs1\tA\tG,C\t0.5,{word or 'NA'}\nrs2\tA\tG\t{word}\n"
        )
        found = ask(
            panel,
            *[("1", 1, name, "A", alt) for name, alt in (("rs1", "G"), ("rs1", "C"), ("rs2", "G"))],
        )
        np.testing.assert_array_equal(found, [0.5, np.nan, np.nan])
