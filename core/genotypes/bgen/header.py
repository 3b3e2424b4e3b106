"""The header of a BGEN (v1.2 and v1.3, layout 2) and the names of its samples.

Four bytes tell where the variants begin; then come the header block and, unless the names are left
to a .sample file, the block of sample identifiers (www.well.ox.ac.uk/~gav/bgen_format).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.errors import GenotypeFileError, UnsupportedFormatError, Where
from core.genotypes.plink_samples import MAX_BYTES, unique_names

MAGIC_AT, MAGIC = 16, b"bgen"

NONE, ZLIB, ZSTD = 0, 1, 2

_FIXED_BYTES = 20
_FIX = "Copy the file again, or write it again (plink2 --export bgen-1.2 ref-first)."
_SAMPLE_SUFFIX = ".sample"


@dataclass(frozen=True, slots=True)
class BgenHeader:
    """first_variant: byte of the file; compression: NONE, ZLIB or ZSTD; names_bytes: of the block
    of sample identifiers, at names_at, 0 where there is none."""

    n_variants: int
    n_samples: int
    compression: int
    first_variant: int
    names_at: int
    names_bytes: int


def read_header(file: BinaryIO, path: Path, size_bytes: int) -> BgenHeader:
    """Raises GenotypeFileError for a header that contradicts itself or the file's size,
    UnsupportedFormatError for layout 1."""
    fixed = file.read(4 + _FIXED_BYTES)
    numbers = [int.from_bytes(fixed[at : at + 4], "little") for at in range(0, len(fixed), 4)]
    if len(fixed) < 4 + _FIXED_BYTES or fixed[16:20] not in (MAGIC, bytes(4)):
        raise damaged(path, "the file is not a BGEN.")
    offset, header_bytes, n_variants, n_samples = numbers[:4]
    if not _FIXED_BYTES <= header_bytes <= offset or offset + 4 > size_bytes:
        raise damaged(path, "the header does not fit into the file.")
    file.seek(header_bytes)
    flags = int.from_bytes(file.read(4), "little")
    if (flags >> 2) & 15 != 2:
        raise UnsupportedFormatError(
            f"the file has layout {(flags >> 2) & 15} of BGEN, which is not read.",
            where=Where(str(path)),
            fix="Write it as BGEN 1.2 or 1.3 (plink2 --export bgen-1.2 ref-first).",
        )
    if flags & 3 not in (NONE, ZLIB, ZSTD) or not n_variants or not n_samples:
        raise damaged(
            path, f"the header states {n_variants} variants, {n_samples} samples, flags {flags:#x}."
        )
    names_bytes = offset - header_bytes if flags >> 31 else 0
    if names_bytes > MAX_BYTES:
        raise damaged(path, f"its sample identifiers are longer than {MAX_BYTES >> 20} MiB.")
    return BgenHeader(
        n_variants=n_variants,
        n_samples=n_samples,
        compression=flags & 3,
        first_variant=offset + 4,
        names_at=header_bytes + 4,
        names_bytes=names_bytes,
    )


def sample_file(path: Path) -> Path:
    return path.with_suffix(_SAMPLE_SUFFIX)


def read_sample_names(file: BinaryIO, path: Path, header: BgenHeader) -> tuple[str, ...]:
    """Those that the file holds, else those of the .sample file beside it.

    Raises GenotypeFileError where there are none, or not one for each sample.
    """
    if header.names_bytes:
        file.seek(header.names_at)
        names = _embedded_names(file.read(header.names_bytes), path, header.n_samples)
        return unique_names(["0"] * len(names), names, path)
    beside = sample_file(path)
    if not beside.is_file():
        raise GenotypeFileError(
            "the file does not name its samples.",
            where=Where(str(path)),
            fix=f"Put its {beside.name} beside it.",
        )
    fids, iids = _listed_names(beside)
    if len(iids) != header.n_samples:
        raise GenotypeFileError(
            f"the file lists {len(iids)} samples, {path.name} has {header.n_samples}.",
            where=Where(str(beside)),
            fix="Give the .sample file that was written with the BGEN.",
        )
    return unique_names(fids, iids, beside)


def _embedded_names(block: bytes, path: Path, n_samples: int) -> list[str]:
    n_bytes, count = (int.from_bytes(block[at : at + 4], "little") for at in (0, 4))
    if n_bytes != len(block) or count != n_samples or n_bytes < 8 + 2 * n_samples:
        raise damaged(path, "its block of sample identifiers contradicts the header.")
    names: list[str] = []
    at = 8
    for _ in range(n_samples):
        end = at + 2 + int.from_bytes(block[at : at + 2], "little")
        if end > len(block) or end == at + 2:
            raise damaged(path, f"the identifier of sample {len(names) + 1} is empty or cut.")
        try:
            names.append(block[at + 2 : end].decode("utf-8"))
        except UnicodeDecodeError as error:
            raise damaged(path, "a sample identifier is not UTF-8.") from error
        at = end
    if at != len(block):
        raise damaged(path, "its block of sample identifiers is longer than they are.")
    return names


def _listed_names(path: Path) -> tuple[list[str], list[str]]:
    """(first, second identifiers) of a .sample file: a line of names, a line of types, then one for
    each sample; a file with one column of identifiers has it twice here."""
    if path.stat().st_size > MAX_BYTES:
        raise damaged(path, f"the file is longer than {MAX_BYTES >> 20} MiB.")
    try:
        lines = path.read_bytes().decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise damaged(path, "the file is not UTF-8.") from error
    if len(lines) < 2 or not lines[0].upper().startswith("ID") or lines[1].split()[:1] != ["0"]:
        raise GenotypeFileError(
            "the file does not begin with a line of column names and a line of their types.",
            where=Where(str(path), 1),
            fix='Write "ID_1 ID_2 missing", "0 0 0", then a line for each sample.',
        )
    second = 1 if lines[0].upper().split()[1:2] == ["ID_2"] else 0
    rows = [line.split() for line in lines[2:] if line.strip()]
    short = next((n for n, row in enumerate(rows, start=3) if len(row) <= second), None)
    if short is not None:
        raise GenotypeFileError(
            "the line has no second identifier.",
            where=Where(str(path), short, "ID_2"),
            fix="Write ID_1 and ID_2 of every sample.",
        )
    return [row[0] for row in rows], [row[second] for row in rows]


def damaged(path: Path, what: str) -> GenotypeFileError:
    return GenotypeFileError(what, where=Where(str(path)), fix=_FIX)
