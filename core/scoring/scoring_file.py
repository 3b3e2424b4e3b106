"""Scoring files: PGS Catalog v2.0 and v1.0, OmicsPred, PLINK's layout, and plain tables.

A file may hold several scores of the same rows, a weight column each: `effect_weight_NAME`, or any
names in PLINK's layout. A score without a weight in some row does not have that row.

Conventions: https://www.pgscatalog.org/downloads/#dl_ftp_scoring. The header's "#key=value" lines
are kept as they are; the first "=" splits. The v1.0 keys ("# PGS ID = …") get their v2.0 names. A
harmonised file has the build of its harmonisation.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from core.delimited import read_delimited
from core.errors import GenomeBuildError, ScoringFileError, Where
from core.genome_build import GenomeBuild
from core.scoring.scoring_file_columns import LANDMARKS, ScoringColumns, read_columns
from core.scoring.scoring_file_rows import DosageWeights, rows_of_scores

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

_FILE_EXTENSION = re.compile(r"(\.(txt|tsv|csv|score|scorefile))?(\.b?gz)?$", re.IGNORECASE)
_HARMONISED_SUFFIX = re.compile(r"_hmPOS_GRCh3[78]$", re.IGNORECASE)


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


def read_scoring_file(path: Path) -> ScoringFile:
    """The score of a file that holds one; else as `read_scoring_files`, ScoringFileError."""
    return only_score(read_scoring_files(path))


def only_score(scores: Sequence[ScoringFile]) -> ScoringFile:
    """The one score of a file. Raises ScoringFileError where there are several."""
    score, *others = scores
    if others:
        names = ", ".join(file.accession for file in (score, *others[:4]))
        raise ScoringFileError(
            f"the file holds several scores: {names}.",
            where=Where(score.source),
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
    text = read_delimited(path, error_type=ScoringFileError, landmarks=LANDMARKS)
    metadata = header_metadata(text.comments, delimiter=text.delimiter)
    parts = read_columns(text)
    accession = _accession(parts, metadata)
    tables, dosage_weights = rows_of_scores(parts)
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


def _accession(parts: ScoringColumns, metadata: Mapping[str, str]) -> str:
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


def _build(
    parts: ScoringColumns, metadata: Mapping[str, str], rows: pa.Table
) -> GenomeBuild | None:
    if rows["position"].null_count == rows.num_rows:
        return None
    key = "HmPOS_build" if parts.is_harmonised else "genome_build"
    try:
        return GenomeBuild.parse(metadata.get(key, ""))
    except GenomeBuildError as error:
        where = Where(parts.text.source, field=key)
        raise GenomeBuildError(error.what, where=where, fix=error.fix) from error
