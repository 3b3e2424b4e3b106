"""Which column of a scoring file plays which part, under the names that the formats give it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from core.delimited import DelimitedText
from core.errors import UserError
from core.words import WORDS

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

LANDMARKS = frozenset(alias for aliases in COLUMN_ALIASES.values() for alias in aliases)
"""Words that tell a line of column names from a comment."""

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

DOSAGE_WEIGHTS = ("dosage_0_weight", "dosage_1_weight", "dosage_2_weight")

# Columns of association results that PLINK's "any third column" rule must not take for weights
_NOT_WEIGHTS = {"p", "pval", "p_value", "pvalue", "se", "standard_error", "n", "info", "or", "hr"}

_WEIGHT_OF_SCORE = re.compile(r"effect_weight_(?=.)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ScoringColumns:
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

    @property
    def is_harmonised(self) -> bool:
        return _is_harmonised(self.layout)

    @property
    def has_coordinates(self) -> bool:
        return _has_coordinates(self.layout)

    def error(self, what: str, *, part: str, row: int, fix: str) -> UserError:
        return self.text.error(what, row=row, field=self.layout.get(part, part), fix=fix)


def read_columns(text: DelimitedText) -> ScoringColumns:
    """The columns that play a part.

    Raises the error of `text` where one that every score needs is not there, or no row is.
    """
    layout = _layout(text)
    weights = _weight_columns(text, layout)
    _require_parts(text, layout, weights)
    words = {name for part, name in layout.items() if part not in _FREE_COLUMNS}
    columns = text.columns({*layout.values(), *weights.values()}, words)
    n_rows = len(columns[layout["effect_allele"]])
    if n_rows == 0:
        raise text.error("the file has no rows.", fix="Add one row per variant.")
    return ScoringColumns(text, layout, weights or {"": ""}, columns, n_rows)


def _layout(text: DelimitedText) -> dict[str, str]:
    """Part: column as written."""
    written = {name.lower(): name for name in text.column_names if name}
    layout = {name: written[name] for name in _CATALOG_COLUMNS if name in written}
    for part, aliases in COLUMN_ALIASES.items():
        alias = next((alias for alias in aliases if alias in written), None)
        if alias is not None:
            layout[part] = written[alias]
    return layout


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
    if not weights and not layout.keys() >= set(DOSAGE_WEIGHTS):
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
