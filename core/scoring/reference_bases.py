"""Which base the reference has where a scoring file has rows, and who says so.

A reference block says that a person has REF, not what REF is; a file of variants says nothing about
the sites it leaves out. A reference FASTA tells, or a table of frequencies whose columns are named
REF and ALT; never the order of a scoring file's alleles.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.reference_fasta import ReferenceFasta
from core.scoring.alleles import alleles_of
from core.scoring.frequencies import Frequencies
from core.scoring.rows import ScoreRows

Bases = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]


def with_reference_bases(
    rows: ScoreRows, fasta: ReferenceFasta | None, frequencies: Frequencies | None
) -> ScoreRows:
    """The rows with what the FASTA says, else what the frequencies do; as they are without both."""
    contig, position = rows.places()
    if not len(contig):
        return rows
    if fasta is not None:
        return rows.with_reference(_bases_of_fasta(rows, fasta, contig, position))
    if frequencies is not None and frequencies.names_ref:
        names = pa.array(rows.contigs, pa.string()).take(pa.array(contig))
        return rows.with_reference(frequencies.reference_bases(names, pa.array(position)))
    return rows


def _bases_of_fasta(
    rows: ScoreRows, fasta: ReferenceFasta, contig: Indices, position: Indices
) -> Bases:
    ends = np.searchsorted(contig, np.arange(len(rows.contigs) + 1))
    parts = [
        fasta.bases(name, position[ends[number] : ends[number + 1]])
        for number, name in enumerate(rows.contigs)
    ]
    return np.concatenate(parts)


def reference_differences(rows: ScoreRows, matches: pa.Table) -> tuple[int, int]:
    """(rows that met a record whose place has a known base, those whose REF begins with another).

    `matches` has MATCH_SCHEMA.
    """
    named = matches.filter(pc.is_valid(matches.column("variant_id"))).combine_chunks()
    first, n_rows = (named.column(name).to_numpy() for name in ("row", "n_rows"))
    pattern = np.searchsorted(rows.patterns.first, first, side="right") - 1
    known = rows.patterns.ref_base[pattern]
    chosen = np.flatnonzero(known > 0)
    written = _first_bases_of_ref(
        rows, named.column("variant_id").combine_chunks(), pattern, chosen
    )
    is_checked = np.isin(written, list(b"ACGT"))
    differs = is_checked & (written != known[chosen])
    return int(n_rows[chosen][is_checked].sum()), int(n_rows[chosen][differs].sum())


def _first_bases_of_ref(
    rows: ScoreRows, variant_ids: pa.Array, pattern: Indices, chosen: Indices
) -> Bases:
    """Of chosen variants, contig:position:REF:ALT, which lie at the places of their patterns."""
    contig, position = (values[pattern[chosen]] for values in rows.places())
    of_contig = np.array([len(name.encode()) for name in rows.contigs], np.int64)[contig]
    n_digits = np.floor(np.log10(np.maximum(position, 1))).astype(np.int64) + 1
    ids = alleles_of(variant_ids)
    return ids.data[ids.offsets[chosen] + of_contig + n_digits + 2]
