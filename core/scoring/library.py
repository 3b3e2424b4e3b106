"""The installed scoring files: one folder, one file per accession, named by it.

`PGS000001.txt.gz`, a plain `my_score.tsv`, and the PGS Catalog's harmonised
`PGS000001_hmPOS_GRCh38.txt.gz` are all found under their accession.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from core.errors import ScoringFileNotInstalledError, UserError
from core.genome_build import GenomeBuild

SUFFIXES = (".txt.gz", ".txt", ".tsv.gz", ".tsv", ".csv.gz", ".csv")

_ACCESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", flags=re.ASCII)
_HARMONISED = re.compile(r"_hmPOS_(GRCh37|GRCh38)$")


@dataclass(frozen=True, slots=True)
class ScoringFileLibrary:
    folder: Path

    def path_of(self, accession: str, *, build: GenomeBuild | None = None) -> Path:
        """The file of an accession, harmonised to `build` where there is one of it.

        Raises ScoringFileNotInstalledError, UserError for what cannot be an accession.
        """
        stems = [_checked(accession)]
        if build is not None:
            stems.insert(0, f"{accession}_hmPOS_{build}")
        stems += [f"{accession}_hmPOS_{other}" for other in GenomeBuild if other != build]
        for stem in stems:
            for suffix in SUFFIXES:
                path = self.folder / f"{stem}{suffix}"
                if path.is_file():
                    return path
        raise ScoringFileNotInstalledError(
            f"The scoring file of {accession} is not installed.",
            fix=(
                f"Copy it as {accession}.txt.gz into {self.folder} "
                f"(PGS Catalog: https://www.pgscatalog.org/score/{accession}/)."
            ),
        )

    def installed(self) -> tuple[str, ...]:
        """The accessions that have a file, sorted."""
        if not self.folder.is_dir():
            return ()
        stems = (_stem(path.name) for path in self.folder.iterdir() if path.is_file())
        return tuple(sorted({_HARMONISED.sub("", stem) for stem in stems if stem is not None}))


def _checked(accession: str) -> str:
    if not _ACCESSION.fullmatch(accession):
        raise UserError(
            f"{accession!r} is not an accession.",
            fix="An accession has up to 64 letters, digits, '-' and '_', for example PGS000001.",
        )
    return accession


def _stem(name: str) -> str | None:
    """What stands before a known suffix, if it may be an accession."""
    for suffix in SUFFIXES:
        if name.endswith(suffix) and _ACCESSION.fullmatch(stem := name.removesuffix(suffix)):
            return stem
    return None
