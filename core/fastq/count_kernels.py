"""Kernels that count over the reads in a window of text: bytes in, counts out, 64 bases at a time.

Bases by cycle are added up in single bytes, 64 cycles to a vector, and carried over to the counts
every 255 reads. Qualities are added one by one: each falls into a row of its cycle.
"""

from typing import Any

import numpy as np

from core.fastq.adapters import Masks, find_adapter
from core.fastq.counts import N_CYCLES, Bytes, Ints, Tally
from core.fastq.duplication import CAPACITY, add_hash, hash_bytes
from core.fastq.record_kernels import INCOMPLETE, OK, States, find_record
from core.fastq.titles import TITLE_FACTOR, title_hash
from core.genotypes.simd import (
    LANES,
    add_mask,
    bit_count,
    inlined_kernel,
    inner_kernel,
    kernel,
    letter_mask,
    trailing_zeros,
    word_at,
)

DONE = 5
NEED_TEXT = 3
NEED_ROOM = 4
BAD_BASE = -5
BAD_QUALITY = -6

_A, _C, _G, _T, _U, _N = 65, 67, 71, 84, 85, 78
_ROW_N = 4
_LENGTH_BITS = 11
_STEP_BITS = 6
_MOST_RECENT = 255

# Eight bytes at once
_LOWEST = 0x2121212121212121
_HIGHEST = 0x7E7E7E7E7E7E7E7E
_EVEN_BYTES = 0x00FF00FF00FF00FF
_HIGH_BITS = -0x7F7F7F7F7F7F7F80


@kernel
def count_records(text: Bytes, states: States, tally: Tally) -> int:
    """Counts the records of the window that start at or before `stop`: DONE, NEED_TEXT where the
    next one is not whole, NEED_ROOM in the table of sequences, or what is wrong with it."""
    s, totals = states[0], tally.totals[0]
    status = OK
    while status == OK:
        if s.at > s.stop:
            status = DONE
        elif tally.n_kept[0] > CAPACITY:
            status = NEED_ROOM
        else:
            status = find_record(text, s)
            if status == INCOMPLETE:
                status = NEED_TEXT
            elif status == OK:
                status = _count_read(text, s, totals, tally)
    _carry_over(tally)
    return status


@inlined_kernel
def _count_read(text: Bytes, s: Any, totals: Any, tally: Tally) -> int:
    status = _count_qualities(text, s, tally)
    if status != OK:
        return status
    status = _count_bases(text, s, tally)
    if status != OK:
        return status
    n_searched = min(s.n_bases, N_CYCLES)
    for adapter in range(tally.adapters.shape[0]):
        cycle = find_adapter(text, s.sequence, n_searched, tally.letters, tally.searched, adapter)
        if cycle >= 0:
            tally.adapters[adapter, cycle] += 1
    sequence = hash_bytes(text, s.sequence, s.n_bases)
    if sequence & ((1 << totals.level) - 1) == 0:
        tally.n_kept[0] += add_hash(tally.keys, tally.times, sequence, 1)
    totals.titles = totals.titles * TITLE_FACTOR + title_hash(text, s.title, s.title_end)
    totals.shortest = min(totals.shortest, s.n_bases)
    totals.longest = max(totals.longest, s.n_bases)
    tally.lengths[_length_class(s.n_bases)] += 1
    s.at = s.next
    s.n_lines += s.n_record_lines
    s.n_reads += 1
    return OK


@inlined_kernel
def _count_qualities(text: Bytes, s: Any, tally: Tally) -> int:
    """Printable ASCII but the space, as every encoding has it."""
    n_bases, quality = s.n_bases, s.quality
    total = 0
    for i in range(0, n_bases, N_CYCLES):
        some = _sum_of_codes(text, quality + i, min(n_bases - i, N_CYCLES))
        if some < 0:
            s.wrong_line = s.quality_line
            return BAD_QUALITY
        total += some
    qualities = tally.qualities
    for i in range(min(n_bases, N_CYCLES)):  # indexes that are surely not negative cost no check
        qualities[np.uint64(i), np.uint64(text[quality + i])] += 1
    for i in range(N_CYCLES, n_bases):
        qualities[N_CYCLES, text[quality + i]] += 1
    if n_bases > 0:
        tally.mean_qualities[total // n_bases] += 1
    return OK


@inner_kernel
def _sum_of_codes(text: Bytes, start: int, n_bytes: int) -> int:
    """Of up to 1,024 bytes, eight at a time; -1 where one is not from ! to ~."""
    sums, outside = 0, 0
    for i in range(0, n_bytes, 8):
        word = word_at(text, start + i)
        left = n_bytes - i
        if left < 8:
            inside = (1 << (8 * left)) - 1
            word = (word & inside) | (_LOWEST & ~inside)
        # A byte that is too low, too high or no ASCII sets its highest bit in one of the three.
        outside |= (word - _LOWEST) | (_HIGHEST - word) | word
        sums += (word & _EVEN_BYTES) + ((word >> 8) & _EVEN_BYTES)
    if outside & _HIGH_BITS != 0:
        return -1
    total = (sums & 0xFFFF) + ((sums >> 16) & 0xFFFF)
    total += ((sums >> 32) & 0xFFFF) + ((sums >> 48) & 0xFFFF)
    return total - ((-n_bytes) & 7) * 33


@inlined_kernel
def _count_bases(text: Bytes, s: Any, tally: Tally) -> int:
    recent, bases, letters = tally.recent, tally.bases, tally.letters
    n_gc = 0
    for i in range(0, s.n_bases, LANES):
        at = s.sequence + i
        left = s.n_bases - i
        lanes = -1 if left >= LANES else (1 << left) - 1
        a = letter_mask(text, at, _A) & lanes
        c = letter_mask(text, at, _C) & lanes
        g = letter_mask(text, at, _G) & lanes
        t = letter_mask(text, at, _T) & lanes
        others = lanes & ~(a | c | g | t)
        if others != 0:
            u = letter_mask(text, at, _U) & lanes
            t |= u
            others &= ~u
            if not _are_codes(text, at, others & ~letter_mask(text, at, _N)):
                s.wrong_line = 1
                return BAD_BASE
            _add_bases(recent, bases, _ROW_N, i, others)
        if i < N_CYCLES:
            _keep_letters(letters, i // LANES, a, c, g, t)
        _add_bases(recent, bases, 0, i, a)
        _add_bases(recent, bases, 1, i, c)
        _add_bases(recent, bases, 2, i, g)
        _add_bases(recent, bases, 3, i, t)
        n_gc += bit_count(c) + bit_count(g)
    if s.n_bases > 0:
        tally.gc_percents[(200 * n_gc + s.n_bases) // (2 * s.n_bases)] += 1
    tally.n_recent[0] += 1
    tally.n_recent[1] = max(tally.n_recent[1], min(s.n_bases, N_CYCLES))
    if tally.n_recent[0] == _MOST_RECENT:
        _carry_over(tally)
    return OK


@inlined_kernel
def _keep_letters(letters: Masks, word: int, a: int, c: int, g: int, t: int) -> None:
    """For the adapters; what a longer read left behind the last word is gone."""
    letters[0, word], letters[0, word + 1] = np.uint64(a), np.uint64(0)
    letters[1, word], letters[1, word + 1] = np.uint64(c), np.uint64(0)
    letters[2, word], letters[2, word + 1] = np.uint64(g), np.uint64(0)
    letters[3, word], letters[3, word + 1] = np.uint64(t), np.uint64(0)


@inlined_kernel
def _add_bases(recent: Bytes, bases: Ints, row: int, cycle: int, mask: int) -> None:
    """Cycles from `cycle`, a multiple of 64, on."""
    if cycle < N_CYCLES:
        add_mask(recent, row * N_CYCLES + cycle, mask)
    else:
        bases[row, N_CYCLES] += bit_count(mask)


@inner_kernel
def _are_codes(text: Bytes, at: int, mask: int) -> bool:
    """Letters (IUPAC's codes, X, and what other sequencers make of them), gaps and stops."""
    while mask != 0:
        byte = text[at + trailing_zeros(mask)]
        mask &= mask - 1
        letter = byte & 0xDF
        if not (65 <= letter <= 90 or byte == 42 or byte == 45 or byte == 46):  # * - .
            return False
    return True


@inner_kernel
def _carry_over(tally: Tally) -> None:
    """Adds the recent reads' bases to the others."""
    for row in range(tally.bases.shape[0]):
        for cycle in range(tally.n_recent[1]):
            tally.bases[row, cycle] += tally.recent[row * N_CYCLES + cycle]
            tally.recent[row * N_CYCLES + cycle] = 0
    tally.n_recent[0] = 0
    tally.n_recent[1] = 0


@inner_kernel
def _length_class(length: int) -> int:
    """counts.length_class."""
    if length < N_CYCLES:
        return length
    bits = _LENGTH_BITS
    while length >> bits != 0:
        bits += 1
    step = (length >> (bits - 1 - _STEP_BITS)) & ((1 << _STEP_BITS) - 1)
    return N_CYCLES + ((bits - _LENGTH_BITS) << _STEP_BITS) + step
