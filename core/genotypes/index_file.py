"""The tabix or CSI index that stands beside a VCF, if it can be trusted.

An index of another file would hide records without a sign of it. It is used only where it is not
older than the file, ends where the file's records end, and says what is true of records all over
the file. Anything else is reported in the log, and the file is read from end to end.
"""

import logging
from contextlib import suppress

import numpy as np

from core.errors import GenotypeFileError
from core.genome_build import canonical_contig
from core.genotypes.bgzf import MAX_BLOCK_BYTES, read_blocks
from core.genotypes.block_directory import KEY_SHIFT
from core.genotypes.tabix import BLOCK_SHIFT, TabixIndex, parse_index
from core.genotypes.text import detect_compression, read_text
from core.storage.byte_ranges import ByteRanges, S3Access, StoredObject, open_byte_ranges

logger = logging.getLogger(__name__)

SUFFIXES = (".csi", ".tbi")
MAX_INDEX_BYTES = 1 << 30
"""Inflated; that of a whole genome has a few MiB."""

_CHECKED_RECORDS = 8
_OFFSET_MASK = (1 << BLOCK_SHIFT) - 1


def load_index(uri: str, *, s3: S3Access | None = None) -> TabixIndex | None:
    """Of the BGZF VCF `uri`; None where there is none to trust.

    Raises InfrastructureError where the object store does not answer.
    """
    file = open_byte_ranges(uri, s3=s3)
    for suffix in SUFFIXES:
        with suppress(GenotypeFileError):
            beside = open_byte_ranges(f"{uri}{suffix}", s3=s3)
            return _load(file, beside)
    return None


def _load(file: StoredObject, beside: StoredObject) -> TabixIndex | None:
    try:
        if beside.modified_at < file.modified_at:
            raise ValueError(
                "it is older than the file; make it anew (tabix -f, bcftools index -f)"
            )
        index = parse_index(_inflated(beside))
        _check(index, file)
    except (ValueError, GenotypeFileError) as error:
        logger.warning("the index %s is not used: %s", beside.uri, error)
        return None
    return index


def _inflated(beside: ByteRanges) -> bytes:
    compression = detect_compression(beside.read(0, MAX_BLOCK_BYTES))
    pieces: list[bytes] = []
    n_bytes = 0
    for piece in read_text(beside, compression, 0, beside.size_bytes):
        pieces.append(piece.text)
        n_bytes += len(piece.text)
        if n_bytes > MAX_INDEX_BYTES:
            raise ValueError(f"it is longer than {MAX_INDEX_BYTES >> 20} MiB")
    return b"".join(pieces)


def _check(index: TabixIndex, file: ByteRanges) -> None:
    """Raises ValueError where the index is not that of the file."""
    if index.end and not _is_end(file, index.end):
        raise ValueError("it does not end where the file ends")
    n_facts = len(index.starts)
    for fact in np.unique(np.linspace(0, n_facts - 1, min(n_facts, _CHECKED_RECORDS)).astype(int)):
        low, high = int(index.low_keys[fact]), int(index.high_keys[fact])
        start = int(index.starts[fact])
        if not low <= _key_at(index, file, start) <= high:
            block = start >> BLOCK_SHIFT
            raise ValueError(f"it is wrong about the record in the block at byte {block}")


def _is_end(file: ByteRanges, end: int) -> bool:
    """Whether no text follows on a virtual offset."""
    block, offset = end >> BLOCK_SHIFT, end & _OFFSET_MASK
    if not file.size_bytes - 2 * MAX_BLOCK_BYTES <= block < file.size_bytes:
        return False
    rest = read_blocks(file, block, block, chunk_bytes=0, tail_bytes=MAX_BLOCK_BYTES)
    return sum(len(piece.text) for piece in rest) == offset


def _key_at(index: TabixIndex, file: ByteRanges, start: int) -> int:
    """The key of the record at a virtual offset; -1 where none starts there."""
    block, offset = start >> BLOCK_SHIFT, start & _OFFSET_MASK
    text, columns = b"", [b""]
    for piece in read_blocks(file, block, block, chunk_bytes=0, tail_bytes=MAX_BLOCK_BYTES):
        text += piece.text
        columns = text[offset:].split(b"\t", 2)
        if len(columns) == 3 or len(text) > offset + MAX_BLOCK_BYTES:
            break
    is_line = offset == 0 or text[offset - 1 : offset] == b"\n"
    if not is_line or len(columns) < 3 or not columns[1].isdigit():
        return -1
    contig = canonical_contig(columns[0].decode("utf-8", "replace"))
    if contig not in index.contigs:
        return -1
    return index.contigs.index(contig) << KEY_SHIFT | int(columns[1])
