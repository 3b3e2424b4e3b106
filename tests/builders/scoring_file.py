"""Small scoring files in every flavour that people send, for tests of any layer.

    write_scoring_file(tmp_path / "PGS000001.txt.gz", [Row("1", 1000, "A", "G", 0.5)])

A path that ends in .gz is written as gzip. `Row` fields that are None are left empty.
"""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a scoring file; `more` holds any further columns by name."""

    contig: str | None
    position: int | None
    effect_allele: str
    other_allele: str | None
    effect_weight: Cell
    rsid: str | None = None
    more: Mapping[str, Cell] = field(default_factory=dict[str, Cell])


def write_scoring_file(
    path: Path,
    rows: Sequence[Row],
    *,
    accession: str | None = "PGS999999",
    build: str | None = "GRCh37",
    header: Mapping[str, str] | None = None,
) -> Path:
    """PGS Catalog v2.0, not harmonised."""
    keys = {"pgs_id": accession, "genome_build": build, **(header or {})}
    comments = [
        "###PGS CATALOG SCORING FILE - see https://www.pgscatalog.org/downloads/#dl_ftp_scoring",
        "#format_version=2.0",
        "##POLYGENIC SCORE (PGS) INFORMATION",
        *(f"#{key}={value}" for key, value in keys.items() if value is not None),
    ]
    return write_table(path, [_catalog_cells(row) for row in rows], comments=comments)


def write_harmonised_file(
    path: Path,
    rows: Sequence[Row],
    *,
    accession: str = "PGS999999",
    build: str = "NR",
    harmonised_build: str = "GRCh38",
) -> Path:
    """PGS Catalog v2.0, harmonised: the rows' places are the harmonised ones."""
    comments = [
        f"#pgs_id={accession}",
        f"#genome_build={build}",
        "##HARMONIZATION DETAILS",
        f"#HmPOS_build={harmonised_build}",
        '#HmPOS_match_chr={""True"": null, "False": null}',
    ]
    return write_table(path, [_harmonised_cells(row) for row in rows], comments=comments)


def write_v1_file(
    path: Path, rows: Sequence[Row], *, accession: str = "PGS999999", build: str = "GRCh37"
) -> Path:
    """PGS Catalog v1.0: a header of sentences, and `reference_allele`."""
    comments = [
        "### PGS CATALOG SCORING FILE - see www.pgscatalog.org/downloads/#dl_ftp for information",
        "## POLYGENIC SCORE (PGS) INFORMATION",
        f"# PGS ID = {accession}",
        "# Reported Trait = Coronary heart disease",
        f"# Original Genome Build = {build}",
        "# Citation = Someone A et al. J Test (2021). doi:10.1/a=b",
    ]
    cells = [_catalog_cells(row) for row in rows]
    for row in cells:
        row["reference_allele"] = row.pop("other_allele")
    return write_table(path, cells, comments=comments)


def write_omicspred_file(
    path: Path, rows: Sequence[Row], *, accession: str = "OPGS999999", build: str = "GRCh37"
) -> Path:
    comments = [f"#omicspred_id={accession}", "#trait_type=proteomics", f"#genome_build={build}"]
    return write_table(path, [_catalog_cells(row) for row in rows], comments=comments)


def write_plink_file(path: Path, rows: Sequence[Row], *, weight_column: str = "score") -> Path:
    """PLINK's layout; the ID is the row's rsID, else chr:pos:other:effect."""
    cells: list[dict[str, Cell]] = [
        {
            "ID": row.rsid or f"{row.contig}:{row.position}:{row.other_allele}:{row.effect_allele}",
            "effect_allele": row.effect_allele,
            weight_column: row.effect_weight,
        }
        for row in rows
    ]
    return write_table(path, cells)


def write_table(
    path: Path,
    rows: Sequence[Mapping[str, Cell]],
    *,
    comments: Sequence[str] = (),
    delimiter: str = "\t",
    line_end: str = "\n",
) -> Path:
    """Any table: the first row's keys are the column line."""
    names = list(rows[0])
    lines = [delimiter.join(_cell_text(row[name]) for name in names) for row in rows]
    text = "".join(f"{line}{line_end}" for line in (*comments, delimiter.join(names), *lines))
    return write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def _catalog_cells(row: Row) -> dict[str, Cell]:
    return {
        "rsID": row.rsid,
        "chr_name": row.contig,
        "chr_position": row.position,
        "effect_allele": row.effect_allele,
        "other_allele": row.other_allele,
        "effect_weight": row.effect_weight,
        **row.more,
    }


def _harmonised_cells(row: Row) -> dict[str, Cell]:
    places: dict[str, Cell] = {
        "hm_source": "ENSEMBL" if row.position is not None else "Unknown",
        "hm_rsID": row.rsid,
        "hm_chr": row.contig,
        "hm_pos": row.position,
        "hm_inferOtherAllele": None,
    }
    own = {**_catalog_cells(row), **places, **row.more}
    own["chr_position"] = None
    return own


def _cell_text(cell: Cell) -> str:
    return "" if cell is None else str(cell)
