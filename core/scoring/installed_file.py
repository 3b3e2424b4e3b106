"""What is known of an installed scoring file: its header, its rows as a whole, where it came from.

The header is read from the file's first lines. What only reading the whole file can tell is kept in
a sidecar, `<file name>.json`, and believed while the file has the same size and time of change.
"""

import gzip
import hashlib
import logging
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import takewhile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter, ValidationError

from core.errors import GenomeBuildError
from core.genome_build import GenomeBuild
from core.scoring.scoring_file import ScoringFile, header_metadata

logger = logging.getLogger(__name__)

PGS_CATALOG_TERMS = (
    "The file names no licence. What the PGS Catalog gives out comes under the terms of use of "
    "EMBL-EBI (https://www.ebi.ac.uk/about/terms-of-use/) and any terms set by its authors."
)

INCOMING = ".incoming"
"""The folder, inside the library's, of what is being written."""

_HEAD_BYTES = 256 * 1024
_GZIP_MAGIC = b"\x1f\x8b"


class OriginKind(StrEnum):
    FOLDER = "folder"  # somebody copied it there
    UPLOAD = "upload"
    PGS_CATALOG = "pgs_catalog"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a file came from. `name` is the client's file name, or the URL; `licence` and
    `citation` are what the PGS Catalog says beside the file."""

    kind: OriginKind = OriginKind.FOLDER
    name: str | None = None
    installed_at: datetime | None = None
    licence: str | None = None
    citation: str | None = None


@dataclass(frozen=True, slots=True)
class WeightSummary:
    """Of the effect weights that the rows have, as they stand in the file."""

    minimum: float
    maximum: float
    mean: float
    sum_absolute: float


@dataclass(frozen=True, slots=True)
class ScoringFileContents:
    """What the whole file says. `problems` counts the rows that cannot be scored, by reason."""

    accession: str
    sha256: str
    build: GenomeBuild | None
    n_rows: int
    n_with_coordinates: int
    effect_types: Mapping[str, int]
    problems: Mapping[str, int]
    weights: WeightSummary | None


@dataclass(frozen=True, slots=True)
class InstalledFile:
    """`contents` is None until the whole file has been read, and where `problem` says why it
    cannot be."""

    name: str
    size_bytes: int
    modified_ns: int
    header: Mapping[str, str]
    contents: ScoringFileContents | None = None
    problem: str | None = None
    origin: Origin = field(default_factory=Origin)

    @property
    def build(self) -> GenomeBuild | None:
        """That of the coordinates; from the header's word alone until the file was read."""
        if self.contents is not None:
            return self.contents.build
        try:
            said = self.header.get("HmPOS_build") or self.header.get("genome_build", "")
            return GenomeBuild.parse(said)
        except GenomeBuildError:
            return None

    @property
    def licence(self) -> str | None:
        """The header's, else the PGS Catalog's; None where nobody says."""
        named = self.header.get("license") or self.origin.licence
        is_catalogued = self.header.get("pgs_id", "").startswith("PGS")
        return named or (PGS_CATALOG_TERMS if is_catalogued else None)

    @property
    def citation(self) -> str | None:
        return self.header.get("citation") or self.origin.citation


_SIDECAR = TypeAdapter(InstalledFile)


def look_at(path: Path) -> InstalledFile:
    """What the sidecar knows of the file as it is now; without one, what the first lines say.

    Raises OSError where the file is gone.
    """
    stat = path.stat()
    known = _load(path)
    if known is not None and (known.size_bytes, known.modified_ns) == (
        stat.st_size,
        stat.st_mtime_ns,
    ):
        return known
    return InstalledFile(path.name, stat.st_size, stat.st_mtime_ns, _header(path))


def contents_of(file: ScoringFile) -> ScoringFileContents:
    rows = file.rows
    return ScoringFileContents(
        accession=file.accession,
        sha256=file.sha256,
        build=file.build,
        n_rows=rows.num_rows,
        n_with_coordinates=rows.num_rows - rows["position"].null_count,
        effect_types=_counts(rows["effect_type"]),
        problems=_counts(rows["problem"]),
        weights=_weight_summary(rows["effect_weight"]),
    )


def save(path: Path, known: InstalledFile) -> None:
    """Writes the sidecar. A folder that cannot be written only costs reading the file again."""
    try:
        incoming = path.parent / INCOMING
        incoming.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=incoming) as unfinished:
            file = Path(unfinished, path.name)
            file.write_bytes(_SIDECAR.dump_json(known, indent=2) + b"\n")
            file.replace(_sidecar(path))
    except OSError as error:
        logger.warning("what was read of a scoring file is not remembered: %s", error)


def remove(path: Path) -> None:
    """The file and its sidecar."""
    path.unlink(missing_ok=True)
    _sidecar(path).unlink(missing_ok=True)


def sha256_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _load(path: Path) -> InstalledFile | None:
    try:
        return _SIDECAR.validate_json(_sidecar(path).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        logger.warning("the sidecar of a scoring file is not used: %s", error)
        return None


def _header(path: Path) -> dict[str, str]:
    """Nothing where the first lines cannot be read; reading the whole file says why."""
    try:
        head = _head(path)
    except (OSError, EOFError, zlib.error) as error:
        logger.info("the header of a scoring file cannot be read: %s", error)
        return {}
    lines = head.decode("utf-8-sig", "replace").splitlines()
    return header_metadata(_comments(lines), delimiter="\t")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        if file.peek(2).startswith(_GZIP_MAGIC):
            with gzip.GzipFile(fileobj=file) as unpacked:
                return unpacked.read(_HEAD_BYTES)
        return file.read(_HEAD_BYTES)


def _comments(lines: list[str]) -> Iterator[str]:
    return takewhile(lambda line: line.startswith("#") or not line.strip(), lines)


def _counts(words: pa.ChunkedArray) -> dict[str, int]:
    """How often each word occurs, without nulls."""
    counted = pc.value_counts(words.combine_chunks().drop_null()).to_pylist()
    return {str(item["values"]): int(item["counts"]) for item in counted}


def _weight_summary(weights: pa.ChunkedArray) -> WeightSummary | None:
    if weights.null_count == len(weights):
        return None
    bounds = pc.min_max(weights)
    return WeightSummary(
        minimum=bounds["min"].as_py(),
        maximum=bounds["max"].as_py(),
        mean=pc.mean(weights).as_py(),
        sum_absolute=pc.sum(pc.abs(weights)).as_py(),
    )
