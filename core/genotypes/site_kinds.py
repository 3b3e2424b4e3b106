"""What a row of a block is to its quality: the kind of its ALT allele, and of its place."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.genome_build import GenomeBuild, par_intervals
from core.genotypes.block import DosageBlock, values_of
from core.variants import is_acgt

Codes = npt.NDArray[np.uint8]

TRANSITION, TRANSVERSION, OTHER_SNV, INDEL, OTHER_ALT = range(5)
"""Kinds of ALT alleles. OTHER_SNV has an N; OTHER_ALT is an MNV, symbolic, or no ALT at all."""

AUTOSOME, X_ALONE, Y_ALONE, ELSEWHERE = range(4)
"""Kinds of places: X and Y without their PAR; ELSEWHERE are the PAR, MT, and unknown contigs."""

N_PLACES = 4

_TRANSITIONS = frozenset(("AG", "GA", "CT", "TC"))
_PLACES = {**{str(n): AUTOSOME for n in range(1, 23)}, "X": X_ALONE, "Y": Y_ALONE}


def allele_type(ref: str, alt: str) -> str:
    """snv, mnv, insertion, deletion; `reference_only` for ALT ".", `symbolic` for any other ALT
    that is no sequence (<DEL>, *, breakends).

    >>> allele_type("A", "ATT")
    'insertion'
    """
    if alt == ".":
        return "reference_only"
    if not is_acgt(alt.replace("N", "A")):
        return "symbolic"
    if len(ref) == len(alt):
        return "snv" if len(ref) == 1 else "mnv"
    return "insertion" if len(alt) > len(ref) else "deletion"


def alt_kind(ref: str, alt: str) -> int:
    """TRANSITION to OTHER_ALT.

    >>> alt_kind("A", "G") == TRANSITION
    True
    """
    kind = allele_type(ref, alt)
    if kind == "snv":
        if not is_acgt(ref + alt):
            return OTHER_SNV
        return TRANSITION if ref + alt in _TRANSITIONS else TRANSVERSION
    return INDEL if kind in ("insertion", "deletion") else OTHER_ALT


@dataclass(frozen=True, slots=True)
class SiteKinds:
    """Of the rows of a block, (rows,) each; `alts_by_type` counts them by `allele_type`.

    is_first   the first ALT row of its record
    alt        TRANSITION to OTHER_ALT
    place      AUTOSOME to ELSEWHERE; without a build, the PAR of both builds are left out of X, Y
    """

    is_first: npt.NDArray[np.bool_]
    alt: Codes
    place: Codes
    alts_by_type: Counter[str]

    @classmethod
    def of(cls, block: DosageBlock, build: GenomeBuild | None) -> "SiteKinds":
        is_first = np.ones(block.n_rows, np.bool_)
        is_first[1:] = block.record[1:] != block.record[:-1]
        pairs, pair_of_row = _allele_pairs(block)
        kinds = np.array([alt_kind(*pair) for pair in pairs], np.uint8)
        by_type: Counter[str] = Counter()
        for pair, n in zip(pairs, np.bincount(pair_of_row, minlength=len(pairs)), strict=True):
            by_type[allele_type(*pair)] += int(n)
        return cls(is_first, kinds[pair_of_row], _places(block, build), by_type)


def _allele_pairs(block: DosageBlock) -> tuple[list[tuple[str, str]], npt.NDArray[np.int32]]:
    """The distinct (REF, ALT), and which of them each row has: what depends on the alleles runs
    once for each pair."""
    joined = pc.binary_join_element_wise(block.column("ref"), block.column("alt"), "\t")
    encoded = joined.dictionary_encode()
    pairs = [tuple(text.split("\t")) for text in encoded.dictionary.to_pylist()]
    return pairs, values_of(encoded.indices)


def _places(block: DosageBlock, build: GenomeBuild | None) -> Codes:
    encoded: pa.DictionaryArray = block.column("contig").dictionary_encode()
    of_contig = [_PLACES.get(name, ELSEWHERE) for name in encoded.dictionary.to_pylist()]
    places = np.array(of_contig, np.uint8)[values_of(encoded.indices)]
    for place, contig in ((X_ALONE, "X"), (Y_ALONE, "Y")):
        if place not in of_contig:
            continue
        for one in GenomeBuild if build is None else (build,):
            for first, last in par_intervals(one, contig):
                in_par = (block.position >= first) & (block.position <= last)
                places[in_par & (places == place)] = ELSEWHERE
    return places
