"""Genotype arrays as direct-to-consumer companies write them: one person, one line a marker.

    23andMe                 # rsid  chromosome  position  genotype        AG  A  --  II
    AncestryDNA             rsid  chromosome  position  allele1  allele2  A G  0 0
    MyHeritage, FTDNA       RSID,CHROMOSOME,POSITION,RESULT               "AG"  "--"

Alleles are those of the forward strand, and none of them is REF: the file does not know it. So the
rows of a block are the person's own alleles. Two of them, AG, are a record of ref A and alt G with
one copy of alt; one alone, AA or A, is a record of ref A without ALT, "people have this allele"; a
no-call has ref "N". Scores come out as from a VCF, as they name their alleles themselves.

Insertions and deletions (I, D) say no alleles and are skipped, as are markers without a place. On Y
and MT, of which nobody has two, doubled letters are one copy; X is read as it is written, so a man
whose X is written with two letters needs `--policy ploidy=by_contig` and his sex. Markers that
contradict each other at one place are a no-call.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from core.build_evidence import BuildEvidence, BuildSource, quoted
from core.errors import GenotypeFileError, Where
from core.genome_build import GenomeBuild, plink_contig
from core.genotypes import bgzf
from core.genotypes.block import MISSING_CALL, DosageBlock, numbers, texts
from core.genotypes.block_directory import BlockDirectory
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.text import detect_compression, read_text
from core.genotypes.vcf_wanted import Wanted
from core.storage.byte_ranges import S3Access, open_byte_ranges

MAX_TEXT_BYTES = 64 << 20
"""Three times the text of the largest arrays; tables of it take twelve times the memory."""

_MAX_HEADER_LINES = 1000
_MAX_LINE_BYTES = 64 << 10  # of the header, and of the first row
_MAX_COLUMNS = 64
_MAX_WORDS = 4096
"""Of different genotypes, and of different chromosomes; an array has some dozens of either."""

_BLOCK_ROWS = 1 << 16
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("rsid", "snp", "snpid", "id"),
    "contig": ("chromosome", "chr", "chrom"),
    "position": ("position", "pos", "basepair"),
    "first": ("genotype", "result", "allele1"),
    "second": ("allele2",),
}
_BUILD = re.compile(r"(?i)\bbuild\s*([0-9]{2})|\b(grch3[678]|hg1[89]|hg38)\b")
_NUMBERED_BUILDS = {"36": "NCBI36", "37": "GRCh37", "38": "GRCh38"}
_ONE_COPY = ("Y", "MT")
_INDEL = 0
"""The first allele of a genotype that is skipped."""

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ArrayTextFile:
    """`skipped` counts the lines that give no row, by reason; the sample's name is the file's."""

    uri: str
    size_bytes: int
    samples: tuple[str, ...]
    build_evidence: BuildEvidence | None
    skipped: Mapping[str, int]

    def shards(self, shard_bytes: int, first_index: int) -> tuple["ArrayTextShard", ...]:
        """The file."""
        return (ArrayTextShard(first_index, self),)


@dataclass(frozen=True, slots=True)
class ArrayTextShard:
    index: int
    file: ArrayTextFile

    def reader(
        self,
        *,
        field: GenotypeField,
        half_call: HalfCall,
        wanted: Wanted | None,
        s3: S3Access | None,
    ) -> "ArrayTextReader":
        if field not in (GenotypeField.AUTO, GenotypeField.GT):
            raise GenotypeFileError(
                f"the file has genotypes and no {field}.",
                where=Where(self.file.uri, field=field),
                fix="Read GT (genotype field GT or auto).",
            )
        return ArrayTextReader(self.file, wanted, s3)


@dataclass(slots=True)
class ArrayTextReader:
    """A BlockReader: rows sorted by contig, in the order of the file, and position."""

    file: ArrayTextFile
    wanted: Wanted | None
    s3: S3Access | None
    n_records: int = 0
    contig_records: dict[str, int] = field(default_factory=dict[str, int])
    directory: BlockDirectory | None = None

    def __iter__(self) -> Iterator[DosageBlock]:
        markers = _read(self.file.uri, self.s3).sorted()
        codes, counts = np.unique(markers.contig, return_counts=True)
        for code, count in zip(codes, counts, strict=True):
            self.contig_records[markers.contigs[int(code)]] = int(count)
        self.n_records = len(markers.position)
        if self.wanted is not None:
            markers = markers.take(np.flatnonzero(markers.are_wanted(self.wanted)))
        yield from markers.blocks()


@dataclass(frozen=True, slots=True)
class _Markers:
    """M markers with a place. first, second are their alleles in ASCII, 0 in second for one copy;
    first is "N" for a no-call."""

    contigs: Sequence[str]
    id: pa.Array
    contig: Indices
    position: Indices
    first: Bytes
    second: Bytes

    def take(self, chosen: Indices) -> "_Markers":
        return _Markers(
            self.contigs,
            self.id.take(numbers(chosen)),
            *(getattr(self, name)[chosen] for name in ("contig", "position", "first", "second")),
        )

    def sorted(self) -> "_Markers":
        return self.take(np.lexsort((self.position, self.contig)))

    def are_wanted(self, wanted: Wanted) -> Bools:
        chosen = np.isin(self.contig, self._codes(wanted.whole_contigs))
        if wanted.ids:
            chosen |= np.asarray(pc.is_in(self.id, value_set=pa.array(list(wanted.ids))))
        for name, positions in wanted.positions.items():
            here = self.contig == (self._codes([name]) or [-1])[0]
            chosen[here] |= np.isin(self.position[here], positions)
        place = self._place()
        return np.isin(place, place[chosen])  # the rows of one place stay together

    def _codes(self, names: Sequence[str] | frozenset[str]) -> list[int]:
        return [code for code, name in enumerate(self.contigs) if name in names]

    def _place(self) -> Indices:
        return self.contig << 32 | self.position

    def without_contradictions(self) -> "_Markers":
        """Sorted markers; those of one place whose genotypes differ are no-calls."""
        place = self._place()
        starts = np.flatnonzero(np.append(True, place[1:] != place[:-1])[: len(place)])
        low, high = np.minimum(self.first, self.second), np.maximum(self.first, self.second)
        genotype = low.astype(np.int64) << 8 | high
        if not len(starts):
            return self
        differs = np.minimum.reduceat(genotype, starts) != np.maximum.reduceat(genotype, starts)
        n_rows = np.diff(np.append(starts, len(place)))
        no_call = np.repeat(differs, n_rows)
        second = np.where(no_call & (self.second > 0), ord("N"), self.second).astype(np.uint8)
        first = np.where(no_call, ord("N"), self.first).astype(np.uint8)
        return _Markers(self.contigs, self.id, self.contig, self.position, first, second)

    def blocks(self) -> Iterator[DosageBlock]:
        """The markers of one place never straddle two blocks."""
        markers = self.without_contradictions()
        place, start = markers._place(), 0
        while start < len(place):
            stop = min(start + _BLOCK_ROWS, len(place))
            stop = int(np.searchsorted(place, place[stop - 1], side="right"))
            yield markers.take(np.arange(start, stop))._block()
            start = stop

    def _block(self) -> DosageBlock:
        n_rows = len(self.position)
        is_called, is_het = self.first != ord("N"), self.second != self.first
        is_het &= is_called & (self.second > 0)
        names = texts([name.encode() for name in self.contigs])
        letters = texts([bytes([byte]) for byte in range(128)])
        columns = {
            "record": numbers(np.arange(n_rows, dtype=np.int32)),
            "contig": names.take(numbers(self.contig)),
            "position": numbers(np.ascontiguousarray(self.position)),
            "id": self.id,
            "ref": letters.take(numbers(self.first.astype(np.int64))),
            "alt": letters.take(numbers(np.where(is_het, self.second, ord(".")).astype(np.int64))),
            "n_alts": numbers(np.ones(n_rows, np.int32)),
        }
        dosage = np.where(is_called, is_het, MISSING_CALL).astype(np.uint8)[:, None]
        ploidy = np.where(self.second > 0, 2, 1).astype(np.uint8)[:, None]
        return DosageBlock.build(columns, dosage, None if (ploidy == 2).all() else ploidy)


def open_array_text(uri: str, *, s3: S3Access | None = None) -> ArrayTextFile:
    """Read the file once, whole.

    Raises GenotypeFileError, with the line, for what is no such file; GenomeBuildError for build
    36, which no reader here can place.
    """
    source = open_byte_ranges(uri, s3=s3)
    text = _text(uri, s3)
    comments, _, _ = _layout(text, uri)
    stem = PurePosixPath(uri).name
    for suffix in (".gz", ".txt", ".csv"):
        stem = stem.removesuffix(suffix)
    _, skipped = _parse(text, uri)
    build = _build_evidence(comments)
    return ArrayTextFile(uri, source.size_bytes, (stem or "sample",), build, skipped)


def _read(uri: str, s3: S3Access | None) -> _Markers:
    markers, _ = _parse(_text(uri, s3), uri)
    return markers


def _text(uri: str, s3: S3Access | None) -> bytes:
    source = open_byte_ranges(uri, s3=s3)
    compression = detect_compression(source.read(0, bgzf.MAX_BLOCK_BYTES))
    text = bytearray()
    for piece in read_text(source, compression, 0, source.size_bytes):
        text += piece.text
        if len(text) > MAX_TEXT_BYTES:
            raise GenotypeFileError(
                f"the file has more than {MAX_TEXT_BYTES >> 20} MiB of text, far more than any "
                "array's.",
                where=Where(uri),
                fix="Send the genotypes as VCF.",
            )
    content = bytes(text).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _bad_line(uri, line, "text", "the line is not UTF-8 text.") from error
    return content


def _layout(text: bytes, uri: str) -> tuple[list[str], dict[str, int], int]:
    """(comment lines, which column plays which part, bytes up to the first row)."""
    comments: list[str] = []
    at = 0
    for _ in range(_MAX_HEADER_LINES):
        end = text.find(b"\n", at) + 1 or len(text)
        if end - at > _MAX_LINE_BYTES:
            break
        line = text[at:end].decode("utf-8", "replace").strip()
        names = [name.strip('"# ').lower() for name in re.split("[\t,]", line)]
        found = {
            part: next(names.index(alias) for alias in aliases if alias in names)
            for part, aliases in _COLUMNS.items()
            if not set(aliases).isdisjoint(names)
        }
        if found.keys() >= {"id", "contig", "position", "first"}:
            return comments, found, end
        if end == at or (line and not line.startswith("#")):
            break
        comments.append(line)
        at = end
    raise GenotypeFileError(
        "no line names the columns rsid, chromosome, position and genotype (or alleles).",
        where=Where(uri, len(comments) + 1),
        fix="Send the file as the company wrote it, or the genotypes as VCF.",
    )


def _build_evidence(comments: Sequence[str]) -> BuildEvidence | None:
    """The first comment that names a build."""
    for comment in comments:
        found = _BUILD.search(comment)
        if found is not None:
            build = GenomeBuild.parse(_NUMBERED_BUILDS.get(found[1], found[1]) or found[2])
            if build is None:
                return None
            return BuildEvidence(build, BuildSource.HEADER, quoted(comment))
    return None


def _parse(text: bytes, uri: str) -> tuple[_Markers, dict[str, int]]:
    """(markers in the order of the file, how many lines were skipped and why)."""
    _, parts, start = _layout(text, uri)
    n_before = text.count(b"\n", 0, start)
    table = _table(text[start:], max(parts.values()) + 1, uri, n_before)
    columns = {part: table.column(at).combine_chunks() for part, at in parts.items()}
    genotype = columns["first"]
    if "second" in columns:
        genotype = pc.binary_join_element_wise(genotype, columns["second"], "")
    words = pc.utf8_upper(genotype).dictionary_encode()
    position = _positions(columns["position"], uri, n_before)
    names = columns["contig"].dictionary_encode()
    if len(names.dictionary) > _MAX_WORDS:
        row = int(np.argmax(_codes(names) == _MAX_WORDS))
        what = f"there are more than {_MAX_WORDS} different chromosomes."
        raise _bad_line(uri, n_before + row + 1, "chromosome", what)
    written = [plink_contig(name) for name in names.dictionary.to_pylist()]
    contigs = list(dict.fromkeys(written))
    contig = np.array([contigs.index(name) for name in written], np.int64)[_codes(names)]
    first, second = _alleles(words, uri, n_before)
    has_place = (position > 0) & ~np.isin(contig, [i for i, n in enumerate(contigs) if n == "0"])
    is_indel = first == _INDEL
    once = np.isin(contig, [i for i, name in enumerate(contigs) if name in _ONE_COPY])
    first[once & (second > 0) & (second != first)] = ord("N")
    second[once] = 0
    markers = _Markers(contigs, columns["id"], contig, position, first, second)
    skipped = {
        "insertion or deletion": int((is_indel & has_place).sum()),
        "no place": int((~has_place).sum()),
    }
    return markers.take(np.flatnonzero(has_place & ~is_indel)), skipped


def _codes(words: pa.DictionaryArray) -> Indices:
    return words.indices.to_numpy().astype(np.int64)


def _table(body: bytes, n_columns: int, uri: str, n_before: int) -> pa.Table:
    first = body[: body.find(b"\n") + 1 or len(body)]
    delimiter = "\t" if b"\t" in first else ","
    n_columns = max(n_columns, first.count(delimiter.encode()) + 1)
    if n_columns > _MAX_COLUMNS or len(first) > _MAX_LINE_BYTES:
        raise _bad_line(uri, n_before + 1, "columns", "the line has other columns.")
    names = [str(i) for i in range(n_columns)]
    ragged: list[int] = []

    def note_ragged(row: pcsv.InvalidRow) -> str:
        ragged.append(row.number or 0)
        return "skip"

    try:
        table = pcsv.read_csv(
            io.BytesIO(body or b"\n"),
            read_options=pcsv.ReadOptions(column_names=names, use_threads=False),
            parse_options=pcsv.ParseOptions(
                delimiter=delimiter, invalid_row_handler=note_ragged, quote_char='"'
            ),
            convert_options=pcsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        # Arrow's words have the line itself, which is somebody's genotype
        raise GenotypeFileError(
            "the lines cannot be read.", where=Where(uri), fix="Give every marker one line."
        ) from None
    if ragged:
        raise _bad_line(uri, n_before + ragged[0], "columns", "the line has other columns.")
    return table


def _positions(column: pa.Array, uri: str, n_before: int) -> Indices:
    is_number = np.asarray(pc.match_substring_regex(column, "^[0-9]{1,9}$"))
    if not is_number.all():
        row = int(np.flatnonzero(~is_number)[0])
        raise _bad_line(uri, n_before + row + 1, "position", "the position is no number.")
    return column.cast(pa.int64()).to_numpy().astype(np.int64)


def _alleles(words: pa.DictionaryArray, uri: str, n_before: int) -> tuple[Bytes, Bytes]:
    """(first, second) as in _Markers; first is _INDEL for what is skipped."""
    names, codes = words.dictionary.to_pylist(), _codes(words)
    read = [_alleles_of(name) for name in names[:_MAX_WORDS]]
    bad = next((n for n, alleles in enumerate(read) if alleles is None), None)
    if bad is None and len(names) > _MAX_WORDS:
        bad = _MAX_WORDS
    if bad is not None:
        row = int(np.flatnonzero(codes == bad)[0])
        raise _bad_line(uri, n_before + row + 1, "genotype", f"{names[bad][:20]!r} is no genotype.")
    pairs = np.array([pair for pair in read if pair is not None], np.uint8).reshape(-1, 2)
    return pairs[codes, 0].copy(), pairs[codes, 1].copy()


def _alleles_of(genotype: str) -> tuple[int, int] | None:
    """None for no genotype. A call with one allele unread is a no-call."""
    letters = genotype.strip()
    if len(letters) > 2 or not set(letters) <= set("ACGTID-0?N"):
        return None
    copies = ord("N") if len(letters) != 1 else 0
    if not letters or not set(letters).isdisjoint("-0?N"):
        return ord("N"), copies
    if not set(letters).isdisjoint("ID"):
        return _INDEL, 0
    return ord(letters[0]), ord(letters[1]) if len(letters) == 2 else 0


def _bad_line(uri: str, line: int, field: str, what: str) -> GenotypeFileError:
    return GenotypeFileError(
        what,
        where=Where(uri, line, field),
        fix="Send the file as the company wrote it, or the genotypes as VCF.",
    )
