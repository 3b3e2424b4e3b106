"""Which rows of a table of sites are wanted: whole position groups, found before any call is read.

A table of sites has `contig` (dictionary of canonical names), `position` (int64) and `id`, with one
row for each record or for each of its ALT alleles.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.genotypes.block import texts, values_of
from core.genotypes.vcf_wanted import Wanted

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def wanted_rows(sites: pa.RecordBatch, wanted: Wanted | None) -> Ints:
    """(W,) rows, ascending: those of the position groups that hold something wanted."""
    if wanted is None:
        return np.arange(sites.num_rows)
    contig, positions = sites.column("contig"), values_of(sites.column("position"))
    contig_of = values_of(contig.indices)
    is_wanted = np.zeros(sites.num_rows, np.bool_)
    for number, name in enumerate(contig.dictionary.to_pylist()):
        if name in wanted.whole_contigs:
            is_wanted |= contig_of == number
        elif name in wanted.positions:
            here = np.flatnonzero(contig_of == number)
            is_wanted[here] = _are_in(positions[here], wanted.positions[name])
    if wanted.ids:
        has_id = _have_id(sites.column("id"), texts([name.encode() for name in sorted(wanted.ids)]))
        group = np.cumsum(group_starts(positions, contig_of)) - 1
        is_wanted |= (np.bincount(group, weights=has_id) > 0)[group]
    return np.flatnonzero(is_wanted)


def group_starts(positions: Ints, contig_of: npt.NDArray[np.integer] | None = None) -> Bools:
    """(n,) whether a row begins a position group; `contig_of` is None for rows of one contig."""
    starts = np.ones(len(positions), np.bool_)
    np.not_equal(positions[1:], positions[:-1], out=starts[1:])
    if contig_of is not None:
        starts[1:] |= contig_of[1:] != contig_of[:-1]
    return starts


def _are_in(positions: Ints, wanted: Ints) -> Bools:
    """(n,) whether a position is among the sorted unique wanted ones.

    Wanted positions are looked up in the table's, which are more; those may be unsorted.
    """
    if len(positions) == 0:
        return np.zeros(0, np.bool_)
    order = None if (positions[1:] >= positions[:-1]).all() else np.argsort(positions)
    start, stop = np.searchsorted(wanted, (positions.min(), positions.max() + 1))
    first = np.searchsorted(positions, wanted[start:stop], "left", sorter=order)
    last = np.searchsorted(positions, wanted[start:stop], "right", sorter=order)
    edges = np.bincount(first, minlength=len(positions) + 1).astype(np.int64)
    edges -= np.bincount(last, minlength=len(positions) + 1)
    found = np.cumsum(edges)[:-1] > 0
    if order is None:
        return found
    is_in = np.empty_like(found)
    is_in[order] = found
    return is_in


def _have_id(ids: pa.Array, wanted: pa.Array) -> Bools:
    """(n,) whether one of a record's IDs, separated by ";", is among `wanted`."""
    parts = pc.split_pattern(ids, ";")
    hits = pc.is_in(pc.list_flatten(parts), wanted).cast(pa.uint8())
    found = np.zeros(len(ids), np.bool_)
    found[values_of(pc.list_parent_indices(parts))[values_of(hits) == 1]] = True
    return found
