"""Scoring files: PGS Catalog v2.0 and v1.0, OmicsPred, PLINK's layout, and plain tables.

Conventions: https://www.pgscatalog.org/downloads/#dl_ftp_scoring

- The header's "#key=value" lines are kept as they are; the first "=" splits. The v1.0 keys
  ("# PGS ID = …") get their v2.0 names.
- A harmonised file (hm_chr, hm_pos) has the coordinates and the build of its harmonisation. Where
  that failed (hm_source Unknown, no hm_pos) the row has no coordinates.
- `effect_weight` is used as it stands: odds and hazard ratios are not log-transformed, whatever
  `weight_type` says. Columns OR and HR are information only.
- A row that no additive, dominant or recessive sum can hold (haplotype, diplotype, interaction,
  HLA, CYP, APOE, alleles other than ACGT, weights per dosage) stays, marked `unsupported_complex`.
- A position that is no whole number of 1 to 2147483647 leaves the row without coordinates; an
  effect frequency outside 0..1 counts as not given: both are extras of a row that matching can do
  without.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.delimited import DelimitedText, first_true, parse_numbers, read_delimited
from core.errors import GenomeBuildError, ScoringFileError, UserError, Where
from core.genome_build import GenomeBuild
from core.scoring.coordinates import canonical_contigs, parse_positions, places_in_ids

SCORING_ROW_SCHEMA = pa.schema(
    [
        ("row_number", pa.int32()),  # from 0, as pgscatalog's row_nr
        ("contig", pa.string()),  # canonical; null exactly where position is
        ("position", pa.int64()),  # from 1
        ("rsid", pa.string()),  # or any other variant ID
        ("effect_allele", pa.string()),  # upper case; null only beside a problem
        ("other_allele", pa.string()),
        ("effect_weight", pa.float64()),  # finite; null only beside a problem
        ("effect_type", pa.string()),  # additive, dominant, recessive
        ("effect_frequency", pa.float64()),  # 0..1
        ("problem", pa.string()),  # unsupported_complex
    ]
)

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

_CATALOG_COLUMNS = (
    *("hm_source", "hm_rsid", "hm_chr", "hm_pos", "hm_inferotherallele"),
    *("is_dominant", "is_recessive", "is_haplotype", "is_diplotype", "is_interaction"),
    *("variant_type", "dosage_0_weight", "dosage_1_weight", "dosage_2_weight"),
)
_COMPLEX_FLAGS = ("is_haplotype", "is_diplotype", "is_interaction")
_DOSAGE_WEIGHTS = ("dosage_0_weight", "dosage_1_weight", "dosage_2_weight")
_COMPLEX_VARIANT_TYPES = ("apoe_allele", "cyp_allele", "hla_allele", "hla_aa", "hla_serotype")
_COMPLEX_NAME = r"(?i)^(hla[-_*]|cyp[0-9]|apoe)|_x_"
_EFFECT_TYPES = ("additive", "dominant", "recessive")
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

_BASES = "^[ACGT]+$"
_FILE_EXTENSION = re.compile(r"(\.(txt|tsv|csv|score|scorefile))?(\.b?gz)?$", re.IGNORECASE)
_HARMONISED_SUFFIX = re.compile(r"_hmPOS_GRCh3[78]$", re.IGNORECASE)


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


@dataclass(frozen=True, slots=True)
class _Parts:
    """The file's columns by the part they play, as strings; all null where the file has none."""

    text: DelimitedText
    layout: Mapping[str, str]  # part: column as written
    columns: Mapping[str, pa.Array]

    def __getitem__(self, part: str) -> pa.Array:
        return self.columns[part]

    def error(self, what: str, *, part: str, row: int, fix: str) -> UserError:
        return self.text.error(what, row=row, field=self.layout.get(part, part), fix=fix)


def read_scoring_file(path: Path) -> ScoringFile:
    """Read one scoring file of any of the kinds above, gzip or plain.

    Raises ScoringFileError (file, line, column, fix) for one that cannot be used, and
    GenomeBuildError where its coordinates are on a build that no reader here can place.
    """
    landmarks = {alias for aliases in COLUMN_ALIASES.values() for alias in aliases}
    text = read_delimited(path, error_type=ScoringFileError, landmarks=landmarks)
    metadata = _metadata(text)
    parts = _read_parts(text, _layout(text))
    rows = _rows(parts)
    return ScoringFile(
        accession=_accession(parts, metadata),
        build=_build(parts, metadata, rows),
        metadata=metadata,
        rows=rows,
        sha256=text.sha256,
        source=str(path),
    )


def _metadata(text: DelimitedText) -> dict[str, str]:
    # A spreadsheet fills the header lines of a CSV up with separators
    padding = f" \t{text.delimiter}"
    metadata: dict[str, str] = {}
    for comment in text.comments:
        key, equals, value = comment.lstrip("#").partition("=")
        if equals:
            key = key.strip()
            metadata[_KEYS_OF_V1.get(key.lower(), key)] = value.strip().rstrip(padding)
    return metadata


def _layout(text: DelimitedText) -> dict[str, str]:
    """Which column of the file, as written, plays which part."""
    written = {name.lower(): name for name in text.column_names if name}
    layout = {name: written[name] for name in _CATALOG_COLUMNS if name in written}
    for part, aliases in COLUMN_ALIASES.items():
        alias = next((alias for alias in aliases if alias in written), None)
        if alias is not None:
            layout[part] = written[alias]
    if "effect_weight" not in layout:
        layout |= _unnamed_weight(text, layout)
    _require_parts(text, layout)
    return layout


def _unnamed_weight(text: DelimitedText, layout: Mapping[str, str]) -> dict[str, str]:
    """PLINK's layout: ID, effect allele, then weights under any name."""
    if list(text.column_names[:2]) != [layout.get("rsid"), layout.get("effect_allele")]:
        return {}
    taken = {*layout.values(), ""}
    names = [name for name in text.column_names if name not in taken]
    weights = [name for name in names if name.lower() not in _NOT_WEIGHTS]
    if len(weights) > 1:
        raise text.error(
            f"the file has several weight columns: {', '.join(weights)}.",
            fix="Split it into one scoring file per weight column.",
        )
    return {"effect_weight": weights[0]} if weights else {}


def _require_parts(text: DelimitedText, layout: Mapping[str, str]) -> None:
    names = {part: " | ".join(aliases) for part, aliases in COLUMN_ALIASES.items()}
    if "effect_allele" not in layout:
        raise text.error(
            "the file has no effect allele column.",
            fix=f"Name one column {names['effect_allele']}.",
        )
    if "effect_weight" not in layout and not layout.keys() >= set(_DOSAGE_WEIGHTS):
        raise text.error(
            "the file has no effect weight column.",
            fix=f"Name one column {names['effect_weight']}.",
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


def _read_parts(text: DelimitedText, layout: Mapping[str, str]) -> _Parts:
    read = text.columns(set(layout.values()))
    n_rows = len(read[layout["effect_allele"]])
    if n_rows == 0:
        raise text.error("the file has no rows.", fix="Add one row per variant.")
    columns = {part: pa.nulls(n_rows, pa.string()) for part in (*COLUMN_ALIASES, *_CATALOG_COLUMNS)}
    columns |= {part: read[name] for part, name in layout.items()}
    return _Parts(text, layout, columns)


def _rows(parts: _Parts) -> pa.Table:
    effect_allele = pc.utf8_upper(parts["effect_allele"])
    contig, position, other_allele = _places(parts, effect_allele)
    problem = _problems(parts, effect_allele, other_allele)
    _require_effect_alleles(parts, effect_allele, problem)
    columns = {
        "row_number": pa.array(np.arange(len(effect_allele), dtype=np.int32)),
        "contig": contig,
        "position": position,
        "rsid": pc.coalesce(parts["hm_rsid"], parts["rsid"]),
        "effect_allele": effect_allele,
        "other_allele": other_allele,
        "effect_weight": _weights(parts, problem),
        "effect_type": _effect_types(parts, problem),
        "effect_frequency": _effect_frequencies(parts["effect_frequency"]),
        "problem": problem,
    }
    return pa.table(columns, schema=SCORING_ROW_SCHEMA)


def _places(parts: _Parts, effect_allele: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
    """(contig, position, other allele): harmonised, the file's own, or those its IDs name."""
    other_allele = _other_alleles(parts)
    if _is_harmonised(parts.layout):
        failed = pc.equal(pc.utf8_lower(parts["hm_source"]), "unknown")
        contig, position = _null_where(failed, parts["hm_chr"]), parts["hm_pos"]
    elif _has_coordinates(parts.layout):
        contig, position = parts["contig"], parts["position"]
    else:
        contig, position, ref, alt = places_in_ids(parts["rsid"])
        other_allele = pc.coalesce(other_allele, _opposite(effect_allele, ref, alt))
    contig, position = canonical_contigs(contig), parse_positions(position)
    incomplete = pc.or_(pc.is_null(contig), pc.is_null(position))
    return _null_where(incomplete, contig), _null_where(incomplete, position), other_allele


def _other_alleles(parts: _Parts) -> pa.Array:
    """Null for "A/C" and the like: which of the two it was is not known."""
    alleles = pc.coalesce(parts["other_allele"], parts["hm_inferotherallele"])
    return pc.utf8_upper(_null_where(pc.match_substring(alleles, "/"), alleles))


def _opposite(effect_allele: pa.Array, ref: pa.Array, alt: pa.Array) -> pa.Array:
    """The one of ref and alt that is not the effect allele; null where neither is it, and where ALT
    is no one sequence ("C,G", ".", "*")."""
    alt = _null_where(pc.match_substring_regex(alt, "[,.*]"), alt)
    is_ref, is_alt = pc.equal(effect_allele, ref), pc.equal(effect_allele, alt)
    return pc.case_when(pc.make_struct(is_ref, is_alt), alt, ref)


def _problems(parts: _Parts, effect_allele: pa.Array, other_allele: pa.Array) -> pa.Array:
    """`unsupported_complex` where no additive, dominant or recessive sum can hold the row."""
    kinds = pc.utf8_lower(parts["variant_type"]), pc.utf8_lower(parts["effect_type"])
    signs = [
        pc.is_in(kinds[0], value_set=pa.array(_COMPLEX_VARIANT_TYPES)),
        pc.equal(kinds[1], "nonadditive"),
        pc.match_substring_regex(parts["rsid"], _COMPLEX_NAME),
        pc.invert(pc.match_substring_regex(effect_allele, _BASES)),
        pc.invert(pc.match_substring_regex(other_allele, _BASES)),
        _has_dosage_weights_only(parts),
        *(_flags(parts, flag) for flag in _COMPLEX_FLAGS),
    ]
    is_complex = reduce(pc.or_, [sign.fill_null(False) for sign in signs])
    return pc.if_else(is_complex, UNSUPPORTED_COMPLEX, pa.scalar(None, pa.string()))


def _has_dosage_weights_only(parts: _Parts) -> pa.Array:
    given = [pc.is_valid(parts[column]) for column in _DOSAGE_WEIGHTS]
    return pc.and_(pc.is_null(parts["effect_weight"]), reduce(pc.and_, given))


def _flags(parts: _Parts, flag: str) -> pa.Array:
    """Boolean; an empty flag is false."""
    words = pc.utf8_lower(parts[flag])
    is_true = pc.is_in(words, value_set=pa.array(_TRUE_WORDS))
    is_known = pc.or_(is_true, pc.is_in(words, value_set=pa.array((*_FALSE_WORDS, None))))
    bad = first_true(pc.invert(is_known))
    if bad is not None:
        raise parts.error(
            f"{parts[flag][bad]} is neither True nor False.",
            part=flag,
            row=bad,
            fix="Write True or False.",
        )
    return is_true


def _require_effect_alleles(parts: _Parts, effect_allele: pa.Array, problem: pa.Array) -> None:
    bad = first_true(pc.and_(pc.is_null(effect_allele), pc.is_null(problem)))
    if bad is not None:
        raise parts.error(
            "this row has no effect allele.",
            part="effect_allele",
            row=bad,
            fix="Write the allele that the weight belongs to, or remove the row.",
        )


def _weights(parts: _Parts, problem: pa.Array) -> pa.Array:
    text = parts["effect_weight"]
    numbers = parse_numbers(text)
    usable = pc.is_finite(numbers).fill_null(False)
    not_needed = pc.and_(pc.is_null(text), pc.is_valid(problem))
    bad = first_true(pc.invert(pc.or_(usable, not_needed)))
    if bad is not None:
        raise parts.error(
            f"{text[bad]} is not a finite number."
            if text[bad].is_valid
            else "this row has no effect weight.",
            part="effect_weight",
            row=bad,
            fix="Write a number such as 0.0123 or 1.23e-2, or remove the row.",
        )
    return numbers


def _effect_types(parts: _Parts, problem: pa.Array) -> pa.Array:
    """From is_dominant and is_recessive, else from an effect_type column, else additive."""
    dominant, recessive = _flags(parts, "is_dominant"), _flags(parts, "is_recessive")
    stated = pc.utf8_lower(parts["effect_type"])
    by_flag = pc.case_when(pc.make_struct(dominant, recessive), "dominant", "recessive")
    is_known = pc.is_in(stated, value_set=pa.array((*_EFFECT_TYPES, None)))
    contradicts = pc.not_equal(by_flag, stated).fill_null(False)
    wrong = {
        "is_dominant and is_recessive are both True.": pc.and_(dominant, recessive),
        "the effect type is not one of additive, dominant, recessive.": pc.invert(is_known),
        "effect_type contradicts is_dominant or is_recessive.": contradicts,
    }
    for what, mask in wrong.items():
        bad = first_true(pc.and_(mask, pc.is_null(problem)))
        if bad is not None:
            raise parts.error(
                what, part="effect_type", row=bad, fix="Give the row one effect type."
            )
    is_complex = pc.is_valid(problem)
    return pc.if_else(is_complex, "additive", pc.coalesce(by_flag, stated, "additive"))


def _effect_frequencies(text: pa.Array) -> pa.Array:
    numbers = parse_numbers(text)
    in_range = pc.and_(pc.greater_equal(numbers, 0), pc.less_equal(numbers, 1))
    return _null_where(pc.invert(in_range), numbers)


def _null_where(mask: pa.Array, values: pa.Array) -> pa.Array:
    return pc.if_else(mask.fill_null(False), pa.scalar(None, values.type), values)


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
    in_header = [metadata.get("pgs_id", ""), metadata.get("omicspred_id", "")]
    return next(name for name in (*in_header, *in_rows, stem, file_name) if name)


def _build(parts: _Parts, metadata: Mapping[str, str], rows: pa.Table) -> GenomeBuild | None:
    if rows["position"].null_count == rows.num_rows:
        return None
    key = "HmPOS_build" if _is_harmonised(parts.layout) else "genome_build"
    try:
        return GenomeBuild.parse(metadata.get(key, ""))
    except GenomeBuildError as error:
        where = Where(parts.text.source, field=key)
        raise GenomeBuildError(error.what, where=where, fix=error.fix) from error
