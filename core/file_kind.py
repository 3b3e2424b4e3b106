"""What kind of file some first bytes belong to: magic numbers, never file names.

A gzip or bgzip wrapper is looked through. References: SAMv1 (BAM, BGZF), VCFv4.5 (BCF), CRAMv3,
RFC 1952 (gzip), the plink2 specification (0x6c 0x1b), Cock et al. 2010 (FASTQ).
"""

import re
import zlib
from dataclasses import dataclass
from enum import StrEnum

from core.errors import UnsupportedFormatError, Where

HEAD_BYTES = 4096
"""How much of a file `accept_upload` wants to see, where there is that much."""

_GZIP = b"\x1f\x8b"
_INFLATED_HEAD_BYTES = 512
_SEND_VCF = "Send genotypes as VCF or reads as FASTQ, plain or compressed with bgzip or gzip."
_READS = "Reads need alignment and variant calling first; send the resulting VCF."

_ARRAY_TEXT = re.compile(
    rb'(?i)23andme|ancestrydna|myheritage|"?rsid"?[\t, ]+"?chromosome"?[\t, ]+"?position'
)

# magic bytes, name, what to do instead; the first that fits counts
_OTHER_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"@HD\t", "SAM", _READS),
    (b"@SQ\t", "SAM", _READS),
    (b"@RG\t", "SAM", _READS),
    (b"@PG\t", "SAM", _READS),
    (b"@CO\t", "SAM", _READS),
    (b">", "FASTA", _SEND_VCF),
    (b"BAM\x01", "BAM", _READS),
    (b"CRAM", "CRAM", _READS),
    (b"BCF\x02", "BCF", "Convert it with `bcftools view -Oz`, then send the VCF."),
    (b"\x6c\x1b", "PLINK binary", "Export it with `plink2 --export vcf bgz`, then send the VCF."),
    (b"PK\x03\x04", "ZIP", "Unpack it, then send the VCF itself; bgzip and gzip are welcome."),
    (b"BZh", "bzip2", "Decompress it; bgzip and gzip are welcome."),
    (b"\xfd7zXZ", "xz", "Decompress it; bgzip and gzip are welcome."),
    (b"\x28\xb5\x2f\xfd", "Zstandard", "Decompress it; bgzip and gzip are welcome."),
)


_FIRST_READ = re.compile(rb"@[^\r\n]*(\r?\n([A-Za-z.*-]*(\r?\n([A-Za-z.*+-]|\Z)|\Z)|\Z)|\Z)")
"""A title, a line of bases, and what may follow it, as far as the head goes."""


class FileKind(StrEnum):
    """What uploads may be: genotypes, in a VCF or an array's text, or reads."""

    VCF = "vcf"
    FASTQ = "fastq"


@dataclass(frozen=True, slots=True)
class AcceptedUpload:
    """An upload that some reader may take; `suffix` is the end of its storage key."""

    kind: FileKind
    suffix: str


def kind_of_key(key: str) -> FileKind:
    """The kind of an upload, by the storage key that it got."""
    return FileKind.FASTQ if key.endswith((".fastq", ".fastq.gz")) else FileKind.VCF


def accept_upload(head: bytes, *, filename: str) -> AcceptedUpload:
    """Take a VCF or a FASTQ by its first bytes, or text that only a reader can judge.

    Text that is neither is accepted as VCF: its reader names the line that is wrong.
    Raises UnsupportedFormatError where the bytes are surely another kind of file.
    """
    is_gzip = head.startswith(_GZIP)
    content = _inflated_head(head) if is_gzip else head
    for magic, name, fix in _OTHER_KINDS:
        if content.startswith(magic):
            raise _unsupported(f"this is a {name} file, which no reader here takes.", filename, fix)
    if b"\0" in content:
        raise _unsupported("this is a binary file of an unknown kind.", filename, _SEND_VCF)
    kind = FileKind.FASTQ if content.startswith(b"@") else FileKind.VCF
    if kind is FileKind.FASTQ and not _FIRST_READ.match(content):
        raise _unsupported(
            "this starts with @ as a FASTQ does, but no read follows.", filename, _SEND_VCF
        )
    suffix = ".txt" if is_array_text(content) else f".{kind}"
    return AcceptedUpload(kind, f"{suffix}.gz" if is_gzip else suffix)


def is_array_text(head: bytes) -> bool:
    """Whether text begins as the raw data of 23andMe, AncestryDNA, MyHeritage or FTDNA does."""
    if head.startswith((b"##fileformat=VCF", b"@")):
        return False
    return _ARRAY_TEXT.search(head[:HEAD_BYTES]) is not None


def _inflated_head(head: bytes) -> bytes:
    """The first bytes inside; nothing where the gzip stream is broken, which its reader reports."""
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _INFLATED_HEAD_BYTES)
    except zlib.error:
        return b""


def _unsupported(what: str, filename: str, fix: str) -> UnsupportedFormatError:
    return UnsupportedFormatError(what, where=Where(filename), fix=fix)
