"""The rows of the scores of a file, from its columns: places, alleles, weights, effect types.

- A harmonised file (hm_chr, hm_pos) has the coordinates of its harmonisation. Where that failed
  (hm_source Unknown, no hm_pos) the row has no coordinates.
- `effect_weight` is used as it stands: odds and hazard ratios are not log-transformed, whatever
  `weight_type` says. Columns OR and HR are information only.
- A row with weights for 0, 1 and 2 copies (`dosage_0_weight` …) is `nonadditive`, and those are
  its weights, whatever `effect_weight` says.
- A row that no such sum can hold (haplotype, diplotype, interaction, HLA, CYP, APOE, alleles other
  than ACGT) stays, marked `unsupported_complex`.
- A position that is no whole number of 1 to 2147483647 leaves the row without coordinates; an
  effect frequency outside 0..1 counts as not given: both are extras of a row that matching can do
  without.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.delimited import parse_numbers
from core.scoring.coordinates import canonical_contigs, parse_positions, places_in_ids
from core.scoring.scoring_file_columns import DOSAGE_WEIGHTS, ScoringColumns
from core.words import WORDS, is_said, lacks, map_words, per_row, words_of

Bools = npt.NDArray[np.bool_]


SCORING_ROW_SCHEMA = pa.schema(
    [
        ("row_number", pa.int32()),  # from 0, as pgscatalog's row_nr
        ("contig", WORDS),  # canonical; null exactly where position is
        ("position", pa.int64()),  # from 1
        ("is_harmonised", pa.bool_()),  # contig and position are hm_chr and hm_pos
        ("rsid", pa.string()),  # or any other variant ID
        ("effect_allele", WORDS),  # upper case; null only beside a problem
        ("other_allele", WORDS),
        ("effect_weight", pa.float64()),  # finite; null only beside a problem
        ("effect_type", WORDS),  # additive, dominant, recessive, nonadditive
        ("effect_frequency", pa.float64()),  # 0..1
        ("problem", WORDS),  # unsupported_complex, liftover_failed
    ]
)
"""The effect_weight of a nonadditive row is its mass alone, for coverage: half of what its largest
and its smallest weight differ by, as |weight| is of an additive one. See DosageWeights."""

UNSUPPORTED_COMPLEX = "unsupported_complex"

_COMPLEX_FLAGS = ("is_haplotype", "is_diplotype", "is_interaction")

_COMPLEX_VARIANT_TYPES = ("apoe_allele", "cyp_allele", "hla_allele", "hla_aa", "hla_serotype")

_COMPLEX_NAME = r"(?i)^(hla[-_*]|cyp[0-9]|apoe)|_x_"

_EFFECT_TYPES = ("additive", "dominant", "recessive", "nonadditive")

_DOMINANT, _RECESSIVE, _NONADDITIVE = 1, 2, 3

_TRUE_WORDS = ("true", "t", "yes", "y", "1")

_FALSE_WORDS = ("false", "f", "no", "n", "0")

_BASES = "^[ACGT]+$"


@dataclass(frozen=True, slots=True)
class DosageWeights:
    """What the nonadditive rows of a file add: `row` (M,) int32 ascending, places in its table;
    `weights` (M, 3) float64 at 0, 1 and 2 copies of the effect allele."""

    row: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float64]


def rows_of_scores(parts: ScoringColumns) -> tuple[dict[str, pa.Table], DosageWeights | None]:
    """(SCORING_ROW_SCHEMA of each score, the weights of nonadditive rows).

    Several scores share all columns but the weights.
    """
    columns, kinds = _shared_columns(parts)
    by_dosage = _dosage_weights(parts, kinds.is_nonadditive)
    tables: dict[str, pa.Table] = {}
    for name in parts.weights:
        weights = _with_mass(_weights(parts, name, kinds), by_dosage)
        rows = pa.table(columns | {"effect_weight": weights}, schema=SCORING_ROW_SCHEMA)
        has_none = lacks(weights) & ~kinds.is_complex
        tables[name] = rows.filter(pa.array(~has_none)) if has_none.any() else rows
    empty = next((name for name, rows in tables.items() if not len(rows)), None)
    if empty is not None:
        raise parts.text.error(
            "no row has a weight.",
            field=parts.weights[empty],
            fix="Write the weights, or remove the column.",
        )
    return tables, by_dosage


def _with_mass(weights: pa.Array, by_dosage: DosageWeights | None) -> pa.Array:
    """The weights, with the mass of nonadditive rows in their places."""
    if by_dosage is None:
        return weights
    numbers: npt.NDArray[np.float64] = weights.to_numpy(zero_copy_only=False).copy()
    numbers[by_dosage.row] = np.ptp(by_dosage.weights, axis=1) / 2
    return pa.array(numbers, mask=np.isnan(numbers))


class _Kinds(NamedTuple):
    """(rows,) each: what no sum can hold; what has a weight for each number of copies."""

    is_complex: Bools
    is_nonadditive: Bools


def _shared_columns(parts: ScoringColumns) -> tuple[dict[str, pa.Array], _Kinds]:
    """Every column of the schema but the weight."""
    effect_allele = map_words(parts["effect_allele"], pc.utf8_upper)
    contig, position, other_allele = _places(parts, effect_allele)
    has_dosage_weights = _has_dosage_weights(parts)
    is_complex = _is_complex(parts, effect_allele, other_allele, has_dosage_weights)
    kinds = _Kinds(is_complex, has_dosage_weights & ~is_complex)
    _require_effect_alleles(parts, effect_allele, is_complex)
    columns = {
        "row_number": pa.array(np.arange(parts.n_rows, dtype=np.int32)),
        "contig": contig,
        "position": position,
        "is_harmonised": pa.repeat(parts.is_harmonised, parts.n_rows),
        "rsid": _rsids(parts),
        "effect_allele": effect_allele,
        "other_allele": other_allele,
        "effect_type": _effect_types(parts, kinds),
        "effect_frequency": _effect_frequencies(parts["effect_frequency"]),
        "problem": _problems(is_complex),
    }
    return columns, kinds


def _rsids(parts: ScoringColumns) -> pa.Array:
    if "hm_rsid" not in parts.layout:
        return parts["rsid"]
    return pc.coalesce(parts["hm_rsid"], parts["rsid"])


def _places(
    parts: ScoringColumns, effect_allele: pa.DictionaryArray
) -> tuple[pa.DictionaryArray, pa.Array, pa.DictionaryArray]:
    """(contig, position, other allele): harmonised, the file's own, or those its IDs name."""
    other_allele = _other_alleles(parts)
    if parts.is_harmonised:
        failed = is_said(parts["hm_source"], _is_unknown)
        contig, position = _no_word_where(failed, parts["hm_chr"]), parts["hm_pos"]
    elif parts.has_coordinates:
        contig, position = parts["contig"], parts["position"]
    else:
        names, position, ref, alt = places_in_ids(parts["rsid"])
        contig = words_of(names)
        opposite = _opposite(effect_allele.cast(pa.string()), ref, alt)
        other_allele = words_of(pc.coalesce(other_allele.cast(pa.string()), opposite))
    contig, position = map_words(contig, canonical_contigs), parse_positions(position)
    incomplete = lacks(contig) | lacks(position)
    return _no_word_where(incomplete, contig), _null_where(incomplete, position), other_allele


def _is_unknown(words: pa.Array) -> pa.Array:
    return pc.equal(pc.utf8_lower(words), "unknown")


def _other_alleles(parts: ScoringColumns) -> pa.DictionaryArray:
    """Null for "A/C" and the like: which of the two it was is not known."""
    alleles = parts["other_allele"]
    if "hm_inferotherallele" in parts.layout:
        inferred = parts["hm_inferotherallele"].cast(pa.string())
        alleles = words_of(pc.coalesce(alleles.cast(pa.string()), inferred))
    return map_words(alleles, _single_allele)


def _single_allele(words: pa.Array) -> pa.Array:
    several = pc.match_substring(words, "/").fill_null(False)
    return pc.utf8_upper(pc.if_else(several, pa.scalar(None, pa.string()), words))


def _opposite(effect_allele: pa.Array, ref: pa.Array, alt: pa.Array) -> pa.Array:
    """The one of ref and alt that is not the effect allele; null where neither is it, and where ALT
    is no one sequence ("C,G", ".", "*")."""
    is_no_sequence = pc.match_substring_regex(alt, "[,.*]").fill_null(False)
    alt = pc.if_else(is_no_sequence, pa.scalar(None, pa.string()), alt)
    is_ref, is_alt = pc.equal(effect_allele, ref), pc.equal(effect_allele, alt)
    return pc.case_when(pc.make_struct(is_ref, is_alt), alt, ref)


def _is_complex(
    parts: ScoringColumns,
    effect_allele: pa.DictionaryArray,
    other_allele: pa.DictionaryArray,
    has_dosage_weights: Bools,
) -> Bools:
    """(rows,) no sum over copies of the effect allele can hold the row."""
    signs = [
        is_said(parts["variant_type"], _is_complex_type),
        is_said(parts["effect_type"], _is_nonadditive) & ~has_dosage_weights,
        is_said(effect_allele, _is_no_sequence),
        is_said(other_allele, _is_no_sequence),
        _has_complex_name(parts["rsid"]),
        *(_flags(parts, flag) for flag in _COMPLEX_FLAGS),
    ]
    return np.logical_or.reduce(signs)


def _is_complex_type(words: pa.Array) -> pa.Array:
    return pc.is_in(pc.utf8_lower(words), value_set=pa.array(_COMPLEX_VARIANT_TYPES))


def _is_no_sequence(words: pa.Array) -> pa.Array:
    return pc.invert(pc.match_substring_regex(words, _BASES))


def _has_complex_name(rsids: pa.Array) -> Bools:
    """(rows,) whether the name says so. A plain rsID does not, and costs no regular expression."""
    plain = pc.and_not(pc.starts_with(rsids, "rs"), pc.match_substring(rsids, "_"))
    doubtful = ~pc.fill_null(plain, True).to_numpy(zero_copy_only=False)
    names = rsids.filter(pa.array(doubtful))
    said = pc.match_substring_regex(names, _COMPLEX_NAME).to_numpy(zero_copy_only=False)
    doubtful[doubtful] = said
    return doubtful


def _problems(is_complex: Bools) -> pa.DictionaryArray:
    """`unsupported_complex` on those rows."""
    indices = pa.array(np.zeros(len(is_complex), np.int32), mask=~is_complex)
    return pa.DictionaryArray.from_arrays(indices, pa.array([UNSUPPORTED_COMPLEX], pa.string()))


def _has_dosage_weights(parts: ScoringColumns) -> Bools:
    """(rows,) in a file of one score; one of several has a weight column of its own."""
    if len(parts.weights) > 1 or not parts.layout.keys() >= set(DOSAGE_WEIGHTS):
        return np.zeros(parts.n_rows, bool)
    return np.logical_and.reduce([~lacks(parts[part]) for part in DOSAGE_WEIGHTS])


def _dosage_weights(parts: ScoringColumns, is_nonadditive: Bools) -> DosageWeights | None:
    row = np.flatnonzero(is_nonadditive)
    if not len(row):
        return None
    weights = [_finite_numbers(parts, part, row) for part in DOSAGE_WEIGHTS]
    return DosageWeights(row.astype(np.int32), np.stack(weights, axis=1))


def _finite_numbers(parts: ScoringColumns, part: str, row: npt.NDArray[np.int64]) -> np.ndarray:
    """(M,) float64 of those rows of a part."""
    text = parts[part].take(pa.array(row))
    numbers = parse_numbers(text)
    usable = pc.is_finite(numbers).fill_null(False).to_numpy(zero_copy_only=False)
    bad = _first_row(~usable)
    if bad is not None:
        raise parts.error(
            f"{text[bad]} is not a finite number.",
            part=part,
            row=int(row[bad]),
            fix="Write a number such as 0.0123 or 1.23e-2, or remove the row.",
        )
    return numbers.to_numpy()


def _flags(parts: ScoringColumns, flag: str) -> Bools:
    """(rows,) an empty flag is false."""
    words = parts[flag]
    known = pa.array((*_TRUE_WORDS, *_FALSE_WORDS))
    bad = _first_row(is_said(words, lambda said: pc.invert(_lower_is_in(said, known))))
    if bad is not None:
        raise parts.error(
            f"{words[bad]} is neither True nor False.",
            part=flag,
            row=bad,
            fix="Write True or False.",
        )
    return is_said(words, lambda said: _lower_is_in(said, pa.array(_TRUE_WORDS)))


def _lower_is_in(words: pa.Array, values: pa.Array) -> pa.Array:
    return pc.is_in(pc.utf8_lower(words), value_set=values)


def _require_effect_alleles(
    parts: ScoringColumns, effect_allele: pa.DictionaryArray, is_complex: Bools
) -> None:
    bad = _first_row(lacks(effect_allele) & ~is_complex)
    if bad is not None:
        raise parts.error(
            "this row has no effect allele.",
            part="effect_allele",
            row=bad,
            fix="Write the allele that the weight belongs to, or remove the row.",
        )


def _is_nonadditive(words: pa.Array) -> pa.Array:
    return pc.equal(pc.utf8_lower(words), "nonadditive")


def _weights(parts: ScoringColumns, score: str, kinds: _Kinds) -> pa.Array:
    """float64 of one score; null where a row has none, which it may in a file of several."""
    column = parts.weights[score]
    text = parts.columns.get(column, pa.nulls(parts.n_rows, pa.string()))
    numbers = parse_numbers(text)
    usable = pc.is_finite(numbers).fill_null(False).to_numpy(zero_copy_only=False)
    may_lack = kinds.is_complex | kinds.is_nonadditive | (len(parts.weights) > 1)
    bad = _first_row(~usable & ~(lacks(text) & may_lack))
    if bad is not None:
        raise parts.text.error(
            f"{text[bad]} is not a finite number."
            if text[bad].is_valid
            else "this row has no effect weight.",
            field=column or "effect_weight",
            row=bad,
            fix="Write a number such as 0.0123 or 1.23e-2, or remove the row.",
        )
    return numbers


def _effect_types(parts: ScoringColumns, kinds: _Kinds) -> pa.DictionaryArray:
    """From dosage weights, is_dominant and is_recessive, else from an effect_type column, else
    additive."""
    dominant, recessive = _flags(parts, "is_dominant"), _flags(parts, "is_recessive")
    words = map_words(parts["effect_type"], pc.utf8_lower)
    unknown = is_said(words, lambda said: pc.invert(_lower_is_in(said, pa.array(_EFFECT_TYPES))))
    stated = per_row(words, _effect_codes(words.dictionary), -1)
    by_flag = np.select([dominant, recessive], [_DOMINANT, _RECESSIVE], -1)
    is_other = (by_flag >= 0) | ((stated >= 0) & (stated != _NONADDITIVE))
    wrong = {
        "is_dominant and is_recessive are both True.": dominant & recessive,
        "the effect type is not one of additive, dominant, recessive, nonadditive.": unknown,
        "the row has weights per dosage and another effect type.": kinds.is_nonadditive & is_other,
        "effect_type contradicts is_dominant or is_recessive.": (by_flag >= 0)
        & (stated >= 0)
        & (by_flag != stated),
    }
    for what, mask in wrong.items():
        bad = _first_row(mask & ~kinds.is_complex)
        if bad is not None:
            raise parts.error(
                what, part="effect_type", row=bad, fix="Give the row one effect type."
            )
    stated[kinds.is_nonadditive] = _NONADDITIVE
    code = np.select([kinds.is_complex, by_flag >= 0, stated >= 0], [0, by_flag, stated], 0)
    return pa.DictionaryArray.from_arrays(
        pa.array(code.astype(np.int32)), pa.array(_EFFECT_TYPES, pa.string())
    )


def _effect_codes(words: pa.Array) -> npt.NDArray[np.int64]:
    codes = pc.index_in(words, value_set=pa.array(_EFFECT_TYPES))
    return pc.fill_null(codes, -1).to_numpy().astype(np.int64)


def _effect_frequencies(text: pa.Array) -> pa.Array:
    numbers = parse_numbers(text)
    in_range = pc.and_(pc.greater_equal(numbers, 0), pc.less_equal(numbers, 1))
    return pc.if_else(in_range, numbers, pa.scalar(None, pa.float64()))


def _null_where(mask: Bools, values: pa.Array) -> pa.Array:
    if not mask.any():
        return values
    return pc.if_else(pa.array(mask), pa.scalar(None, values.type), values)


def _no_word_where(mask: Bools, words: pa.DictionaryArray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(_null_where(mask, words.indices), words.dictionary)


def _first_row(mask: Bools) -> int | None:
    """The first row of which it is true."""
    row = int(mask.argmax())
    return row if mask[row] else None
