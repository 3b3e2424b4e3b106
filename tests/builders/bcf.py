"""BCFs, written by htslib (through cyvcf2) from VCFs, and their rows as the VCF reader has them."""

import gzip
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from cyvcf2 import VCF, Writer

from core.genotypes.block import MISSING_CALL, SITE_SCHEMA, DosageBlock
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.formats import open_cohort
from core.genotypes.source import plan_shards
from tests.builders.vcf import bgzip

WHOLE = 1 << 40

_TEXT, _INT32 = 7, 3


def write_bcf(vcf: Path, path: Path) -> str:
    """The records of a VCF; the path of the BCF, in BGZF."""
    source = VCF(str(vcf))
    writer = Writer(str(path), source, mode="wb")
    for record in source:
        writer.write_record(record)
    writer.close()
    source.close()
    return str(path)


def packed_bcf(header: bytes, records: Sequence[bytes]) -> bytes:
    """A plain BCF with the header of a VCF, which htslib had no part in."""
    return b"BCF\x02\x02" + struct.pack("<I", len(header) + 1) + header + b"\0" + b"".join(records)


def packed_record(
    contig: int,
    position: int,
    alleles: Sequence[str],
    formats: Sequence[tuple[int, bytes]],
    n_samples: int = 1,
) -> bytes:
    """A record; `formats` are keys' numbers, and a descriptor with the values of every sample."""
    counts = struct.pack("<HH", 0, len(alleles)) + struct.pack("<I", n_samples | len(formats) << 24)
    shared = struct.pack("<3i", contig, position - 1, len(alleles[0])) + bytes(4) + counts
    shared += b"\x07" + b"".join(map(_packed_text, alleles)) + b"\0"
    individual = b"".join(bytes([0x11, key]) + values for key, values in formats)
    return struct.pack("<II", len(shared), len(individual)) + shared + individual


def _packed_text(text: str) -> bytes:
    if len(text) < 15:
        return bytes([len(text) << 4 | _TEXT]) + text.encode()
    length = bytes([1 << 4 | _INT32]) + struct.pack("<i", len(text))
    return bytes([15 << 4 | _TEXT]) + length + text.encode()


def plain_bcf(bcf: Path, path: Path) -> str:
    """The same without compression."""
    path.write_bytes(gzip.decompress(bcf.read_bytes()))
    return str(path)


def blocked_bcf(bcf: Path, path: Path, block_bytes: int) -> str:
    """The same in BGZF blocks of another size."""
    path.write_bytes(bgzip(gzip.decompress(bcf.read_bytes()), block_bytes=block_bytes))
    return str(path)


def gzipped_bcf(bcf: Path, path: Path) -> str:
    """The same in plain gzip."""
    content = gzip.decompress(bcf.read_bytes())
    packer = zlib.compressobj(wbits=31)
    path.write_bytes(packer.compress(content) + packer.flush())
    return str(path)


def blocks_of(
    uri: str,
    shard_bytes: int = WHOLE,
    *,
    field: GenotypeField = GenotypeField.AUTO,
    half_call: HalfCall = HalfCall.MISSING,
    **options: Any,
) -> list[DosageBlock]:
    """Of all shards, in order."""
    arguments = {"wanted": None, "s3": None, "field": field, "half_call": half_call} | options
    shards = plan_shards(open_cohort([uri]), shard_bytes)
    return [block for shard in shards for block in shard.reader(**arguments)]


def rows_of(blocks: Sequence[DosageBlock]) -> list[tuple[object, ...]]:
    """Site, dosages and ploidies of every row, as bytes where that says it exactly."""
    rows: list[tuple[object, ...]] = []
    for block in blocks:
        ploidy = np.full(block.dosage.shape, 2) if block.ploidy is None else block.ploidy
        columns = [block.column(name).to_pylist() for name in SITE_SCHEMA.names if name != "record"]
        for row, site in enumerate(zip(*columns, strict=True)):
            rows.append((*site, known(block.dosage[row]), ploidy[row].tolist()))
    return rows


def known(dosages: np.ndarray) -> list[float | None]:
    """None for what is missing."""
    missing = dosages == MISSING_CALL if dosages.dtype == np.uint8 else np.isnan(dosages)
    return [None if gone else float(value) for value, gone in zip(dosages, missing, strict=True)]
