"""The PGS Catalog: scores by accession and trait, and their harmonised scoring files.

REST API 1.8 (https://www.pgscatalog.org/rest/). An accession that does not exist is answered with
an empty object; lists come in pages of `{size, count, next, previous, results}`, 250 at most.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, Field, ValidationError

from core.errors import NotFoundError, PgsCatalogError
from core.genome_build import GenomeBuild
from core.scoring.catalog_http import CatalogHttp, Patience
from core.scoring.library import is_catalogued

_PAGE_ITEMS = 250
_MAX_PAGES = 40
_MAX_IDS_IN_A_QUERY = 50  # what an address may hold
_MAX_ANSWER_BYTES = 64 << 20
_MAX_FILE_BYTES = 4 << 30
_MAX_CHECKSUM_BYTES = 4096
_TRAIT_ID = re.compile(r"[A-Za-z]+[_:][0-9]+", re.ASCII)
_MD5 = re.compile(r"\s*([0-9a-fA-F]{32})\b", re.ASCII)


@dataclass(frozen=True, slots=True)
class CatalogTrait:
    """A term of an ontology, EFO as a rule."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class CatalogScore:
    """What the Catalog says of a score. `harmonised` has the URL of its file on each build."""

    accession: str
    name: str | None
    trait_reported: str | None
    traits: tuple[CatalogTrait, ...]
    variants_number: int | None
    variants_interactions: int
    genome_build: str | None
    weight_type: str | None
    licence: str | None
    citation: str | None
    harmonised: Mapping[GenomeBuild, str]


@dataclass(frozen=True, slots=True)
class CatalogPage:
    """Some of the scores found; `n_found` are all. `next_start` is None at the end."""

    scores: tuple[CatalogScore, ...]
    n_found: int
    next_start: int | None


class PgsCatalog:
    """The REST API at `base_url`, with `Patience`; threads may share it.

    Raises PgsCatalogUnreachableError and PgsCatalogError from every method.
    """

    def __init__(self, base_url: str, patience: Patience | None = None) -> None:
        self._http = CatalogHttp(base_url, patience)

    def score(self, accession: str) -> CatalogScore:
        """Raises NotFoundError that names the accession."""
        require_catalogued(accession)
        try:
            answer = self._json(f"{self._http.base_url}/score/{accession}")
        except NotFoundError:
            answer = {}
        if answer == {}:
            raise NotFoundError(
                f"The PGS Catalog has no score {accession}.",
                fix="Look for it at https://www.pgscatalog.org.",
            )
        score = _validated(_Score, answer).score()
        if score.accession != accession:
            raise PgsCatalogError(
                f"The PGS Catalog was asked for {accession} and sent {score.accession}."
            )
        return score

    def search(self, trait: str, *, start: int, size: int) -> CatalogPage:
        """Scores of a trait: an ontology's ID (EFO_0000305) or any text, in the Catalog's order
        for an ID, and else by accession."""
        if _TRAIT_ID.fullmatch(trait):
            found = tuple(self.scores_of_trait(trait))
            return _page(found[start : start + size], len(found), start)
        accessions = self.accessions_of(trait)
        scores = tuple(self.scores(accessions[start : start + size]))
        return _page(scores, len(accessions), start)

    def scores_of_trait(self, trait_id: str) -> Iterator[CatalogScore]:
        """All scores that were developed for one term."""
        for score in self._results("score/search", _Score, trait_id=trait_id):
            yield score.score()

    def accessions_of(self, text: str) -> tuple[str, ...]:
        """The scores of every trait whose name, synonym or category contains `text`, sorted; also
        those of its child terms."""
        traits = self._results("trait/search", _Trait, term=text)
        return tuple(sorted({accession for trait in traits for accession in trait.accessions()}))

    def scores(self, accessions: Sequence[str]) -> Iterator[CatalogScore]:
        """These scores; one that the Catalog does not know is left out."""
        for first in range(0, len(accessions), _MAX_IDS_IN_A_QUERY):
            ids = ",".join(accessions[first : first + _MAX_IDS_IN_A_QUERY])
            for score in self._results("score/search", _Score, pgs_ids=ids):
                yield score.score()

    def download(self, url: str, path: Path) -> None:
        """Writes the file at `url` to `path`, and checks it where an MD5 stands beside it.

        Raises NotFoundError where there is none, PgsCatalogError for another MD5.
        """

        def write(body: Iterator[bytes]) -> str:
            digest = hashlib.md5(usedforsecurity=False)
            with path.open("wb") as file:
                for chunk in body:
                    file.write(chunk)
                    digest.update(chunk)
            return digest.hexdigest()

        md5 = self._http.fetch(url, write, max_bytes=_MAX_FILE_BYTES)
        published = self._published_md5(url)
        if published not in (None, md5):
            raise PgsCatalogError(
                f"What came from {url} has the MD5 {md5}, and {published} is published beside it."
            )

    def _published_md5(self, url: str) -> str | None:
        try:
            text = self._http.read(f"{url}.md5", max_bytes=_MAX_CHECKSUM_BYTES)
        except NotFoundError:
            return None
        found = _MD5.match(text.decode("ascii", "replace"))
        return found[1].lower() if found is not None else None

    def _results(self, path: str, kind: "type[_Item]", **query: str) -> "Iterator[_Item]":
        """The results of all pages."""
        url: str | None = (
            f"{self._http.base_url}/{path}?{urlencode({**query, 'limit': _PAGE_ITEMS})}"
        )
        for _ in range(_MAX_PAGES):
            page = _validated(_Page, self._json(url))
            yield from (_validated(kind, item) for item in page.results)
            url = page.next
            if url is None:
                return
        raise PgsCatalogError(
            f"The PGS Catalog has more than {_MAX_PAGES * _PAGE_ITEMS} results.",
            fix="Ask for a narrower trait.",
        )

    def _json(self, url: str) -> Any:
        text = self._http.read(url, max_bytes=_MAX_ANSWER_BYTES)
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise PgsCatalogError(f"The PGS Catalog's answer to {url} is not JSON.") from error


def require_catalogued(accession: str) -> None:
    """Raises NotFoundError for an accession that the PGS Catalog cannot have."""
    if accession.startswith("OPGS"):
        raise NotFoundError(
            f"{accession} is a score of OmicsPred, which is not in the PGS Catalog's REST API.",
            fix="Download its scoring file at https://www.omicspred.org and send it to POST "
            "/api/scoring-files.",
        )
    if not is_catalogued(accession):
        raise NotFoundError(
            f"{accession} is no accession of the PGS Catalog: those are PGS and six digits.",
            fix="Send a scoring file of your own to POST /api/scoring-files.",
        )


class _Publication(BaseModel):
    firstauthor: str | None = None
    journal: str | None = None
    date_publication: str | None = None
    doi: str | None = None

    def citation(self) -> str | None:
        """As the headers of the Catalog's files have it."""
        if self.firstauthor is None:
            return None
        year = f" ({self.date_publication[:4]})" if self.date_publication else ""
        journal = f" {self.journal}" if self.journal else ""
        doi = f" doi:{self.doi}" if self.doi else ""
        return f"{self.firstauthor} et al.{journal}{year}.{doi}"


class _EfoTrait(BaseModel):
    id: str
    label: str = ""


class _HarmonisedFile(BaseModel):
    positions: str | None = None


class _Score(BaseModel):
    id: str
    name: str | None = None
    trait_reported: str | None = None
    trait_efo: list[_EfoTrait] = Field(default_factory=list)
    variants_number: int | None = None
    variants_interactions: int | None = None
    variants_genomebuild: str | None = None
    weight_type: str | None = None
    license: str | None = None
    publication: _Publication | None = None
    ftp_harmonized_scoring_files: dict[str, _HarmonisedFile | None] | None = None

    def score(self) -> CatalogScore:
        files = self.ftp_harmonized_scoring_files or {}
        urls = {build: files.get(build) for build in GenomeBuild}
        return CatalogScore(
            accession=self.id,
            name=self.name,
            trait_reported=self.trait_reported,
            traits=tuple(CatalogTrait(trait.id, trait.label) for trait in self.trait_efo),
            variants_number=self.variants_number,
            variants_interactions=self.variants_interactions or 0,
            genome_build=self.variants_genomebuild,
            weight_type=self.weight_type,
            licence=self.license,
            citation=self.publication.citation() if self.publication is not None else None,
            harmonised={
                build: file.positions
                for build, file in urls.items()
                if file is not None and file.positions
            },
        )


class _Trait(BaseModel):
    associated_pgs_ids: list[str] = Field(default_factory=list)
    child_associated_pgs_ids: list[str] | None = None

    def accessions(self) -> list[str]:
        return [*self.associated_pgs_ids, *(self.child_associated_pgs_ids or [])]


class _Page(BaseModel):
    next: str | None = None
    results: list[dict[str, Any]]


_Item = TypeVar("_Item", _Score, _Trait)
_Answer = TypeVar("_Answer", bound=BaseModel)


def _validated(kind: type[_Answer], answer: Any) -> _Answer:
    try:
        return kind.model_validate(answer)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise PgsCatalogError(
            f"The PGS Catalog's answer is not what its REST API 1.8 describes, at {where!r}."
        ) from error


def _page(scores: tuple[CatalogScore, ...], n_found: int, start: int) -> CatalogPage:
    end = start + len(scores)
    return CatalogPage(scores, n_found, end if end < n_found else None)
