"""Small BGENs (v1.2 and 1.3, layout 2), written here bit by bit, without a library.

A genotype is given as whole numbers, each the probability times 2**bits - 1, in the order of the
specification; the last one of each distribution is what the others leave, and is not stored.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

NONE, ZLIB, ZSTD = 0, 1, 2


@dataclass(frozen=True)
class BgenVariant:
    """`stored` (samples,): the numbers that are stored of each sample, of a missing one zeros;
    `ploidies` (samples,) and `missing` (samples,) beside them."""

    contig: str
    position: int
    alleles: Sequence[str]
    stored: Sequence[Sequence[int]]
    ploidies: Sequence[int]
    missing: Sequence[bool]
    rsid: str = "rs1"
    varid: str = ""
    bits: int = 8
    is_phased: bool = False
    extra: bytes = field(default=b"")

    def data(self) -> bytes:
        """The genotype data block, uncompressed."""
        n_samples = len(self.ploidies)
        fixed = struct.pack("<IH", n_samples, len(self.alleles))
        ploidies = [p | (128 if m else 0) for p, m in zip(self.ploidies, self.missing, strict=True)]
        fixed += bytes([min(self.ploidies), max(self.ploidies), *ploidies])
        fixed += bytes([self.is_phased, self.bits])
        value = at = 0
        for numbers in self.stored:
            for number in numbers:
                value |= number << at
                at += self.bits
        return fixed + value.to_bytes(-(-at // 8), "little") + self.extra


def bgen_bytes(
    variants: Sequence[BgenVariant],
    *,
    samples: Sequence[str] | None = None,
    n_samples: int | None = None,
    compression: int = ZLIB,
) -> bytes:
    """`samples`: names that are in the file; None for none."""
    count = len(samples) if samples is not None else n_samples
    flags = compression | 2 << 2 | (1 << 31 if samples is not None else 0)
    header = struct.pack("<III4sI", 20, len(variants), count, b"bgen", flags)
    names = b""
    if samples is not None:
        names = b"".join(_short(name) for name in samples)
        names = struct.pack("<II", 8 + len(names), len(samples)) + names
    body = b"".join(_variant(variant, compression) for variant in variants)
    return struct.pack("<I", len(header) + len(names)) + header + names + body


def write_bgen(path: Path, variants: Sequence[BgenVariant], **options: object) -> str:
    path.write_bytes(bgen_bytes(variants, **options))  # type: ignore[arg-type]
    return str(path)


def write_sample_file(path: Path, names: Sequence[str]) -> None:
    """As plink2 and qctool write it: two lines of header."""
    lines = [f"{name} {name} 0 NA\n" for name in names]
    path.write_text("ID_1 ID_2 missing sex\n0 0 0 D\n" + "".join(lines))


def _variant(variant: BgenVariant, compression: int) -> bytes:
    content = _short(variant.varid) + _short(variant.rsid) + _short(variant.contig)
    content += struct.pack("<IH", variant.position, len(variant.alleles))
    content += b"".join(
        struct.pack("<I", len(allele)) + allele.encode() for allele in variant.alleles
    )
    data = variant.data()
    if compression == NONE:
        return content + struct.pack("<I", len(data)) + data
    packed = zlib.compress(data) if compression == ZLIB else pa.compress(data, "zstd", asbytes=True)
    return content + struct.pack("<II", len(packed) + 4, len(data)) + packed


def _short(text: str) -> bytes:
    return struct.pack("<H", len(text.encode())) + text.encode()
