"""The installed scoring files: one folder, one file per accession and build, named by them.

`PGS000001.txt.gz`, a plain `my_score.tsv`, and the PGS Catalog's harmonised
`PGS000001_hmPOS_GRCh38.txt.gz` are all found under their accession. Files may be copied into the
folder; those that come through `install` were read to their end before anybody could see them, and
replace nothing.
"""

import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.errors import (
    ConflictError,
    InfrastructureError,
    NotFoundError,
    ScoringFileError,
    ScoringFileNotInstalledError,
    UserError,
    Where,
)
from core.genome_build import GenomeBuild
from core.scoring.installed_file import (
    INCOMING,
    InstalledFile,
    Origin,
    contents_of,
    look_at,
    remove,
    save,
    sha256_of_file,
)
from core.scoring.scoring_file import ScoringFile, only_score, read_scoring_files
from core.scoring.split_scores import split_scores

SUFFIXES = (".txt.gz", ".txt", ".tsv.gz", ".tsv", ".csv.gz", ".csv")

_ACCESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", flags=re.ASCII)
_HARMONISED = re.compile(r"_hmPOS_(GRCh37|GRCh38)$")
_CATALOGUED = re.compile(r"PGS[0-9]{6}", flags=re.ASCII)
_GZIP_MAGIC = b"\x1f\x8b"
_ABANDONED_SECONDS = 24 * 3600.0

_READ_WAIT_SECONDS = 120.0
_reading = threading.Lock()
"""Reading takes several times the unpacked file in memory: one at a time in a process."""


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """One accession and its files: not harmonised, then harmonised to each build."""

    accession: str
    files: tuple[InstalledFile, ...]

    def said(self, key: str) -> str | None:
        """The first value that a header has for `key`."""
        return next((file.header[key] for file in self.files if file.header.get(key)), None)

    def mentions(self, text: str) -> bool:
        """Whether accession, name or trait contain `text`, in any case."""
        keys = ("pgs_name", "trait_reported", "trait_mapped", "trait_efo")
        said = (self.accession, *(self.said(key) or "" for key in keys))
        return any(text.casefold() in value.casefold() for value in said)


@dataclass(frozen=True, slots=True)
class Installation:
    """What `install` came to; `is_new` is false where the same bytes were there already."""

    accession: str
    file: InstalledFile
    is_new: bool


@dataclass(frozen=True, slots=True)
class ScoringFileLibrary:
    folder: Path
    _known: dict[str, InstalledFile] = field(
        default_factory=dict[str, InstalledFile], compare=False, repr=False
    )

    def path_of(self, accession: str, *, build: GenomeBuild | None = None) -> Path:
        """The file of an accession, harmonised to `build` where there is one of it.

        Raises ScoringFileNotInstalledError, UserError for what cannot be an accession.
        """
        for stem in _stems(_checked(accession), build):
            path = self._path_of_stem(stem)
            if path is not None:
                return path
        raise ScoringFileNotInstalledError(
            f"The scoring file of {accession} is not installed.",
            fix=f"{_how_to_install(accession, build)} Or copy it as {accession}.txt.gz into "
            f"{self.folder}.",
        )

    def installed(self) -> tuple[str, ...]:
        """The accessions that have a file, sorted. Nothing but the folder is read."""
        return tuple(sorted(self._scan()))

    def entry(self, accession: str) -> LibraryEntry:
        """Everything about one accession; a file that nobody has read yet is read now.

        Raises NotFoundError, UserError for what cannot be an accession, and InfrastructureError
        where the files before it take too long to read.
        """
        paths = [self._path_of_stem(stem) for stem in _stems(_checked(accession), None)]
        files = tuple(self._read(path) for path in paths if path is not None)
        if not files:
            raise NotFoundError(
                f"The scoring file of {accession} is not installed.",
                fix=_how_to_install(accession, None),
            )
        return LibraryEntry(accession, files)

    def entries(self, *, size: int, after: str = "", search: str = "") -> tuple[LibraryEntry, ...]:
        """Up to `size` accessions that mention `search`, sorted, those up to `after` left out.

        Headers and sidecars are read, each once while its file stays the same; no file is read
        wholly, so that `contents` may be None.
        """
        found: list[LibraryEntry] = []
        for accession, paths in sorted(self._scan().items()):
            if len(found) == size:
                break
            if accession > after:
                entry = LibraryEntry(accession, tuple(self._looked_at(paths)))
                found += [entry] if entry.files and entry.mentions(search) else []
        return tuple(found)

    def harmonised(self, accession: str, build: GenomeBuild) -> InstalledFile | None:
        """The file that is harmonised to this build."""
        path = self._path_of_stem(f"{_checked(accession)}_hmPOS_{build}")
        return self._read(path) if path is not None else None

    @contextmanager
    def incoming(self) -> Generator[Path]:
        """A path in the library's file system for a file on its way; nothing stays of it."""
        incoming = self.folder / INCOMING
        incoming.mkdir(parents=True, exist_ok=True)
        _sweep(incoming)
        with tempfile.TemporaryDirectory(dir=incoming) as folder:
            yield Path(folder) / "scoring_file"

    def install(self, path: Path, file: ScoringFile, *, name: str, origin: Origin) -> Installation:
        """Publishes a file that `read_incoming` has read, in one step.

        `path` is one of `incoming`, `name` what people call the file.
        Raises ConflictError where the accession has other content, ScoringFileError where neither
        header nor name give an accession.
        """
        accession = _accession_of(file, path, name)
        stem = _file_stem(accession, file)
        present = self._path_of_stem(stem)
        target = self.folder / f"{stem}{_suffix_of(path)}"
        if present is None:
            _flush(path)
            try:
                os.link(path, target)  # unlike a rename, it replaces nothing
            except FileExistsError:
                present = target
        if present is not None:
            return self._installed_before(accession, present, file.sha256)
        contents = replace(contents_of(file), accession=accession)
        known = replace(look_at(target), header=file.metadata, contents=contents, origin=origin)
        self._remember(target, known)
        return Installation(accession, known, is_new=True)

    def install_scores(self, path: Path, *, name: str, origin: Origin) -> tuple[Installation, ...]:
        """Reads a file to its end and publishes its score or, where it has several, a file of each:
        all of them, or none.

        Raises what `read_incoming` and `install` do.
        """
        scores = read_incoming(path, name=name)
        if len(scores) == 1:
            return (self.install(path, scores[0], name=name, origin=origin),)
        with _reading_as(name):
            parts = split_scores(path, scores, path.parent)
        for part, score in zip(parts, scores, strict=True):
            self._require_free_or_same(part, score)
        return self._install_parts(parts, name=name, origin=origin)

    def _require_free_or_same(self, part: Path, score: ScoringFile) -> None:
        """Nobody is to see the first of scores that another keeps from being installed."""
        accession = _checked(score.accession)
        present = self._path_of_stem(_file_stem(accession, score))
        if present is not None:
            _require_same(accession, present, sha256_of_file(part))

    def _install_parts(
        self, parts: Sequence[Path], *, name: str, origin: Origin
    ) -> tuple[Installation, ...]:
        done: list[Installation] = []
        try:
            for part in parts:
                score = only_score(read_incoming(part, name=name))
                done.append(self.install(part, score, name=name, origin=origin))
        except BaseException:
            for installation in done:
                self._take_back(installation)
            raise
        return tuple(done)

    def _take_back(self, installation: Installation) -> None:
        if installation.is_new:
            self._known.pop(installation.file.name, None)
            remove(self.folder / installation.file.name)

    def _installed_before(self, accession: str, present: Path, sha256: str) -> Installation:
        _require_same(accession, present, sha256)
        return Installation(accession, self._read(present), is_new=False)

    def _scan(self) -> Mapping[str, list[Path]]:
        """accession: the file of each of its stems."""
        if not self.folder.is_dir():
            return {}
        by_stem: dict[str, Path] = {}
        for name in sorted(_file_names(self.folder), key=_rank):
            stem = _stem(name)
            if stem is not None:
                by_stem.setdefault(stem, self.folder / name)
        found: dict[str, list[Path]] = {}
        for stem in sorted(by_stem):
            found.setdefault(_HARMONISED.sub("", stem), []).append(by_stem[stem])
        return found

    def _path_of_stem(self, stem: str) -> Path | None:
        paths = (self.folder / f"{stem}{suffix}" for suffix in SUFFIXES)
        return next((path for path in paths if path.is_file()), None)

    def _looked_at(self, paths: list[Path]) -> Iterator[InstalledFile]:
        """Without those that were removed meanwhile."""
        for path in paths:
            try:
                yield self._look_at(path)
            except FileNotFoundError:
                continue

    def _look_at(self, path: Path) -> InstalledFile:
        stat, known = path.stat(), self._known.get(path.name)
        if known is None or (known.size_bytes, known.modified_ns) != (
            stat.st_size,
            stat.st_mtime_ns,
        ):
            known = self._known[path.name] = look_at(path)
        return known

    def _read(self, path: Path) -> InstalledFile:
        """A file that cannot be read says why in `problem`."""
        known = self._look_at(path)
        if known.contents is not None or known.problem is not None:
            return known
        try:
            file = only_score(read_incoming(path, name=path.name))
            read = {"header": file.metadata, "contents": contents_of(file)}
        except UserError as error:
            read = {"problem": str(error)}
        # Its sidecar may have come meanwhile, from the process that installed it
        known = replace(look_at(path), **read)
        self._remember(path, known)
        return known

    def _remember(self, path: Path, known: InstalledFile) -> None:
        self._known[path.name] = known
        save(path, known)


def read_incoming(path: Path, *, name: str) -> tuple[ScoringFile, ...]:
    """Reads the scores of a whole file, after those before it. Errors speak of it as `name`.

    Raises ScoringFileError, GenomeBuildError, and InfrastructureError where it waits too long.
    """
    with _reading_as(name):
        return read_scoring_files(path)


@contextmanager
def _reading_as(name: str) -> Generator[None]:
    if not _reading.acquire(timeout=_READ_WAIT_SECONDS):
        raise InfrastructureError("other scoring files are still being read.", fix="Try again.")
    try:
        yield
    except UserError as error:
        where = replace(error.where, file=name) if error.where is not None else None
        raise type(error)(error.what, where=where, fix=error.fix) from error
    finally:
        _reading.release()


def _require_same(accession: str, present: Path, sha256: str) -> None:
    if sha256_of_file(present) != sha256:
        raise ConflictError(
            f"{accession} is installed already, as {present.name}, with other content.",
            fix="Give the new file an accession of its own (pgs_id in its header), or have "
            f"{present.name} removed from the scoring file folder.",
        )


def is_catalogued(accession: str) -> bool:
    """Whether it has the form of the PGS Catalog's accessions of scores."""
    return _CATALOGUED.fullmatch(accession) is not None


def _stems(accession: str, build: GenomeBuild | None) -> list[str]:
    """The file names of an accession without suffix, the best for `build` first."""
    wanted = [f"{accession}_hmPOS_{build}"] if build is not None else []
    others = [f"{accession}_hmPOS_{other}" for other in GenomeBuild if other != build]
    return [*wanted, accession, *others]


def _how_to_install(accession: str, build: GenomeBuild | None) -> str:
    if not is_catalogued(accession):
        return "Send its scoring file to POST /api/scoring-files."
    builds = build or "|".join(GenomeBuild)
    return (
        f"POST /api/scoring-files/{accession}/download?build={builds} fetches it from the PGS "
        f"Catalog (https://www.pgscatalog.org/score/{accession}/), as does `curagenie scores "
        f"install {accession} --build {builds}`; POST /api/scoring-files takes a file."
    )


def _accession_of(file: ScoringFile, path: Path, name: str) -> str:
    """The header's. A header that names none leaves it to the file's name, which was not `path`."""
    if file.accession != path.name:
        return _checked(file.accession)
    stem = _stem(name)
    if stem is None:
        raise ScoringFileError(
            "neither the header nor the name of the file gives an accession.",
            where=Where(name),
            fix="Begin the file with a line such as #pgs_id=MY_SCORE_1.",
        )
    return _HARMONISED.sub("", stem)


def _file_stem(accession: str, file: ScoringFile) -> str:
    build = GenomeBuild.parse(file.metadata.get("HmPOS_build", ""))
    is_harmonised = build is not None and file.build in (None, build)
    return f"{accession}_hmPOS_{build}" if is_harmonised else accession


def _flush(path: Path) -> None:
    """To the disk: what has a name after a power cut must be whole."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _suffix_of(path: Path) -> str:
    with path.open("rb") as file:
        return ".txt.gz" if file.read(2) == _GZIP_MAGIC else ".txt"


def _checked(accession: str) -> str:
    if not _ACCESSION.fullmatch(accession):
        raise UserError(
            f"{accession!r} is not an accession.",
            fix="An accession has up to 64 letters, digits, '-' and '_', for example PGS000001.",
        )
    return accession


def _file_names(folder: Path) -> Iterator[str]:
    with os.scandir(folder) as found:
        yield from (item.name for item in found if item.is_file())


def _stem(name: str) -> str | None:
    """What stands before a known suffix, if it may be an accession."""
    stem = next((name.removesuffix(end) for end in SUFFIXES if name.endswith(end)), "")
    return stem if _ACCESSION.fullmatch(_HARMONISED.sub("", stem)) else None


def _rank(name: str) -> int:
    """The place of the name's suffix in SUFFIXES."""
    ranks = (rank for rank, suffix in enumerate(SUFFIXES) if name.endswith(suffix))
    return next(ranks, len(SUFFIXES))


def _sweep(incoming: Path) -> None:
    """Removes what a process that died left behind."""
    for folder in incoming.iterdir():
        try:
            is_abandoned = folder.stat().st_mtime < time.time() - _ABANDONED_SECONDS
        except FileNotFoundError:
            continue
        if is_abandoned:
            shutil.rmtree(folder, ignore_errors=True)
