"""TBI and CSI indexes, written the way the specifications describe them, one record at a time."""

import bisect
import struct
from collections import defaultdict
from pathlib import Path

from tests.builders.block_directory import PlainFile, plain_file
from tests.builders.vcf import bgzip


def smallest_bin(start: int, end: int, min_shift: int, depth: int) -> int:
    """`reg2bin` of CSIv1; 0-based, half-open."""
    shift, first = min_shift, ((1 << (depth * 3)) - 1) // 7
    for level in range(depth, 0, -1):
        if start >> shift == (end - 1) >> shift:
            return first + (start >> shift)
        shift += 3
        first -= 1 << ((level - 1) * 3)
    return 0


def virtual_offset(file: PlainFile, text_offset: int) -> int:
    """Of a byte of the text; at the end of a block it is the next block's first byte."""
    at = bisect.bisect_right([start for _, start in file.blocks], text_offset) - 1
    offset, start = file.blocks[at]
    return offset << 16 | (text_offset - start)


def write_index(
    path: Path, *, kind: str = "tbi", min_shift: int = 14, depth: int = 5, counts: bool = True
) -> Path:
    """Beside the sorted VCF at `path`. A record is as long as its REF."""
    file = plain_file(path)
    by_contig = defaultdict(list)
    for line in file.lines:
        span = (virtual_offset(file, line.start), virtual_offset(file, line.end))
        start = line.position - 1
        by_contig[line.written_contig].append((start, start + line.ref_length, *span))
    names = b"".join(name.encode() + b"\0" for name in by_contig)
    description = struct.pack("<7i", 2, 1, 2, 0, ord("#"), 0, len(names)) + names
    if kind == "tbi":
        out = b"TBI\1" + struct.pack("<i", len(by_contig)) + description
    else:
        out = b"CSI\1" + struct.pack("<3i", min_shift, depth, len(description)) + description
        out += struct.pack("<i", len(by_contig))
    for records in by_contig.values():
        out += _contig(records, kind, min_shift, depth, counts=counts)
    target = path.with_name(f"{path.name}.{kind}")
    target.write_bytes(bgzip(out))
    return target


def _contig(
    records: list[tuple[int, int, int, int]], kind: str, min_shift: int, depth: int, *, counts: bool
) -> bytes:
    chunks = defaultdict(list)
    previous = None
    for start, end, begin, stop in records:
        number = smallest_bin(start, end, min_shift, depth)
        if number == previous:
            begin = chunks[number].pop()[0]
        chunks[number].append((begin, stop))
        previous = number
    n_bins = ((1 << (3 * (depth + 1))) - 1) // 7
    if counts:
        chunks[n_bins + 1] = [(records[0][2], records[-1][3]), (len(records), 0)]
    out = struct.pack("<i", len(chunks))
    for number, spans in chunks.items():
        out += struct.pack("<I", number)
        out += struct.pack("<Q", spans[0][0]) if kind == "csi" else b""
        out += struct.pack("<i", len(spans))
        out += b"".join(struct.pack("<2Q", *span) for span in spans)
    if kind == "csi":
        return out
    windows = [records[0][2]] * (((records[-1][1] - 1) >> min_shift) + 1)
    return out + struct.pack("<i", len(windows)) + struct.pack(f"<{len(windows)}Q", *windows)
