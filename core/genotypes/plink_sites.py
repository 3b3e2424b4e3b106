"""The variants of a PLINK fileset: .pvar (PLINK 2, also .pvar.zst) and .bim (PLINK 1).

A .pvar is VCF-like meta-information, a line "#CHROM POS ID REF ALT …" and one line for each variant
with its ALTs separated by commas. A file without a column line is a .bim: chromosome, ID,
centimorgans (which may be left out), position, ALT, REF. For a .bim that is plink2's reading: A2 is
REF and A1 is ALT. A missing allele, "0" or ".", is ".".

Text is read by Arrow, 16 MiB at a time, and only the columns that scores need are kept: about 40
bytes for each variant. A process keeps the sites of the files that it read last.
"""

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from core.build_evidence import BuildEvidence
from core.errors import GenotypeFileError, Where
from core.genome_build import GenomeBuild
from core.genotypes.block import values_of
from core.genotypes.vcf_header import MAX_HEADER_BYTES, build_of_meta, check_header_lines

MAX_LINE_BYTES = 64 << 20
MAX_POSITION = (1 << 31) - 1
"""PLINK's."""

_CHUNK_BYTES = 16 << 20
_TYPES = {
    "CHROM": pa.dictionary(pa.int32(), pa.string()),
    "POS": pa.int64(),
    "ID": pa.string(),
    "REF": pa.string(),
    "ALT": pa.string(),
}
_NEVER_EMPTY = ("CHROM", "ID", "REF")
_BIM_COLUMNS = ("CHROM", "ID", "CM", "POS", "ALT", "REF")
_FIX = "Write the fileset again (plink2 --make-pgen or --make-bed)."


@dataclass(frozen=True, slots=True)
class SitesFile:
    """One .pvar or .bim as it was when its fileset was opened; `most`: variants that the calls
    have, behind which no more than a piece of text is read, None where they do not say."""

    path: str
    most: int | None
    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, path: Path, most: int | None = None) -> "SitesFile":
        status = path.stat()
        return cls(str(path), most, status.st_size, status.st_mtime_ns)


class Sites:
    """Every variant of a file. `table`: the columns of _TYPES, one row for each variant; `build`:
    what the header states, and `build_evidence` how."""

    def __init__(self, table: pa.Table, build_evidence: BuildEvidence | None) -> None:
        self.table = table
        self.build_evidence = build_evidence

    @property
    def build(self) -> GenomeBuild | None:
        return self.build_evidence.build if self.build_evidence is not None else None

    @cached_property
    def n_alts(self) -> npt.NDArray[np.int32]:
        """(variants,) ALT alleles of each; a missing one counts."""
        n_commas = pc.count_substring(self.table.column("ALT"), ",").combine_chunks()
        return values_of(n_commas) + np.int32(1)


_cache_lock = threading.Lock()


def load_sites(file: SitesFile) -> Sites:
    """The file's variants, read once in a process while it works on the file.

    Raises GenotypeFileError, with the line, for text that is no table of variants, and where the
    file changed since it was opened.
    """
    if SitesFile.of(Path(file.path), file.most) != file:
        raise GenotypeFileError(
            "the file changed after it was opened.",
            where=Where(file.path),
            fix="Start the job again.",
        )
    with _cache_lock:  # threads that need the same file wait for the one that reads it
        return _load(file)


@lru_cache(maxsize=2)
def _load(file: SitesFile) -> Sites:
    return read_sites(Path(file.path), file.most)


def read_sites(path: Path, most: int | None = None) -> Sites:
    """As `load_sites`, anew."""
    try:
        with _text_stream(path) as stream:
            return _read(stream, str(path), most)
    except OSError as error:
        raise GenotypeFileError(
            "the file is damaged or cut short.", where=Where(str(path)), fix="Copy it again."
        ) from error


def _text_stream(path: Path) -> Any:
    compression = "zstd" if path.suffix == ".zst" else None
    return pa.input_stream(str(path), compression=compression)


def _read(stream: Any, uri: str, most: int | None) -> Sites:
    chunks = _whole_lines(stream, uri)
    header, first = _split_header(chunks, uri)
    layout = _layout(header, first, uri)
    meta = [line.decode("utf-8", "replace") for line in header]
    line, n_rows = len(header), 0
    tables: list[pa.Table] = []
    for chunk in _chain(first, chunks):
        if not chunk.isspace():
            tables.append(_parse(chunk, layout, uri, line))
            n_rows += tables[-1].num_rows
        line += chunk.count(b"\n")
        if most is not None and n_rows > most:
            break
    if not n_rows:
        raise GenotypeFileError("the file has no variants.", where=Where(uri), fix=_FIX)
    return Sites(pa.concat_tables(tables).unify_dictionaries(), build_of_meta(meta, uri))


def _chain(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from chunks


def _whole_lines(stream: Any, uri: str) -> Iterator[bytes]:
    """The text in pieces of whole lines, the last one with a line end, too."""
    rest = b""
    while piece := stream.read(_CHUNK_BYTES):
        text = rest + piece
        end = text.rfind(b"\n") + 1
        rest = text[end:]
        if len(rest) > MAX_LINE_BYTES:
            raise GenotypeFileError(
                f"a line is longer than {MAX_LINE_BYTES >> 20} MiB.", where=Where(uri), fix=_FIX
            )
        if end:
            yield text[:end]
    if rest:
        yield rest + b"\n"


def _split_header(chunks: Iterator[bytes], uri: str) -> tuple[list[bytes], bytes]:
    """(lines that begin with "#", the text behind them in the same piece)."""
    lines: list[bytes] = []
    n_bytes = 0
    for chunk in chunks:
        at = 0
        while chunk[at : at + 1] == b"#":
            end = chunk.index(b"\n", at) + 1
            lines.append(chunk[at:end].rstrip(b"\r\n"))
            check_header_lines(len(lines), uri)
            at = end
        n_bytes += at
        if n_bytes > MAX_HEADER_BYTES:
            raise GenotypeFileError(
                f"the header is longer than {MAX_HEADER_BYTES >> 20} MiB.",
                where=Where(uri),
                fix="Remove meta-information lines that nothing reads.",
            )
        if at < len(chunk):
            return lines, chunk[at:]
    return lines, b""


class _Layout(NamedTuple):
    columns: Sequence[str]
    has_tabs: bool


def _layout(header: Sequence[bytes], text: bytes, uri: str) -> _Layout:
    """The columns, and whether they are separated by tabs; else by runs of spaces and tabs."""
    has_column_line = bool(header) and header[-1].startswith(b"#CHROM")
    model = header[-1][1:] if has_column_line else text[: text.find(b"\n")].rstrip(b"\r")
    has_tabs = b"\t" in model and b" " not in model
    values = model.split(b"\t") if has_tabs else model.split()
    if not has_column_line:
        columns = [name for name in _BIM_COLUMNS if len(values) != 5 or name != "CM"]
        columns += [f"{number}" for number in range(len(columns), len(values))]
        return _Layout(columns, has_tabs)
    columns = [value.decode("utf-8", "replace") for value in values]
    if len(set(columns)) < len(columns) or not _TYPES.keys() <= set(columns):
        raise GenotypeFileError(
            "the column line does not have CHROM, POS, ID, REF and ALT once each.",
            where=Where(uri, len(header)),
            fix=_FIX,
        )
    return _Layout(columns, has_tabs)


def _parse(text: bytes, layout: _Layout, uri: str, n_before: int) -> pa.Table:
    """The rows of a piece of text, behind `n_before` lines."""
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    if not layout.has_tabs:
        text = re.sub(rb"[ \t]+", b"\t", re.sub(rb"(?m)^[ \t]+|[ \t]+$", b"", text))
    try:
        table = pcsv.read_csv(
            BytesIO(text),
            read_options=pcsv.ReadOptions(
                column_names=list(layout.columns), use_threads=False, block_size=len(text) + 1
            ),
            parse_options=pcsv.ParseOptions(delimiter="\t", quote_char=False),
            convert_options=pcsv.ConvertOptions(
                column_types=_TYPES, include_columns=list(_TYPES), null_values=[]
            ),
        )
    except pa.ArrowInvalid as error:
        raise _malformed(error, layout, uri, n_before) from error
    _check(table, uri, n_before)
    return table


def _malformed(
    error: pa.ArrowInvalid, layout: _Layout, uri: str, n_before: int
) -> GenotypeFileError:
    """Arrow counts the rows of the piece from 1, where it counts them."""
    row = re.search(r"Row #([0-9]+)", str(error))
    n_columns = len(layout.columns)
    return GenotypeFileError(
        f"this is no variant of {n_columns} columns with a whole number as position, in UTF-8.",
        where=Where(uri, n_before + int(row[1]) if row else None),
        fix=_FIX,
    )


def _check(table: pa.Table, uri: str, n_before: int) -> None:
    position, alt = table.column("POS"), table.column("ALT")
    wrong = {
        "POS": pc.or_(pc.less(position, 0), pc.greater(position, MAX_POSITION)),
        "ALT": pc.match_substring_regex(alt, "(^|,)(,|$)"),
        **{name: pc.equal(table.column(name).cast(pa.string()), "") for name in _NEVER_EMPTY},
    }
    for name, is_wrong in wrong.items():
        row = pc.index(is_wrong, True).as_py()
        if row >= 0:
            raise GenotypeFileError(
                f"{name} is empty or out of range.",
                where=Where(uri, n_before + row + 1, name),
                fix=_FIX,
            )
