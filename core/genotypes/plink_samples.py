"""The samples of a PLINK fileset: .psam (PLINK 2) and .fam (PLINK 1), names and sexes.

A .psam begins with a line "#FID IID …" or "#IID …"; behind comment lines, too. A file without one
is a .fam: FID, IID, father, mother, sex, phenotype. Values are separated by tabs or spaces.

A sample is named by its IID, as `plink2 --export vcf id-paste=iid` writes it; where two people
share an IID, everybody of the file is named FID_IID.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import GenotypeFileError, Where
from core.samples import FEMALE, MALE, UNKNOWN

MAX_BYTES = 1 << 30
"""Enough for ten million samples; nothing of a longer file is read."""

_FAM_COLUMNS = ("FID", "IID", "PAT", "MAT", "SEX")
_SEXES = {
    **dict.fromkeys((b"1", b"m", b"male"), MALE),
    **dict.fromkeys((b"2", b"f", b"female"), FEMALE),
}
"""Anything else (0, NA, -9, …) is unknown."""


@dataclass(frozen=True, slots=True)
class PlinkSamples:
    """`sexes`: a byte for each sample, a code of core.samples."""

    names: tuple[str, ...]
    sexes: bytes


def read_samples(path: Path) -> PlinkSamples:
    """Raises GenotypeFileError (file, line, field) for a table that cannot be used, and where two
    samples have the same IDs."""
    lines = _lines(path)
    n_header = 0
    while n_header < len(lines) and lines[n_header].startswith(b"#"):
        n_header += 1
    columns = _columns(lines[n_header - 1] if n_header else None, path, n_header)
    iid, fid, sex = (columns.get(name) for name in ("IID", "FID", "SEX"))
    assert iid is not None  # _columns has seen to it
    needed = max(place for place in (iid, fid, sex) if place is not None)
    iids: list[str] = []
    fids: list[str] = []
    sexes = bytearray()
    for number, line in enumerate(lines[n_header:], start=n_header + 1):
        values = line.split()
        if not values:
            continue
        if len(values) <= needed:
            raise _too_short(path, number, needed + 1)
        iids.append(values[iid].decode())
        fids.append("0" if fid is None else values[fid].decode())
        sexes.append(UNKNOWN if sex is None else _SEXES.get(values[sex].lower(), UNKNOWN))
    return PlinkSamples(unique_names(fids, iids, path), bytes(sexes))


def _lines(path: Path) -> list[bytes]:
    """UTF-8 text, one item for each line."""
    if path.stat().st_size > MAX_BYTES:
        raise GenotypeFileError(
            f"the table of samples is longer than {MAX_BYTES >> 20} MiB.",
            where=Where(str(path)),
            fix="Leave out phenotypes, which nothing reads here.",
        )
    content = path.read_bytes()
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise GenotypeFileError(
            "the table of samples is not UTF-8 text.",
            where=Where(str(path), content.count(b"\n", 0, error.start) + 1),
            fix="Rename the samples, or save the file in UTF-8.",
        ) from error
    return content.split(b"\n")


def _columns(header: bytes | None, path: Path, line: int) -> dict[str, int]:
    """Place of each column, by its name."""
    names: Sequence[str] = _FAM_COLUMNS if header is None else header[1:].decode().split()
    if not names or names[0] not in ("FID", "IID") or "IID" not in names:
        raise GenotypeFileError(
            "the column line does not begin with #FID IID or #IID.",
            where=Where(str(path), line),
            fix="Write the table again (plink2 --make-just-psam).",
        )
    if len(set(names)) < len(names):
        raise GenotypeFileError(
            "two columns have the same name.",
            where=Where(str(path), line),
            fix="Rename or remove one.",
        )
    return {name: place for place, name in enumerate(names)}


def _too_short(path: Path, line: int, n_values: int) -> GenotypeFileError:
    return GenotypeFileError(
        f"the line has fewer than {n_values} values.",
        where=Where(str(path), line),
        fix="Write the table of samples again (plink2 --make-just-psam or --make-just-fam).",
    )


def unique_names(fids: list[str], iids: list[str], path: Path) -> tuple[str, ...]:
    """IIDs, or FID_IID of everybody where two people share one. Raises GenotypeFileError where
    there is nobody, or two have the same of both."""
    names = iids
    if len(set(iids)) < len(iids):
        names = [f"{fid}_{iid}" for fid, iid in zip(fids, iids, strict=True)]
    if not names:
        raise GenotypeFileError(
            "the file has no samples.", where=Where(str(path)), fix="Give the whole fileset."
        )
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise GenotypeFileError(
            f"sample {name} stands there {count} times.",
            where=Where(str(path), field="IID"),
            fix="Give every sample its own IID (plink2 --update-ids).",
        )
    return tuple(names)
