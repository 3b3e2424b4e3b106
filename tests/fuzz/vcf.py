"""The VCF reader against two readers that share nothing with it: plain Python, and cyvcf2.

Plain Python says of any text behind a header which rows it has, or that it must be refused. cyvcf2
says what the calls are worth. htslib ends the process, or repairs, where a line is not as it likes
it; so it gets the accepted records alone, written anew (`_for_htslib`).
"""

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
from cyvcf2.cyvcf2 import set_htslib_log_level
from hypothesis import strategies as st

from core.errors import UserError
from core.genome_build import canonical_contig
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.vcf import VcfFile, Wanted, open_vcf
from core.genotypes.vcf_calls import MAX_PLOIDY, MISSING
from core.genotypes.vcf_shard import HALF_CALL_CODES
from tests.builders.call_lines import expected_call
from tests.builders.vcf import DS_FORMAT, FORMATS, GRCH37_CONTIGS, Record, sample_names, vcf_text
from tests.builders.vcf_rows import Row, cyvcf2_rows, read_rows, records
from tests.fuzz.mutations import mutated
from tests.fuzz.stored import stored, write_damaged
from tests.fuzz.target import Target

set_htslib_log_level(0)

WHOLE = 1 << 40

HTSLIB_DIFFERS = {
    "header": "htslib refuses or repairs lines that no dosage depends on; it gets a good one",
    "CHROM, POS, REF, ALT": "texts of any letters here, where htslib wants a contig without spaces"
    " and ends every text at a NUL; it gets contig 1, a number, and as many alleles of A",
    "ID, QUAL, FILTER, INFO": "no dosage depends on them, htslib parses them; each is '.'",
    "FORMAT": "only GT is read here, the first one; htslib refuses odd keys, numbers that are none,"
    " and a line that ends in an empty value; other keys are numbered, and their values are x",
    "values behind the last key": "are not read here, htslib refuses them; they are left out",
    "a first phasing (|0|1, VCF 4.4)": "is refused by the htslib of cyvcf2; it is left out",
    "a GT that every sample leaves out": "is missing here, and ends the process of cyvcf2; the"
    " first sample's is written ./.",
}
"""Where the two differ, why neither is wrong, and what htslib gets instead."""


def check(content: bytes, folder: Path) -> None:
    """Raises AssertionError for rows that are wrong, or depend on how the file is cut or stored,
    for a file that should have been refused, and for one that should not; any exception but a
    UserError is the reader's own."""
    rng = random.Random(crc32(content))
    path = folder / "f.vcf"
    path.write_bytes(content)
    try:
        file = open_vcf(str(path))
    except UserError:
        return
    half_call = rng.choice([*HalfCall, HalfCall.MISSING, HalfCall.MISSING])
    expected = _rows_of_text(content, file, half_call)
    calls = partial(_rows_or_none, field=GenotypeField.GT, half_call=half_call)
    assert calls(path, WHOLE) == expected
    _check_cuts(content, calls, expected, folder, rng)
    if expected is not None:
        _check_wanted(path, expected, file, half_call, rng)
        if half_call is HalfCall.MISSING:
            _check_against_cyvcf2(content, expected, file, folder)
    _read_other_fields(path, rng)


def _rows_or_none(path: Path, shard_bytes: int, **options: object) -> list[Row] | None:
    """None where the file is refused."""
    try:
        return read_rows(str(path), shard_bytes, **options)
    except UserError:
        return None


def _check_cuts(
    content: bytes, calls: partial, expected: list[Row] | None, folder: Path, rng: random.Random
) -> None:
    """The same rows of every shard and window; of a damaged file perhaps none."""
    path = folder / "stored.vcf"
    compressed = rng.choice([content, stored(content, rng)])
    path.write_bytes(compressed)
    sizes = {
        "window_bytes": rng.randrange(1, 1000),
        "block_bytes": rng.choice([1, rng.randrange(1, 5000)]),
    }
    found = calls(path, rng.randrange(20, 2 * len(compressed) + 20), **sizes)
    assert found == expected
    if compressed is not content:
        damaged = write_damaged(compressed, folder / "damaged.vcf", rng)
        assert calls(damaged, WHOLE, **sizes) in (None, expected)


def _check_wanted(
    path: Path, expected: list[Row], file: VcfFile, half_call: HalfCall, rng: random.Random
) -> None:
    """Some of the positions are the rows that stand there."""
    sites = sorted({(row.contig, row.position) for row in expected})
    some = rng.sample(sites, rng.randrange(len(sites) + 1))
    positions = {contig: np.array(sorted(p for c, p in some if c == contig)) for contig, _ in some}
    options = {"field": GenotypeField.GT, "half_call": half_call}
    rows = read_rows(str(path), WHOLE, wanted=Wanted(positions=positions), **options)
    assert rows == [row for row in expected if (row.contig, row.position) in some]
    if file.is_gvcf:
        blocks = Wanted(positions=positions, min_reference_gq=rng.choice([0.0, 20.0]))
        _rows_or_none(path, WHOLE, wanted=blocks, **options)


def _read_other_fields(path: Path, rng: random.Random) -> None:
    """Imputed dosages: read, whatever they are, or refused, however the file is cut."""
    for field in (GenotypeField.DS, rng.choice([GenotypeField.HDS, GenotypeField.GP])):
        whole = _rows_or_none(path, WHOLE, field=field)
        parts = _rows_or_none(
            path, rng.randrange(20, 4000), field=field, window_bytes=rng.randrange(1, 1000)
        )
        assert parts == whole


# Plain Python


def _rows_of_text(content: bytes, file: VcfFile, half_call: HalfCall) -> list[Row] | None:
    """What the lines behind the header say; None where one of them must be refused."""
    rows: list[Row] = []
    for line in _record_lines(content, file):
        found = _rows_of_line(line.split(b"\t"), file, half_call)
        if found is None:
            return None
        rows += found
    return rows


def _record_lines(content: bytes, file: VcfFile) -> Iterator[bytes]:
    for line in content.split(b"\n")[file.header.n_lines :]:
        if record := line.removesuffix(b"\r"):
            yield record


def _rows_of_line(columns: list[bytes], file: VcfFile, half_call: HalfCall) -> list[Row] | None:
    if len(columns) != 9 + len(file.samples):
        return None
    chrom, pos, name, ref, alt = columns[:5]
    alleles = alt.split(b",")
    is_number = re.fullmatch(rb"[0-9]{1,18}", pos) and int(pos) < 2**31
    if not is_number or chrom.startswith(b"#") or b"" in (chrom, name, ref, *alleles):
        return None
    n_alts = 0 if alt == b"." else len(alleles)
    calls = [_call(cell, columns[8], n_alts, half_call) for cell in columns[9:]]
    try:
        contig, *texts = [text.decode() for text in (chrom, name, *map(_folded, (ref, *alleles)))]
    except UnicodeDecodeError:
        return None
    if None in calls:
        return None
    canonical = canonical_contig(contig, file.header.contigs.get(contig))
    known = [call for call in calls if call is not None]
    return [
        Row(
            *(canonical, int(pos), texts[0], texts[1], allele, len(alleles)),
            tuple(copies[i] for copies, _ in known),
            tuple(ploidy for _, ploidy in known),
        )
        for i, allele in enumerate(texts[2:])
    ]


def _call(
    cell: bytes, keys: bytes, n_alts: int, half_call: HalfCall
) -> tuple[list[int | None], int] | None:
    """(copies of each ALT, ploidy); None for what is no call."""
    text = _gt(cell, keys)
    if text is None:
        return [None] * max(1, n_alts), 2
    call = expected_call(text.decode("latin-1"), n_alts, HALF_CALL_CODES[half_call])
    if isinstance(call, int) or call[1] > MAX_PLOIDY:
        return None
    copies, ploidy = call
    return [None if n == MISSING else n for n in copies], ploidy


def _gt(cell: bytes, keys: bytes) -> bytes | None:
    """The text of a sample's GT; None where it is left out."""
    names, values = keys.split(b":"), cell.split(b":")
    at = names.index(b"GT") if b"GT" in names else len(values)
    return values[at] if at < len(values) else None


def _folded(allele: bytes) -> bytes:
    """Bases as capitals; what names something, as it is."""
    return allele if re.search(rb"[<\[\]]", allele) else allele.upper()


# cyvcf2


def _check_against_cyvcf2(content: bytes, expected: list[Row], file: VcfFile, folder: Path) -> None:
    lines = list(_record_lines(content, file))
    if not lines:
        return
    path = folder / "for_htslib.vcf"
    written = [_for_htslib(line.split(b"\t"), i) for i, line in enumerate(lines, start=1)]
    path.write_bytes(vcf_text(written, samples=sample_names(len(file.samples)), meta=_META))
    theirs = [row.dosages for row in cyvcf2_rows(str(path))]
    assert [row.dosages for row in expected] == theirs


_META = ("##contig=<ID=1>", FORMATS[0])


def _for_htslib(columns: list[bytes], number: int) -> Record:
    """A record that was accepted, as HTSLIB_DIFFERS has it: its GT stands where it stood."""
    names = columns[8].split(b":")
    at = names.index(b"GT") if b"GT" in names else -1
    keys = ["GT" if i == at else f"K{i}" for i in range(len(names))]
    cells = [_cell_for_htslib(cell.split(b":"), len(names), at) for cell in columns[9:]]
    if all(len(cell) <= at for cell in cells):
        cells[0] = ["x"] * at + ["./."]
    alts = ["A" * (i + 2) for i in range(len(columns[4].split(b",")))]
    return Record(
        "1",
        number,
        [":".join(cell) for cell in cells],
        alt="." if columns[4] == b"." else ",".join(alts),
        format=":".join(keys),
    )


def _cell_for_htslib(values: list[bytes], n_keys: int, at: int) -> list[str]:
    cell = ["x" for _ in values[:n_keys]]
    if 0 <= at < len(values):
        cell[at] = values[at].decode().lstrip("/|")
    return cell


# What the fuzzers begin with

WORDS = (
    *b"0/0 0|1 1/1 ./. .|. . 1 ./1 0/1/2 2|10 |0|1 0/".split(),
    *b"GT GT:DP DP:GT GT:GT GT:DS DS HDS GP GT:HDS:GP:DS".split(),
    *b"0.5 0,1 1e-5 nan 0.1,0.8,0.1 2147483647 2147483648 0 -1".split(),
    *b"A g,T <DEL> <NON_REF> * A,,C G]17:198982] END=90 rs1;rs2".split(),
    *b"1 chr1 22 chrM #CHROM ##contig=<ID=1,length=249250621>".split(),
    *(b"", b"\xff", b"\x00"),
)

_META_LINES = (
    *("##contig=<ID=chr1>", *GRCH37_CONTIGS, *FORMATS, DS_FORMAT),
    *('##FORMAT=<ID=HDS,Number=.,Type=Float,Description="">', "##ALT=<ID=NON_REF>"),
    '##FORMAT=<ID=GP,Number=G,Type=Float,Description="Of genotypes, \\"probabilities\\"">',
)


def _text(found: list[Record], line_end: str = "\n") -> bytes:
    samples = sample_names(len(found[0].calls) if found else 1)
    return vcf_text(found, samples=samples, meta=_META_LINES, line_end=line_end)


@st.composite
def _files(draw: st.DrawFn) -> bytes:
    """Few samples, which have every kind of call, or the same columns of calls many times."""
    n_times = draw(st.sampled_from([1, 1, 1, 7, 30]))
    found = draw(records(n_samples=draw(st.integers(1, 4)), max_records=8))
    wide = [replace(record, calls=[*record.calls] * n_times) for record in found]
    return _text(wide, draw(st.sampled_from(["\n", "\r\n"])))


_IMPUTED = ("0|1:0.9,0.1:0,1,0:1", "1|1:1,.:.:1.5", ".|.:.", "0:0.5:0.5,0.5:0.5")
_SEEDS = (
    [Record("1", i // 2, ["0/1", ".", "1|2", "0"], alt="G,<DEL>", id=f"rs{i}") for i in range(6)],
    [Record("chr1", i, ["0|1", "1|1", "./."] * 20) for i in range(3)],
    [Record("22", 9, ["0/1:7", "1/1:.", "./1"], format="GT:DP", ref="acg")],
    [Record("X", i, [*_IMPUTED, *_IMPUTED[:2] * 9], format="GT:HDS:GP:DS") for i in (5, 5, 3)],
    [Record("1", 5, ["0/0:30"], alt="<NON_REF>", format="GT:GQ"), Record("1", 90, ["0/1"])],
)

VCF_READER = Target(
    name="vcf",
    check=check,
    mutated=partial(mutated, separators=b"\t\t\t\t:,/|", words=WORDS),
    files=_files(),
    seeds=tuple(map(_text, _SEEDS)),
    real="conformance/vcf/*/*/*.vcf",
)
