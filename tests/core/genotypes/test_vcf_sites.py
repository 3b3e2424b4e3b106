"""Site rows of one line, and what becomes of their strings."""

import numpy as np
import pytest

from core.genotypes import vcf_kernels as kernels
from core.genotypes import vcf_sites
from core.genotypes.simd import PADDING
from tests.builders.vcf import Record


def sites_of(record: Record) -> tuple[int, int, dict[str, list]]:
    """(status, bits, columns) of one line in the second row of a table."""
    content = str(record).encode()
    text = np.frombuffer(bytearray(content + bytes(PADDING)), np.uint8)
    lines, n_alts = np.zeros((1, kernels.N_LINE_COLUMNS), np.int64), np.zeros(1, np.int64)
    kernels.index_columns(text, 0, len(content), lines, 0)
    n_rows, n_bytes = vcf_sites.measure_sites(text, lines, 0, 1, n_alts)
    sites = vcf_sites.new_site_rows(1 + n_rows, n_bytes)
    status, bits = vcf_sites.append_site(text, lines[0], n_alts[0], 5, 2, 100, 7, sites, 1)
    columns = {
        "id": strings(sites.id_offsets, sites.ids),
        "ref": strings(sites.ref_offsets, sites.refs),
        "alt": strings(sites.alt_offsets, sites.alts),
        "numbers": np.stack(
            [sites.record, sites.contig, sites.position, sites.line, sites.n_alts], 1
        )[1:].tolist(),
    }
    return status, bits, columns


def strings(offsets: np.ndarray, content: np.ndarray) -> list[str]:
    spans = zip(offsets[1:-1], offsets[2:], strict=True)
    return [bytes(content[start:end]).decode("utf-8", "replace") for start, end in spans]


@pytest.mark.parametrize(
    ("alt", "expected"),
    [
        (".", ["."]),
        ("acgt,T", ["ACGT", "T"]),
        ("<dup:tandem>,*,t]chr1:5],[c:1[a,g", ["<dup:tandem>", "*", "t]chr1:5]", "[c:1[a", "G"]),
    ],
)
def test_a_row_for_each_alt_with_bases_in_upper_case_and_names_kept(alt, expected):
    status, bits, columns = sites_of(Record("1", 100, ["0/1"], id="rs1", ref="ac", alt=alt))
    assert (status, bits < 128) == (vcf_sites.OK, True)
    n = len(expected)
    assert (columns["alt"], columns["id"], columns["ref"]) == (expected, ["rs1"] * n, ["AC"] * n)
    assert columns["numbers"] == [[5, 2, 100, 7, n]] * n


@pytest.mark.parametrize(
    ("column", "status"),
    [("id", vcf_sites.EMPTY_ID), ("ref", vcf_sites.EMPTY_REF), ("alt", vcf_sites.EMPTY_ALT)],
)
def test_an_empty_string_is_named(column, status):
    record = Record(**{"contig": "1", "position": 1, "calls": ["0/1"], column: ""})
    assert sites_of(record)[0] == status


@pytest.mark.parametrize("alt", [",G", "G,", "G,,T"])
def test_an_empty_allele_is_named(alt):
    assert sites_of(Record("1", 1, ["0/1"], alt=alt))[0] == vcf_sites.EMPTY_ALT


def test_other_letters_than_ascii_are_noticed():
    assert sites_of(Record("1", 1, ["0/1"], id="é"))[1] >= 128
