"""The header of a BCF: that of a VCF, and the numbers by which records name contigs and keys.

BCF2 specification (VCF 4.5, section 6.2): "BCF", two bytes of version, the length of the text, the
text. A contig or key has the number of its IDX, else the place of its line among those of its kind;
FILTER, INFO and FORMAT lines are of one kind, in which PASS comes first.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from core.errors import GenotypeFileError, Where
from core.genome_build import canonical_contig
from core.genotypes.vcf_header import (
    MAX_HEADER_BYTES,
    VcfHeader,
    check_header_lines,
    parse_header,
    read_header_text,
    structured_lines,
)

MAGIC = b"BCF"
VERSION = b"\x02\x02"
MAX_NUMBER = 1 << 20
"""Of contigs and keys; nothing larger is allocated for."""

_FIXED_BYTES = 9
_FIX = "Write the file again (bcftools view -Ob)."


@dataclass(frozen=True, slots=True)
class BcfHeader:
    """contigs: canonical names by number, "" for a number that is not used; formats: numbers of the
    FORMAT keys that the header declares; n_bytes: of the file's text before its first record."""

    vcf: VcfHeader
    contigs: tuple[str, ...]
    formats: Mapping[str, int]
    n_bytes: int


def read_header(pieces: Iterable[bytes], uri: str) -> BcfHeader:
    """From the pieces of a file's text. Raises GenotypeFileError for a header that cannot be used,
    GenomeBuildError for contigs of two builds."""
    content = _content(iter(pieces), uri)
    check_header_lines(content.count(b"\n"), uri)
    text = read_header_text([content.rstrip(b"\0")], uri)
    lines = [line.decode("utf-8", "replace") for line in text.lines]
    contigs = _numbers(lines, ("contig",), {}, uri)
    formats = _numbers(lines, ("FILTER", "INFO", "FORMAT"), {"PASS": 0}, uri)
    vcf = parse_header(text, uri)
    lengths = vcf.contigs
    name_of = {
        number: canonical_contig(name, lengths.get(name)) for name, number in contigs.items()
    }
    return BcfHeader(
        vcf=vcf,
        contigs=tuple(name_of.get(number, "") for number in range(max(name_of, default=-1) + 1)),
        formats={key: formats[key] for key in vcf.formats},
        n_bytes=_FIXED_BYTES + len(content),
    )


def _content(pieces: Iterator[bytes], uri: str) -> bytes:
    """The text of the header, with the NUL at its end."""
    data = bytearray()
    _fill(data, pieces, _FIXED_BYTES, uri)
    if bytes(data[:5]) != MAGIC + VERSION:
        raise GenotypeFileError("the file is not a BCF 2.2.", where=Where(uri), fix=_FIX)
    n_bytes = int.from_bytes(data[5:_FIXED_BYTES], "little")
    if n_bytes > MAX_HEADER_BYTES:
        raise GenotypeFileError(
            f"the header is longer than {MAX_HEADER_BYTES >> 20} MiB.",
            where=Where(uri),
            fix="Remove meta-information lines that nothing reads.",
        )
    _fill(data, pieces, _FIXED_BYTES + n_bytes, uri)
    return bytes(data[_FIXED_BYTES : _FIXED_BYTES + n_bytes])


def _fill(data: bytearray, pieces: Iterator[bytes], n_bytes: int, uri: str) -> None:
    while len(data) < n_bytes:
        piece = next(pieces, None)
        if piece is None:
            raise GenotypeFileError(
                "the file ends within its header.", where=Where(uri), fix="Copy the file again."
            )
        data += piece


def _numbers(
    lines: list[str], kinds: tuple[str, ...], numbers: dict[str, int], uri: str
) -> dict[str, int]:
    """`numbers` with the IDs of lines of `kinds`."""
    for fields in structured_lines(lines, *kinds):
        name = fields.get("ID")
        if name is None or name in numbers:
            continue
        stated = fields.get("IDX", f"{len(numbers)}")
        if not (stated.isascii() and stated.isdigit()) or int(stated[:9]) >= MAX_NUMBER:
            raise _bad_number(name, "is no number that a file needs", uri)
        numbers[name] = int(stated[:9])
    owners = {number: name for name, number in numbers.items()}
    for name, number in numbers.items():
        if owners[number] != name:
            raise _bad_number(name, f"is also that of {owners[number]}", uri)
    return numbers


def _bad_number(name: str, what: str, uri: str) -> GenotypeFileError:
    return GenotypeFileError(f"the IDX of {name} {what}.", where=Where(uri, field="IDX"), fix=_FIX)
