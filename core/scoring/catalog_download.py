"""A harmonised scoring file from the PGS Catalog into the library, if it is what was asked for."""

import re
from datetime import UTC, datetime

from core.errors import NotFoundError, PgsCatalogError, UserError
from core.genome_build import GenomeBuild
from core.scoring.catalog import CatalogScore, PgsCatalog, require_catalogued
from core.scoring.installed_file import Origin, OriginKind
from core.scoring.library import Installation, ScoringFileLibrary, read_incoming
from core.scoring.scoring_file import ScoringFile, only_score


def download_scoring_file(
    accession: str, build: GenomeBuild, *, catalog: PgsCatalog, library: ScoringFileLibrary
) -> Installation:
    """Installs the file of an accession, harmonised to `build`. One that is installed stays, and
    the Catalog is not asked.

    Raises NotFoundError where the Catalog has no such score or file, PgsCatalogUnreachableError,
    PgsCatalogError where the file is not what it should be, ConflictError as `install`.
    """
    require_catalogued(accession)
    present = library.harmonised(accession, build)
    if present is not None:
        return Installation(accession, present, is_new=False)
    score = catalog.score(accession)
    url = _url_of(score, build)
    with library.incoming() as path:
        catalog.download(url, path)
        try:
            file = only_score(read_incoming(path, name=url))
        except UserError as error:
            raise PgsCatalogError(f"What the PGS Catalog sent cannot be used: {error}") from error
        _require_what_was_asked(file, score, build)
        origin = Origin(
            OriginKind.PGS_CATALOG, url, datetime.now(UTC), score.licence, score.citation
        )
        return library.install(path, file, name=url, origin=origin)


def _url_of(score: CatalogScore, build: GenomeBuild) -> str:
    url = score.harmonised.get(build)
    if url is None:
        raise NotFoundError(
            f"The PGS Catalog has no file of {score.accession} harmonised to {build}.",
            fix=f"It has {', '.join(score.harmonised) or 'none of any build'}.",
        )
    return url


def _require_what_was_asked(file: ScoringFile, score: CatalogScore, build: GenomeBuild) -> None:
    """By the file's own words: accession, build, and how many rows it should have."""
    named = file.metadata.get("pgs_id")
    if named != score.accession:
        raise PgsCatalogError(f"The PGS Catalog's file of {score.accession} says it is {named}.")
    harmonised_to = file.metadata.get("HmPOS_build")
    if harmonised_to != build or file.build not in (None, build):
        raise PgsCatalogError(
            f"The PGS Catalog's file of {score.accession} on {build} says {harmonised_to}, and its "
            f"positions are on {file.build}."
        )
    _require_all_rows(file, score)


def _require_all_rows(file: ScoringFile, score: CatalogScore) -> None:
    """As many as header and API announce; interactions may be announced apart."""
    said = file.metadata.get("variants_number", "")
    in_header = int(said) if re.fullmatch(r"[0-9]{1,9}", said, re.ASCII) else None
    n_rows = file.rows.num_rows
    for announced in (in_header, score.variants_number):
        if announced is not None and n_rows - announced not in (0, score.variants_interactions):
            raise PgsCatalogError(
                f"The PGS Catalog's file of {score.accession} has {n_rows} rows and should have "
                f"{announced}."
            )
