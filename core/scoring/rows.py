"""ScoreRows: the rows of every scoring file of a run, in one table that blocks are joined to.

Rows are sorted by join key, so that a block finds its rows by binary search. A key is an integer:
contig code and position when matching by position, the number of the rsID when matching by rsID.
Rows that cannot be joined (no coordinates, complex alleles) are kept aside with their reason.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.genotypes.vcf import Wanted
from core.scoring.policy import EffectTypeSource, MatchBy, ScoringPolicy, StrandFlip
from core.scoring.scoring_file import ScoringFile
from core.scoring.weighted_sum import ADDITIVE, DOMINANT, RECESSIVE
from core.variants import complement, reverse_complement

_EFFECT_CODES = {"additive": ADDITIVE, "dominant": DOMINANT, "recessive": RECESSIVE}

_POSITION_BITS = 32


@dataclass(frozen=True, slots=True)
class ScoreRows:
    """N joinable rows of K scoring files, sorted by key, then score, then row number.

    key, score, row_number, effect_type    (N,) int64, int32, int32, int8
    effect_weight, effect_frequency        (N,) float64; a frequency that the file lacks is NaN
    effect, other, effect_flipped, other_flipped    (N,) string; null where there is none
    contigs, ids                           what the key counts: contig names, or rsIDs (sorted)
    """

    accessions: tuple[str, ...]
    match_by: MatchBy
    contigs: pa.Array
    ids: pa.Array
    key: npt.NDArray[np.int64]
    score: npt.NDArray[np.int32]
    row_number: npt.NDArray[np.int32]
    effect_type: npt.NDArray[np.int8]
    effect_weight: npt.NDArray[np.float64]
    effect_frequency: npt.NDArray[np.float64]
    effect: pa.Array
    other: pa.Array
    effect_flipped: pa.Array
    other_flipped: pa.Array

    def __len__(self) -> int:
        return len(self.key)

    @property
    def n_scores(self) -> int:
        return len(self.accessions)

    def keys_of(self, contig: pa.Array, position: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """(rows,) position keys of a block's rows; -1 on contigs that no row names."""
        code = _codes(contig, self.contigs)
        return np.where(code < 0, -1, (code << _POSITION_BITS) | position)

    def keys_of_ids(self, ids: pa.Array) -> npt.NDArray[np.int64]:
        """(rows,) keys of IDs; -1 for an ID that no row names."""
        return _codes(ids, self.ids)

    def contigs_with_rows(self) -> frozenset[str]:
        """Names of the contigs on which some row lies; empty when matching by rsID."""
        if self.match_by is MatchBy.RSID:
            return frozenset()
        codes = np.unique(self.key >> _POSITION_BITS)
        return frozenset(self.contigs.take(pa.array(codes)).to_pylist())

    def wanted(self) -> Wanted:
        """What a reader must decode for these rows."""
        if self.match_by is MatchBy.RSID:
            return Wanted(
                positions={}, ids=frozenset(self.ids.to_pylist()), whole_contigs=frozenset()
            )
        code = self.key >> _POSITION_BITS
        position = self.key & ((1 << _POSITION_BITS) - 1)
        positions = {
            name: np.unique(position[code == number])
            for number, name in enumerate(self.contigs.to_pylist())
        }
        return Wanted(positions=positions, ids=frozenset(), whole_contigs=frozenset())


def join_rows(files: Sequence[ScoringFile], policy: ScoringPolicy) -> ScoreRows:
    """The joinable rows of all `files` under `policy`.

    Score k is files[k]. Rows with a `problem`, and rows without what `match_by` needs, are left
    out: `unjoinable_reason` says why, row by row.
    """
    table = pa.concat_tables(
        [
            file.rows.append_column("score", pa.array(np.full(len(file.rows), k, np.int32)))
            for k, file in enumerate(files)
        ]
    )
    table = table.filter(pc.is_null(unjoinable_reason(table, policy.match_by)))
    contigs = _distinct(table.column("contig"))
    ids = _distinct(table.column("rsid"))
    key = _row_keys(table, policy.match_by, contigs, ids)
    order = np.lexsort((_numpy(table, "row_number"), _numpy(table, "score"), key))
    table = table.take(pa.array(order)).combine_chunks()
    effect, other = _strings(table, "effect_allele"), _strings(table, "other_allele")
    return ScoreRows(
        accessions=tuple(file.accession for file in files),
        match_by=policy.match_by,
        contigs=contigs,
        ids=ids,
        key=key[order],
        score=_numpy(table, "score").astype(np.int32),
        row_number=_numpy(table, "row_number").astype(np.int32),
        effect_type=_effect_types(table, policy.effect_type),
        effect_weight=_numpy(table, "effect_weight").astype(np.float64),
        effect_frequency=_floats(table, "effect_frequency"),
        effect=effect,
        other=other,
        effect_flipped=_flip(effect, other, policy.strand_flip),
        other_flipped=_flip(other, effect, policy.strand_flip),
    )


def unjoinable_reason(rows: pa.Table, match_by: MatchBy) -> pa.ChunkedArray:
    """(rows,) string: the row's own problem, else `bad_coordinates`, else null."""
    if match_by is MatchBy.RSID:
        lost = pc.is_null(rows.column("rsid"))
    else:
        lost = pc.or_(pc.is_null(rows.column("contig")), pc.is_null(rows.column("position")))
    nothing = pa.scalar(None, pa.string())
    return pc.coalesce(rows.column("problem"), pc.if_else(lost, "bad_coordinates", nothing))


def _row_keys(
    table: pa.Table, match_by: MatchBy, contigs: pa.Array, ids: pa.Array
) -> npt.NDArray[np.int64]:
    if match_by is MatchBy.RSID:
        return _codes(_strings(table, "rsid"), ids)
    code = _codes(_strings(table, "contig"), contigs)
    return (code << _POSITION_BITS) | _numpy(table, "position").astype(np.int64)


def _flip(allele: pa.Array, opposite: pa.Array, rule: StrandFlip) -> pa.Array:
    """The allele on the other strand; null where `rule` never flips it.

    Outside `basewise`, only a substitution is flipped: both alleles of equal length, or a single
    base whose other allele is unknown.
    """
    if rule is StrandFlip.BASEWISE:
        return _map_distinct(allele, complement)
    flipped = _map_distinct(allele, reverse_complement)
    length = pc.binary_length(allele)
    substitution = pc.coalesce(pc.equal(length, pc.binary_length(opposite)), pc.equal(length, 1))
    return pc.if_else(substitution, flipped, pa.scalar(None, pa.string()))


def _map_distinct(strings: pa.Array, rule: Callable[[str], str | None]) -> pa.Array:
    """Alleles repeat: the rule runs once per distinct one."""
    encoded = strings.dictionary_encode()
    mapped = pa.array([rule(text) for text in encoded.dictionary.to_pylist()], pa.string())
    return mapped.take(encoded.indices)


def _effect_types(table: pa.Table, source: EffectTypeSource) -> npt.NDArray[np.int8]:
    if source is not EffectTypeSource.FROM_FILE:
        return np.full(len(table), _EFFECT_CODES[source], np.int8)
    return _codes(_strings(table, "effect_type"), pa.array(list(_EFFECT_CODES))).astype(np.int8)


def _codes(strings: pa.Array, values: pa.Array) -> npt.NDArray[np.int64]:
    codes = pc.index_in(strings, value_set=values)
    return pc.fill_null(codes, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def _distinct(column: pa.ChunkedArray) -> pa.Array:
    distinct = column.unique().drop_null()
    return distinct.take(pc.array_sort_indices(distinct))


def _strings(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name).combine_chunks()
    return column.cast(pa.string())


def _numpy(table: pa.Table, name: str) -> np.ndarray:
    return table.column(name).to_numpy()


def _floats(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    return pc.fill_null(table.column(name), float("nan")).to_numpy().astype(np.float64)
