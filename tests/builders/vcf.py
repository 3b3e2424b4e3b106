"""Small VCFs: records as text, and a BGZF writer of our own whose block size can be chosen."""

import gzip
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")

GRCH37_CONTIGS = ("##contig=<ID=1,length=249250621>", "##contig=<ID=22,length=51304566>")
FORMATS = (
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
    '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth, of reads">',
)
DS_FORMAT = '##FORMAT=<ID=DS,Number=A,Type=Float,Description="Dosage">'


@dataclass(frozen=True)
class Record:
    """One line; `calls` are the sample columns."""

    contig: str
    position: int | str
    calls: Sequence[str]
    id: str = "."
    ref: str = "A"
    alt: str = "G"
    format: str = "GT"

    def __str__(self) -> str:
        site = (self.contig, str(self.position), self.id, self.ref, self.alt)
        return "\t".join((*site, ".", "PASS", ".", self.format, *self.calls))


def sample_names(n_samples: int) -> list[str]:
    return [f"S{i + 1}" for i in range(n_samples)]


def vcf_text(
    records: Iterable[Record | str],
    *,
    samples: Sequence[str] = ("S1", "S2"),
    meta: Sequence[str] = (*GRCH37_CONTIGS, *FORMATS),
    version: str = "4.2",
    line_end: str = "\n",
) -> bytes:
    """A VCF as UTF-8."""
    columns = "\t".join(
        ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples)
    )
    lines = [f"##fileformat=VCFv{version}", *meta, columns, *map(str, records)]
    return "".join(line + line_end for line in lines).encode()


def bgzf_block(text: bytes, *, level: int = 1) -> bytes:
    """At most 65,280 bytes of text; level 0 stores them."""
    deflater = zlib.compressobj(level, zlib.DEFLATED, -15)
    body = deflater.compress(text) + deflater.flush()
    size = (len(body) + 25).to_bytes(2, "little")
    trailer = zlib.crc32(text).to_bytes(4, "little") + len(text).to_bytes(4, "little")
    return EOF_BLOCK[:16] + size + body + trailer


def bgzip(
    text: bytes, *, block_bytes: int = 65280, level: int = 1, is_complete: bool = True
) -> bytes:
    """BGZF, `block_bytes` of text in a block; an incomplete file lacks the last, empty block."""
    starts = range(0, len(text), block_bytes)
    blocks = [bgzf_block(text[start : start + block_bytes], level=level) for start in starts]
    return b"".join(blocks) + (EOF_BLOCK if is_complete else b"")


def write_vcf(path: Path, text: bytes, *, block_bytes: int = 65280) -> str:
    """`.vcf` plain, `.vcf.gz` bgzip, `.vcf.gzip` plain gzip; the path as a string."""
    content = {
        ".vcf": lambda: text,
        ".gz": lambda: bgzip(text, block_bytes=block_bytes),
        ".gzip": lambda: gzip.compress(text, 1),
    }[path.suffix]()
    path.write_bytes(content)
    return str(path)
