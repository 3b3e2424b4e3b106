"""multipart/form-data parsed as a stream: the file goes to the object store while it arrives.

Nothing is spooled to a temporary file and no more than one chunk is held, whatever the size. The
fields may come in any order. RFC 7578; python-multipart's push parser does the bytes.
"""

import threading
from collections.abc import AsyncIterable, Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Protocol, TypeVar

from anyio import CancelScope
from anyio.to_thread import run_sync
from fastapi.exceptions import RequestValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from core.errors import UnsupportedFormatError, UploadTooLargeError, UserError, Where
from core.file_kind import HEAD_BYTES, accept_upload

_CHUNK_BYTES = 1024 * 1024
_MAX_PARTS = 16
_MAX_FIELD_BYTES = 4096
_ENVELOPE_BYTES = 64 * 1024
"""What boundaries, part headers and fields may add to the file in a Content-Length."""


class UploadWriter(Protocol):
    """Where the file goes; the object appears under its key only on a clean exit."""

    def write(self, chunk: bytes, /) -> object: ...


Kept = TypeVar("Kept")

OpenUpload = Callable[[str], AbstractContextManager[UploadWriter]]
"""Opens the destination of an upload, given the suffix of its storage key."""


def genotype_suffix(head: bytes, filename: str) -> str:
    """Takes the first bytes of genotypes; raises UnsupportedFormatError for any other file."""
    return accept_upload(head, filename=filename).suffix


@dataclass(frozen=True, slots=True)
class FormShape:
    """What a form must have beside its part `file`, and which suffix the first bytes and the name
    of that file give it; `suffix_of` raises for a file that is not taken."""

    fields: tuple[str, ...] = ("user_id",)
    suffix_of: Callable[[bytes, str], str] = genotype_suffix

    def __str__(self) -> str:
        return " and ".join((*self.fields, "file"))


GENOTYPES = FormShape()


def content_length(request: Request) -> int | None:
    """What the client says the whole body has, in bytes."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isdecimal() else None


@dataclass(frozen=True, slots=True)
class ReceivedForm:
    """A complete form whose file is in the store."""

    fields: dict[str, str]
    filename: str


async def receive_upload(
    body: AsyncIterable[bytes],
    *,
    content_type: str,
    content_length: int | None,
    max_bytes: int,
    open_upload: OpenUpload,
    keep: Callable[[ReceivedForm], Kept],
    shape: FormShape = GENOTYPES,
) -> Kept:
    """Read the form to its end; an error, or a client that leaves, leaves nothing in the store.

    `keep` runs in the step that publishes the file, which no leaving client can cut in two: where
    it raises, removing the file is its own affair.
    Raises UploadTooLargeError, UnsupportedFormatError, RequestValidationError for missing fields.
    """
    if content_length is not None and content_length > max_bytes + _ENVELOPE_BYTES:
        raise _too_large(max_bytes)
    boundary = _boundary(content_type, shape)
    form = UploadForm(boundary, max_bytes=max_bytes, open_upload=open_upload, shape=shape)
    try:
        pending = bytearray()
        async for chunk in body:
            pending += chunk
            if len(pending) >= _CHUNK_BYTES:
                await run_sync(form.feed, bytes(pending))
                pending.clear()
        await run_sync(form.feed, bytes(pending))
        return await run_sync(form.finish, keep)
    except BaseException as error:
        with CancelScope(shield=True):
            await run_sync(form.abandon, error)
        raise


def _boundary(content_type: str, shape: FormShape) -> bytes:
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise UnsupportedFormatError(
            "an upload is a multipart/form-data body.",
            fix=f"Send {shape} as `curl -F file=@...` does.",
        )
    return boundary


class UploadForm:
    """One form, pushed in by `feed` from worker threads; `finish` or `abandon` ends it."""

    def __init__(
        self,
        boundary: bytes,
        *,
        max_bytes: int,
        open_upload: OpenUpload,
        shape: FormShape = GENOTYPES,
    ) -> None:
        self._shape = shape
        self._max_bytes = max_bytes
        self._open_upload = open_upload
        self._destination = ExitStack()
        self._writer: UploadWriter | None = None
        self._head = bytearray()
        self._file_bytes = 0
        self._filename: str | None = None
        self._fields: dict[str, bytearray] = {}
        self._part_name = ""
        self._headers: dict[str, bytes] = {}
        self._header = bytearray()
        self._header_value = bytearray()
        self._n_parts = 0
        self._ended = False
        self._abandoned = False
        # The thread of a cancelled request works on while `abandon` comes from another.
        self._lock = threading.Lock()
        self._parser = self._new_parser(boundary)

    def _new_parser(self, boundary: bytes) -> MultipartParser:
        try:
            return MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_data,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._part_data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _malformed() from error

    def feed(self, chunk: bytes) -> None:
        with self._lock:
            try:
                self._parser.write(chunk)
            except FormParserError as error:
                raise _malformed() from error

    def finish(self, keep: Callable[[ReceivedForm], Kept]) -> Kept:
        """Publishes the file and hands the whole form to `keep`: both, or neither."""
        with self._lock:
            if self._abandoned:
                raise ClientDisconnect
            received = self._received()
            self._destination.close()
            return keep(received)

    def abandon(self, error: BaseException) -> None:
        """Nothing stays of the file, unless `finish` came first."""
        with self._lock:
            self._abandoned = True
            self._destination.__exit__(type(error), error, error.__traceback__)

    def _received(self) -> ReceivedForm:
        if not self._ended:
            raise UserError(
                "the upload ends before its last boundary.", fix="Send the whole file again."
            )
        fields = {name: _text(name, value) for name, value in self._fields.items()}
        missing = [name for name in self._shape.fields if name not in fields]
        if self._filename is None:
            missing.append("file")
        if missing:
            raise RequestValidationError([_missing(name) for name in missing])
        assert self._filename is not None
        return ReceivedForm(fields=fields, filename=self._filename)

    # The parser's callbacks, in the order in which a part makes them.

    def _begin_part(self) -> None:
        self._n_parts += 1
        if self._n_parts > _MAX_PARTS:
            raise UserError(f"a form may have {_MAX_PARTS} parts.", fix=f"Send {self._shape}.")
        self._headers = {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_data(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = bytes(self._header_value)
        self._header.clear()
        self._header_value.clear()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        self._part_name = options.get(b"name", b"").decode("utf-8", "replace")
        if self._part_name in self._fields or (self._is_file and self._filename is not None):
            raise UserError(
                f"the form has two parts named {self._part_name[:64]!r}.",
                fix=f"Send {self._shape} once per upload.",
            )
        if self._is_file:
            self._filename = _file_name(options.get(b"filename", b""))
        else:
            self._fields[self._part_name] = bytearray()

    @property
    def _is_file(self) -> bool:
        return self._part_name == "file"

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._file_data(data[start:end])
            return
        field = self._fields[self._part_name]
        field += data[start:end]
        if len(field) > _MAX_FIELD_BYTES:
            raise UserError(
                f"the field {self._part_name[:64]!r} is longer than {_MAX_FIELD_BYTES} bytes.",
                fix="Send the data in the part named file.",
            )

    def _file_data(self, chunk: bytes) -> None:
        self._file_bytes += len(chunk)
        if self._file_bytes > self._max_bytes:
            raise _too_large(self._max_bytes)
        if self._writer is not None:
            self._writer.write(chunk)
            return
        self._head += chunk
        if len(self._head) >= HEAD_BYTES:
            self._open()

    def _open(self) -> None:
        """Judge the file by its first bytes, then let it through."""
        suffix = self._shape.suffix_of(bytes(self._head), self._filename or "file")
        self._writer = self._destination.enter_context(self._open_upload(suffix))
        self._writer.write(bytes(self._head))
        self._head.clear()

    def _end_part(self) -> None:
        if self._is_file and self._writer is None:
            self._open()

    def _end(self) -> None:
        self._ended = True


def _file_name(raw: bytes) -> str:
    """The client's name without folders; a label only, never a path of ours."""
    name = raw.decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
    printable = "".join(character for character in name if character.isprintable())
    return printable[:255] or "unnamed"


def _text(name: str, value: bytearray) -> str:
    try:
        return value.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise UserError(
            "the value is not UTF-8 text.", where=Where("form", field=name[:64])
        ) from error


def _missing(name: str) -> dict[str, object]:
    return {"type": "missing", "loc": ("body", name), "msg": "Field required", "input": None}


def _malformed() -> UserError:
    return UserError(
        "the multipart body is malformed.", fix="Let the HTTP client build the form by itself."
    )


def _too_large(max_bytes: int) -> UploadTooLargeError:
    return UploadTooLargeError(
        f"an upload may have {max_bytes} bytes.",
        fix="Split a VCF by chromosome or a FASTQ by lane, or raise CURAGENIE_MAX_UPLOAD_BYTES.",
    )
