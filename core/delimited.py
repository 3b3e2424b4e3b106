"""Text tables as people send them: scoring files, allele frequencies, sample sheets.

A file is comment lines ("#…"), one column line (which may itself begin with "#", as PLINK's do),
then one row per line. It may be gzip or plain, have a byte order mark and any line ends, and be
separated by tabs, commas, semicolons or spaces: the column line decides. Values are kept as text,
trimmed; an empty value, ".", "NA" and the like are null. A row may leave out its last values
and may have trailing separators; a row with more values than there are columns is an error.
A gzip that unpacks to more than any such file holds is refused while it is unpacked.
"""

import hashlib
import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
from isal import igzip, isal_zlib

from core.errors import UserError, Where
from core.words import WORDS, map_words, words_of

NULL_WORDS = ("", ".", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
"""Values that say there is none."""

MAX_UNPACKED_BYTES = 8 << 30
"""Scoring files of genome-wide methods have up to 50 million rows of 60 to 150 bytes."""

_MAX_EXPANSION = 100
_ANY_EXPANSION_BYTES = 64 << 20
"""Tables of text shrink to a third or a tenth; deflate can make a thousandth of a long repeat. What
is unpacked beyond these first bytes must come from at least 1 / _MAX_EXPANSION as many."""

_UNPACKED_AT_ONCE_BYTES = 8 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PARSE_BLOCK_BYTES = 8 << 20
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


@dataclass(frozen=True, slots=True)
class DelimitedText:
    """One such file in memory. `column_names` are as written, without the unnamed last ones."""

    source: str
    sha256: str
    comments: tuple[str, ...]
    column_names: tuple[str, ...]
    column_line: int
    delimiter: str
    error_type: type[UserError]
    _quoted: bool
    _body: bytes

    def columns(
        self, names: Collection[str], words: Collection[str] = frozenset()
    ) -> dict[str, pa.Array]:
        """The named columns as string arrays, all of one length; null where there is no value.

        Those that are also in `words` say few words often: they are arrays of WORDS.
        """
        types = {name: WORDS if name in words else pa.string() for name in names}
        if not self._body.strip(b"\n"):
            return {name: pa.array([], of) for name, of in types.items()}
        order = {name: f"{index}" for index, name in enumerate(self.column_names)}
        table = self._parse(self._body, {order[name]: of for name, of in types.items()})
        return {name: _values(table.column(order[name])) for name in names}

    def line_of(self, row: int) -> int:
        """The file's line (from 1) of a row (from 0)."""
        for line, text in enumerate(io.BytesIO(self._body), start=self.column_line + 1):
            row -= text != b"\n"
            if row < 0:
                return line
        raise IndexError(f"{self.source} has no such row")

    def error(
        self,
        what: str,
        *,
        fix: str,
        row: int | None = None,
        field: str | None = None,
    ) -> UserError:
        """The caller's kind of error, at a row or, without one, at the column line."""
        line = self.column_line if row is None else self.line_of(row)
        return self.error_type(what, where=Where(self.source, line, field), fix=fix)

    def _parse(self, body: bytes, types: Mapping[str, pa.DataType]) -> pa.Table:
        ragged: list[str] = []

        def note_ragged(row: pcsv.InvalidRow) -> str:
            ragged.append(row.text)
            return "skip"

        try:
            table = pcsv.read_csv(
                io.BytesIO(body),
                read_options=pcsv.ReadOptions(
                    column_names=[f"{index}" for index in range(len(self.column_names))],
                    block_size=_PARSE_BLOCK_BYTES,
                ),
                parse_options=pcsv.ParseOptions(
                    delimiter=self.delimiter,
                    quote_char='"' if self._quoted else False,
                    invalid_row_handler=note_ragged,
                ),
                convert_options=pcsv.ConvertOptions(
                    column_types=types,
                    include_columns=list(types),
                    null_values=NULL_WORDS,
                    strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid as error:
            raise self.error(
                f"the rows cannot be read: {error}.", fix="Give every row one line of text."
            ) from error
        if not ragged:
            return table
        squared = self._square(body)
        if squared == body:
            raise self._too_many_values(ragged[0])
        return self._parse(squared, types)

    def _square(self, body: bytes) -> bytes:
        """Every row with as many values as there are columns. Quoted rows stay as they are."""
        separator = self.delimiter.encode()
        n_separators = len(self.column_names) - 1
        rows = body.split(b"\n")
        for index, row in enumerate(rows):
            excess = row.count(separator) - n_separators
            if not row or excess == 0 or (self._quoted and b'"' in row):
                continue
            if excess < 0:
                rows[index] = row + separator * -excess
            elif row.endswith(separator * excess):
                rows[index] = row[:-excess]
            else:
                raise self._too_many_values(row.decode())
        return b"\n".join(rows)

    def _too_many_values(self, row: str) -> UserError:
        start = max(self._body.find(row.encode()), 0)
        line = self.column_line + 1 + self._body.count(b"\n", 0, start)
        return self.error_type(
            f"this row does not have the {len(self.column_names)} values of the column line.",
            where=Where(self.source, line),
            fix="Name every column, and quote values that hold the separator.",
        )


def read_delimited(
    path: Path, *, error_type: type[UserError], landmarks: Collection[str]
) -> DelimitedText:
    """Read and split a file; its columns are parsed by `.columns()`.

    A "#" line is the column line if it is the last one and two of its words, in any case, are
    `landmarks`; one is enough alone or at the head of a tab-separated line.
    Raises `error_type` for a file that is no such table.
    """
    raw = _read_bytes(path, error_type)
    data = _text_bytes(path, raw, error_type)
    comments, column_text, n_lines, body = _split_head(data, {word.lower() for word in landmarks})
    if not column_text:
        raise error_type(
            "the file has no column line.",
            where=Where(str(path)),
            fix="Write the column names on one line above the rows.",
        )
    delimiter = _delimiter_of(column_text)
    if delimiter == " ":
        body = re.sub(rb"[ \t]+", b" ", re.sub(rb"(?m)^[ \t]+|[ \t]+$", b"", body))
    names = _column_names(column_text, delimiter)
    text = DelimitedText(
        source=str(path),
        sha256=hashlib.sha256(raw).hexdigest(),
        comments=comments,
        column_names=names,
        column_line=n_lines,
        delimiter=delimiter,
        error_type=error_type,
        _quoted=delimiter in ",;" or '"' in column_text,
        _body=body,
    )
    _refuse_doubtful_columns(text)
    return text


def parse_numbers(text: pa.Array) -> pa.Array:
    """String (n,) → float64 (n,); null where the text is null or is not a number."""
    try:
        return text.cast(pa.float64())
    except pa.ArrowInvalid:
        is_number = pc.match_substring_regex(text, _NUMBER)
        return pc.if_else(is_number, text, pa.scalar(None, pa.string())).cast(pa.float64())


def first_true(mask: pa.Array) -> int | None:
    """The index of the first true of a boolean array; None without one."""
    index: int = pc.index(mask, True).as_py()
    return None if index < 0 else index


def _read_bytes(path: Path, error_type: type[UserError]) -> bytes:
    try:
        if path.stat().st_size > MAX_UNPACKED_BYTES:
            raise _too_large(path, error_type)
        return path.read_bytes()
    except OSError as error:
        raise error_type(
            f"the file cannot be read: {error.strerror}.",
            where=Where(str(path)),
            fix="Check the path and its permissions.",
        ) from error


def _text_bytes(path: Path, raw: bytes, error_type: type[UserError]) -> bytes:
    """Decompressed UTF-8 without a byte order mark, lines ended by a line feed alone."""
    try:
        data = _unpacked(path, raw, error_type) if raw.startswith(_GZIP_MAGIC) else raw
    # its types say that the error's class is an instance
    except (OSError, EOFError, isal_zlib.error) as error:  # pyright: ignore[reportGeneralTypeIssues]
        raise error_type(
            f"the gzip data is damaged or cut short: {error}.",
            where=Where(str(path)),
            fix="Fetch the file again.",
        ) from error
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    _refuse_other_encodings(path, data, error_type)
    return data


def _unpacked(path: Path, raw: bytes, error_type: type[UserError]) -> bytes:
    """All members of a gzip file; no more than the first bytes of a bomb are ever held."""
    packed = io.BytesIO(raw)
    chunks: list[bytes] = []
    size = 0
    with igzip.IGzipFile(fileobj=packed) as file:
        while chunk := file.read(_UNPACKED_AT_ONCE_BYTES):
            size += len(chunk)
            believable = max(_ANY_EXPANSION_BYTES, _MAX_EXPANSION * packed.tell())
            if size > min(MAX_UNPACKED_BYTES, believable):
                raise _too_large(path, error_type)
            chunks.append(chunk)
    return b"".join(chunks)


def _too_large(path: Path, error_type: type[UserError]) -> UserError:
    return error_type(
        f"the file is larger, or unpacks to more, than a table may have ({MAX_UNPACKED_BYTES} "
        f"bytes, and {_MAX_EXPANSION} times its compressed size).",
        where=Where(str(path)),
        fix="Check that it is the file you meant; split a table that is really this large.",
    )


def _refuse_other_encodings(path: Path, data: bytes, error_type: type[UserError]) -> None:
    try:
        data.decode()
        bad = data.find(b"\0")
    except UnicodeDecodeError as error:
        bad = error.start
    if bad >= 0:
        raise error_type(
            "the file is not UTF-8 text.",
            where=Where(str(path), data.count(b"\n", 0, bad) + 1),
            fix="Save it as a plain text file in UTF-8, or as gzip of one.",
        )


def _split_head(data: bytes, landmarks: set[str]) -> tuple[tuple[str, ...], str, int, bytes]:
    """(comment lines, column line without "#", its line number, the bytes below it)."""
    comments: list[str] = []
    start = n_lines = 0
    while start < len(data):
        stop = data.find(b"\n", start)
        stop = len(data) if stop < 0 else stop
        line = data[start:stop].decode()
        start, n_lines = stop + 1, n_lines + 1
        is_comment = line.startswith("#")
        is_last_comment = is_comment and data[start : start + 1] != b"#"
        if line.strip() and not is_comment:
            return tuple(comments), line, n_lines, data[start:]
        if is_last_comment and _is_column_line(line, landmarks):
            return tuple(comments), line.lstrip("#"), n_lines, data[start:]
        if is_comment:
            comments.append(line)
    return tuple(comments), "", n_lines, b""


def _is_column_line(comment: str, landmarks: set[str]) -> bool:
    words = re.split(r"[\t,; ]+", comment.lstrip("#").strip().lower().replace('"', ""))
    n_landmarks = sum(word in landmarks for word in words)
    return n_landmarks > 1 or (words[0] in landmarks and ("\t" in comment or len(words) == 1))


def _delimiter_of(column_text: str) -> str:
    return next((separator for separator in "\t,;" if separator in column_text), " ")


def _column_names(column_text: str, delimiter: str) -> tuple[str, ...]:
    words = column_text.split() if delimiter == " " else column_text.split(delimiter)
    names = [word.strip().strip('"').strip() for word in words]
    while names and not names[-1]:
        names.pop()
    return tuple(names)


def _refuse_doubtful_columns(text: DelimitedText) -> None:
    seen: set[str] = set()
    for name in text.column_names:
        if name and name.lower() in seen:
            raise text.error(
                "two columns have the same name.", field=name, fix="Rename or remove one."
            )
        seen.add(name.lower())


def _values(column: pa.ChunkedArray) -> pa.Array:
    """One array of what the column says: trimmed, null where that says there is nothing."""
    if column.type == WORDS:
        return map_words(words_of(column), _trimmed)
    return _trimmed(_one_array(column))


def _trimmed(strings: pa.Array) -> pa.Array:
    if not _may_have_space(strings):
        return strings
    values = pc.utf8_trim_whitespace(strings)
    is_null = pc.is_in(values, value_set=pa.array(NULL_WORDS))
    return pc.if_else(is_null, pa.scalar(None, pa.string()), values)


def _may_have_space(strings: pa.Array) -> bool:
    """Whether some byte is not one of those that ASCII prints, of which none is white space."""
    data = strings.buffers()[2]
    text = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return bool(((text - np.uint8(ord("!"))) > ord("~") - ord("!")).any())


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    chunks: Sequence[pa.Array] = column.chunks
    return (
        chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks or [pa.array([], pa.string())])
    )
