"""Scoring files: PGS Catalog v2.0 and v1.0, OmicsPred, PLINK's layout, and plain tables.

A file may hold several scores of the same rows, a weight column each: `effect_weight_NAME`, or any
names in PLINK's layout. A score without a weight in some row does not have that row.

Conventions: https://www.pgscatalog.org/downloads/#dl_ftp_scoring

- The header's "#key=value" lines are kept as they are; the first "=" splits. The v1.0 keys
  ("# PGS ID = …") get their v2.0 names.
- A harmonised file (hm_chr, hm_pos) has the coordinates and the build of its harmonisation. Where
  that failed (hm_source Unknown, no hm_pos) the row has no coordinates.
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

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.delimited import DelimitedText, parse_numbers, read_delimited
from core.errors import GenomeBuildError, ScoringFileError, UserError, Where
from core.genome_build import GenomeBuild
from core.scoring.coordinates import canonical_contigs, parse_positions, places_in_ids
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

COLUMN_ALIASES: Mapping[str, tuple[str, ...]] = {
    "rsid": ("rsid", "id", "snp", "snpid", "snp_id", "marker", "markername", "variant_id"),
    "contig": ("chr_name", "chr", "chrom", "chromosome"),
    "position": ("chr_position", "pos", "position", "bp", "base_pair_location"),
    "effect_allele": ("effect_allele", "ea", "a1", "allele1", "tested_allele", "counted_allele"),
    "other_allele": (
        *("other_allele", "reference_allele", "oa", "nea", "a2", "allele2"),
        *("non_effect_allele", "noneffect_allele"),
    ),
    "effect_weight": ("effect_weight", "weight", "beta", "effect", "effect_size"),
    "effect_frequency": (
        *("allelefrequency_effect", "effect_allele_frequency", "eaf", "a1_freq"),
        "effect_frequency",
    ),
    "effect_type": ("effect_type",),
    "accession": ("accession",),
}
"""What each column may be called, in any case; the first that a file has is taken."""

_FREE_COLUMNS = frozenset(
    (
        *("rsid", "hm_rsid", "position", "hm_pos", "effect_weight", "effect_frequency"),
        *("dosage_0_weight", "dosage_1_weight", "dosage_2_weight"),
    )
)
"""Parts that say something else in every row; the others say few words, often."""

_CATALOG_COLUMNS = (
    *("hm_source", "hm_rsid", "hm_chr", "hm_pos", "hm_inferotherallele"),
    *("is_dominant", "is_recessive", "is_haplotype", "is_diplotype", "is_interaction"),
    *("variant_type", "dosage_0_weight", "dosage_1_weight", "dosage_2_weight"),
)
_COMPLEX_FLAGS = ("is_haplotype", "is_diplotype", "is_interaction")
_DOSAGE_WEIGHTS = ("dosage_0_weight", "dosage_1_weight", "dosage_2_weight")
_COMPLEX_VARIANT_TYPES = ("apoe_allele", "cyp_allele", "hla_allele", "hla_aa", "hla_serotype")
_COMPLEX_NAME = r"(?i)^(hla[-_*]|cyp[0-9]|apoe)|_x_"
_EFFECT_TYPES = ("additive", "dominant", "recessive", "nonadditive")
_DOMINANT, _RECESSIVE, _NONADDITIVE = 1, 2, 3
_TRUE_WORDS = ("true", "t", "yes", "y", "1")
_FALSE_WORDS = ("false", "f", "no", "n", "0")

# Columns of association results that PLINK's "any third column" rule must not take for weights
_NOT_WEIGHTS = {"p", "pval", "p_value", "pvalue", "se", "standard_error", "n", "info", "or", "hr"}

_KEYS_OF_V1 = {
    "pgs id": "pgs_id",
    "pgs name": "pgs_name",
    "reported trait": "trait_reported",
    "mapped trait(s)": "trait_mapped",
    "mapped trait": "trait_mapped",
    "original genome build": "genome_build",
    "number of variants": "variants_number",
    "pgp id": "pgp_id",
    "citation": "citation",
    "license": "license",
    "licence": "license",
}

_WEIGHT_OF_SCORE = re.compile(r"effect_weight_(?=.)", re.IGNORECASE)

_BASES = "^[ACGT]+$"
_FILE_EXTENSION = re.compile(r"(\.(txt|tsv|csv|score|scorefile))?(\.b?gz)?$", re.IGNORECASE)
_HARMONISED_SUFFIX = re.compile(r"_hmPOS_GRCh3[78]$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DosageWeights:
    """What the nonadditive rows of a file add: `row` (M,) int32 ascending, places in its table;
    `weights` (M, 3) float64 at 0, 1 and 2 copies of the effect allele."""

    row: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lifted:
    """How a file came to its build: from which, by which chain file, and what became of the rows
    that had coordinates."""

    source_build: GenomeBuild
    chain_sha256: str
    n_lifted: int
    n_failed: int
    n_strand_changed: int


@dataclass(frozen=True, slots=True)
class ScoringFile:
    """One score. `rows` has SCORING_ROW_SCHEMA, in the file's order, none left out.

    `build` is that of the coordinates in `rows`: None where the file does not say, and where no
    row has coordinates. `metadata` is the header, verbatim. `sha256` is of the file's bytes.
    """

    accession: str
    build: GenomeBuild | None
    metadata: Mapping[str, str]
    rows: pa.Table
    sha256: str
    source: str
    dosage_weights: DosageWeights | None = None
    lifted: Lifted | None = None


@dataclass(frozen=True, slots=True)
class _Parts:
    """The file's columns by the part they play: words, or strings where a part is free; all null
    where the file has none."""

    text: DelimitedText
    layout: Mapping[str, str]  # part: column as written
    weights: Mapping[str, str]  # score: column as written; "" is the score of a file that has one
    columns: Mapping[str, pa.Array]  # by column as written
    n_rows: int

    def __getitem__(self, part: str) -> pa.Array:
        if part in self.layout:
            return self.columns[self.layout[part]]
        return pa.nulls(self.n_rows, pa.string() if part in _FREE_COLUMNS else WORDS)

    def error(self, what: str, *, part: str, row: int, fix: str) -> UserError:
        return self.text.error(what, row=row, field=self.layout.get(part, part), fix=fix)


def read_scoring_file(path: Path) -> ScoringFile:
    """The score of a file that holds one; else as `read_scoring_files`, ScoringFileError."""
    score, *others = read_scoring_files(path)
    if others:
        names = ", ".join(file.accession for file in (score, *others[:4]))
        raise ScoringFileError(
            f"the file holds several scores: {names}.",
            where=Where(str(path)),
            fix="Split it into one scoring file per weight column.",
        )
    return score


def read_scoring_files(path: Path) -> tuple[ScoringFile, ...]:
    """Read the scores of one file of any of the kinds above, gzip or plain; at least one.

    Of several, each is named by its weight column (behind "effect_weight_"), after the file's own
    accession where the header states one; what they have in common is held once.
    Raises ScoringFileError (file, line, column, fix) for a file that cannot be used, and
    GenomeBuildError where its coordinates are on a build that no reader here can place.
    """
    landmarks = {alias for aliases in COLUMN_ALIASES.values() for alias in aliases}
    text = read_delimited(path, error_type=ScoringFileError, landmarks=landmarks)
    metadata = header_metadata(text.comments, delimiter=text.delimiter)
    parts = _read_parts(text, _layout(text))
    accession = _accession(parts, metadata)
    tables, dosage_weights = _rows_of_scores(parts)
    return tuple(
        ScoringFile(
            accession=_accession_of(name, accession, metadata),
            build=_build(parts, metadata, rows),
            metadata=metadata,
            rows=rows,
            sha256=text.sha256,
            source=str(path),
            dosage_weights=dosage_weights,
        )
        for name, rows in tables.items()
    )


def header_metadata(comments: Iterable[str], *, delimiter: str) -> dict[str, str]:
    """The header's "#key=value" lines; v1.0 keys get their v2.0 names."""
    # A spreadsheet fills the header lines of a CSV up with separators
    padding = f" \t{delimiter}"
    metadata: dict[str, str] = {}
    for comment in comments:
        key, equals, value = comment.lstrip("#").partition("=")
        if equals:
            key = key.strip()
            metadata[_KEYS_OF_V1.get(key.lower(), key)] = value.strip().rstrip(padding)
    return metadata


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which column of the file, as written, plays which part; the weight columns by score."""

    parts: Mapping[str, str]
    weights: Mapping[str, str]


def _layout(text: DelimitedText) -> _Layout:
    written = {name.lower(): name for name in text.column_names if name}
    layout = {name: written[name] for name in _CATALOG_COLUMNS if name in written}
    for part, aliases in COLUMN_ALIASES.items():
        alias = next((alias for alias in aliases if alias in written), None)
        if alias is not None:
            layout[part] = written[alias]
    weights = _weight_columns(text, layout)
    _require_parts(text, layout, weights)
    return _Layout(layout, weights)


def _weight_columns(text: DelimitedText, layout: Mapping[str, str]) -> dict[str, str]:
    """Score → column: the file's effect weight, else those named for their score, else those of
    PLINK's layout (ID, effect allele, then weights under any name)."""
    if "effect_weight" in layout:
        return {"": layout["effect_weight"]}
    names = [name for name in text.column_names if name not in {*layout.values(), ""}]
    named = [name for name in names if _WEIGHT_OF_SCORE.match(name)]
    if named:
        return {_WEIGHT_OF_SCORE.sub("", name, count=1): name for name in named}
    if list(text.column_names[:2]) != [layout.get("rsid"), layout.get("effect_allele")]:
        return {}
    weights = [name for name in names if name.lower() not in _NOT_WEIGHTS]
    return {"" if len(weights) == 1 else name: name for name in weights}


def _require_parts(
    text: DelimitedText, layout: Mapping[str, str], weights: Mapping[str, str]
) -> None:
    names = {part: " | ".join(aliases) for part, aliases in COLUMN_ALIASES.items()}
    if "effect_allele" not in layout:
        raise text.error(
            "the file has no effect allele column.",
            fix=f"Name one column {names['effect_allele']}.",
        )
    if not weights and not layout.keys() >= set(_DOSAGE_WEIGHTS):
        raise text.error(
            "the file has no effect weight column.",
            fix=f"Name one column {names['effect_weight']}, or several effect_weight_NAME.",
        )
    if not ({"rsid", "hm_rsid"} & layout.keys() or _has_coordinates(layout)):
        raise text.error(
            "the file has neither coordinates nor variant IDs.",
            fix=f"Name two columns {names['contig']} and {names['position']}, "
            f"or one column {names['rsid']}.",
        )


def _has_coordinates(layout: Mapping[str, str]) -> bool:
    return _is_harmonised(layout) or layout.keys() >= {"contig", "position"}


def _is_harmonised(layout: Mapping[str, str]) -> bool:
    return layout.keys() >= {"hm_chr", "hm_pos"}


def _read_parts(text: DelimitedText, layout: _Layout) -> _Parts:
    words = {name for part, name in layout.parts.items() if part not in _FREE_COLUMNS}
    columns = text.columns({*layout.parts.values(), *layout.weights.values()}, words)
    n_rows = len(columns[layout.parts["effect_allele"]])
    if n_rows == 0:
        raise text.error("the file has no rows.", fix="Add one row per variant.")
    return _Parts(text, layout.parts, layout.weights or {"": ""}, columns, n_rows)


def _rows_of_scores(parts: _Parts) -> tuple[dict[str, pa.Table], DosageWeights | None]:
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


def _shared_columns(parts: _Parts) -> tuple[dict[str, pa.Array], _Kinds]:
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
        "is_harmonised": pa.repeat(_is_harmonised(parts.layout), parts.n_rows),
        "rsid": _rsids(parts),
        "effect_allele": effect_allele,
        "other_allele": other_allele,
        "effect_type": _effect_types(parts, kinds),
        "effect_frequency": _effect_frequencies(parts["effect_frequency"]),
        "problem": _problems(is_complex),
    }
    return columns, kinds


def _rsids(parts: _Parts) -> pa.Array:
    if "hm_rsid" not in parts.layout:
        return parts["rsid"]
    return pc.coalesce(parts["hm_rsid"], parts["rsid"])


def _places(
    parts: _Parts, effect_allele: pa.DictionaryArray
) -> tuple[pa.DictionaryArray, pa.Array, pa.DictionaryArray]:
    """(contig, position, other allele): harmonised, the file's own, or those its IDs name."""
    other_allele = _other_alleles(parts)
    if _is_harmonised(parts.layout):
        failed = is_said(parts["hm_source"], _is_unknown)
        contig, position = _no_word_where(failed, parts["hm_chr"]), parts["hm_pos"]
    elif _has_coordinates(parts.layout):
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


def _other_alleles(parts: _Parts) -> pa.DictionaryArray:
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
    parts: _Parts,
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


def _has_dosage_weights(parts: _Parts) -> Bools:
    """(rows,) in a file of one score; one of several has a weight column of its own."""
    if len(parts.weights) > 1 or not parts.layout.keys() >= set(_DOSAGE_WEIGHTS):
        return np.zeros(parts.n_rows, bool)
    return np.logical_and.reduce([~lacks(parts[part]) for part in _DOSAGE_WEIGHTS])


def _dosage_weights(parts: _Parts, is_nonadditive: Bools) -> DosageWeights | None:
    row = np.flatnonzero(is_nonadditive)
    if not len(row):
        return None
    weights = [_finite_numbers(parts, part, row) for part in _DOSAGE_WEIGHTS]
    return DosageWeights(row.astype(np.int32), np.stack(weights, axis=1))


def _finite_numbers(parts: _Parts, part: str, row: npt.NDArray[np.int64]) -> np.ndarray:
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


def _flags(parts: _Parts, flag: str) -> Bools:
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
    parts: _Parts, effect_allele: pa.DictionaryArray, is_complex: Bools
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


def _weights(parts: _Parts, score: str, kinds: _Kinds) -> pa.Array:
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


def _effect_types(parts: _Parts, kinds: _Kinds) -> pa.DictionaryArray:
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


def _accession(parts: _Parts, metadata: Mapping[str, str]) -> str:
    in_rows = parts["accession"].drop_null().unique().to_pylist()
    if len(in_rows) > 1:
        raise parts.text.error(
            f"the file holds several scores: {', '.join(in_rows[:5])}.",
            field=parts.layout["accession"],
            fix="Split it into one scoring file per accession.",
        )
    file_name = Path(parts.text.source).name
    stem = _HARMONISED_SUFFIX.sub("", _FILE_EXTENSION.sub("", file_name))
    return next(name for name in (_stated_accession(metadata), *in_rows, stem, file_name) if name)


def _stated_accession(metadata: Mapping[str, str]) -> str:
    return metadata.get("pgs_id", "") or metadata.get("omicspred_id", "")


def _accession_of(score: str, accession: str, metadata: Mapping[str, str]) -> str:
    """Of one score of a file whose own is `accession`."""
    if not score:
        return accession
    return f"{accession}_{score}" if _stated_accession(metadata) else score


def _build(parts: _Parts, metadata: Mapping[str, str], rows: pa.Table) -> GenomeBuild | None:
    if rows["position"].null_count == rows.num_rows:
        return None
    key = "HmPOS_build" if _is_harmonised(parts.layout) else "genome_build"
    try:
        return GenomeBuild.parse(metadata.get(key, ""))
    except GenomeBuildError as error:
        where = Where(parts.text.source, field=key)
        raise GenomeBuildError(error.what, where=where, fix=error.fix) from error
