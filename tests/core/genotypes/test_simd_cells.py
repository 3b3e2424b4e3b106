"""The vector form and the plain form of every function against Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.genotypes import simd_cells
from core.genotypes.simd_cells import CELLS

LETTERS = "0120129./|:\t\n\\-"

cells = st.one_of(
    st.builds("\t{}{}{}".format, *(st.sampled_from(x) for x in ("0123.", "/|", "0123."))),
    st.text(LETTERS, min_size=4, max_size=4),
    st.binary(min_size=4, max_size=4).map(lambda content: content.decode("latin-1")),
)
groups = st.lists(cells, min_size=CELLS, max_size=CELLS)


def copies_of(cell: str, allele: int, n_alts: int) -> int | None:
    """None for what is no such cell."""
    left, phase, right = cell[1:]
    if cell[0] != "\t" or phase not in "/|":
        return None
    if left == right == ".":
        return simd_cells.MISSING
    known = "0123456789"[: n_alts + 1]
    if left not in known or right not in known:
        return None
    return [left, right].count(str(allele))


def stored(store, group: list[str], *numbers: int) -> tuple[np.ndarray, int]:
    text = np.frombuffer(("\0" + "".join(group)).encode("latin-1"), np.uint8).copy()
    dosage = np.full((3, CELLS + 2), 77, np.uint8)
    mask = store(text, 1, dosage, 1, 1, *numbers)
    around = dosage.copy()
    around[1, 1 : CELLS + 1] = 77
    assert (around == 77).all()
    return dosage[1, 1 : CELLS + 1], mask


def check(dosage: np.ndarray, mask: int, expected: list[int | None]) -> None:
    assert mask == sum(1 << i for i, copies in enumerate(expected) if copies is None)
    for found, copies in zip(dosage.tolist(), expected, strict=True):
        assert copies is None or found == copies


@pytest.mark.parametrize("store", [simd_cells._one_alt, simd_cells._one_alt_plain])
@given(group=groups)
def test_cells_of_one_alt_become_its_copies(store, group):
    check(*stored(store, group), [copies_of(cell, 1, 1) for cell in group])


@pytest.mark.parametrize("store", [simd_cells._one_allele, simd_cells._one_allele_plain])
@given(group=groups, allele=st.integers(1, 40), n_alts=st.integers(0, 9))
def test_cells_of_several_alts_become_copies_of_one(store, group, allele, n_alts):
    expected = [copies_of(cell, allele, n_alts) for cell in group]
    check(*stored(store, group, allele, n_alts), expected)


@pytest.mark.parametrize("load", [simd_cells._word, simd_cells._word_plain])
@given(content=st.binary(min_size=8, max_size=30), at=st.integers(0, 22))
def test_a_word_is_eight_bytes_from_the_lowest(load, content, at):
    at = min(at, len(content) - 8)
    array = np.frombuffer(content, np.uint8).copy()
    assert int(load(array, at)) == int.from_bytes(content[at : at + 8], "little")


fields = st.text(LETTERS, max_size=6).map(lambda text: text.replace("\t", ""))


@pytest.mark.parametrize("gather", [simd_cells._gather, simd_cells._gather_plain])
@given(samples=st.lists(fields, min_size=CELLS + 2, max_size=CELLS + 2))
def test_three_letters_of_samples_are_gathered_where_an_end_or_a_colon_follows(gather, samples):
    text = np.frombuffer(("\t" + "\t".join(samples) + "\t" + "\0" * 8).encode(), np.uint8).copy()
    starts = np.cumsum([1, *(len(sample) + 1 for sample in samples)])
    cells = np.empty(simd_cells.CELL_BYTES, np.uint8)
    mask = gather(text, starts, 1, cells)
    for i, sample in enumerate(samples[1 : CELLS + 1]):
        is_whole = len(sample) == 3 or sample[3:4] == ":"
        assert mask >> i & 1 == (not is_whole)
        if is_whole:
            assert bytes(cells[4 * i : 4 * i + 4]).decode() == "\t" + sample[:3]
