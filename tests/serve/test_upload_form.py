"""The multipart form as a stream: any chunking, any order, nothing left after an error."""

import asyncio
import gzip
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UnsupportedFormatError, UploadTooLargeError, UserError
from serve.upload_form import ReceivedForm, receive_upload

VCF = b"##fileformat=VCFv4.2\n" + b"#CHROM\tPOS\tID\tREF\tALT\r\n--line\r\n" * 700
CONTENT_TYPE = "multipart/form-data; boundary=frontier"


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    named = f'; filename="{filename}"' if filename is not None else ""
    head = f'--frontier\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--frontier--\r\n"


class Shelf:
    """A store in memory that keeps an object only after a clean exit."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.opened = 0

    @contextmanager
    def open(self, suffix: str) -> Iterator["Shelf.Writer"]:
        self.opened += 1
        writer = Shelf.Writer()
        yield writer
        self.kept[suffix] = bytes(writer.content)

    class Writer:
        def __init__(self) -> None:
            self.content = bytearray()

        def write(self, chunk: bytes, /) -> None:
            self.content += chunk


async def in_chunks(body: bytes, sizes: list[int]) -> AsyncIterator[bytes]:
    start = 0
    for size in sizes:
        yield body[start : start + size]
        start += size
    yield body[start:]


def receive(
    body: bytes,
    shelf: Shelf,
    *,
    sizes: list[int] | None = None,
    content_type: str = CONTENT_TYPE,
    content_length: int | None = None,
    max_bytes: int = 10**6,
) -> ReceivedForm:
    return asyncio.run(
        receive_upload(
            in_chunks(body, sizes or []),
            content_type=content_type,
            content_length=content_length,
            max_bytes=max_bytes,
            open_upload=shelf.open,
            keep=lambda received: received,
        )
    )


@pytest.mark.parametrize("user_first", [True, False], ids=["user_id first", "file first"])
def test_the_file_arrives_whole_whatever_the_order_of_fields(user_first: bool) -> None:
    parts = [part("user_id", b"u1"), part("file", VCF, "a.vcf")]
    shelf = Shelf()
    received = receive(form(*(parts if user_first else parts[::-1])), shelf)
    assert received == ReceivedForm(fields={"user_id": "u1"}, filename="a.vcf")
    assert shelf.kept == {".vcf": VCF}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=40), st.binary(max_size=3000))
def test_no_cut_of_the_stream_changes_the_bytes(sizes: list[int], tail: bytes) -> None:
    content = b"##fileformat=VCFv4.2\n" + tail.replace(b"\0", b"\r\n--frontie")
    shelf = Shelf()
    receive(form(part("file", content, "a.vcf"), part("user_id", b"u")), shelf, sizes=sizes)
    assert list(shelf.kept.values()) == [content]


def test_a_gzip_file_keeps_its_bytes_and_gets_its_suffix() -> None:
    shelf = Shelf()
    packed = gzip.compress(VCF)
    receive(form(part("user_id", b"u"), part("file", packed, "x")), shelf)
    assert shelf.kept == {".vcf.gz": packed}


def test_an_empty_file_is_received_and_left_to_its_reader() -> None:
    shelf = Shelf()
    receive(form(part("user_id", b"u"), part("file", b"", "a.vcf")), shelf)
    assert shelf.kept == {".vcf": b""}


@pytest.mark.parametrize("name", ["../../etc/passwd", r"C:\data\..\passwd", "a/passwd"])
def test_a_file_name_is_a_label_without_folders(name: str) -> None:
    received = receive(form(part("user_id", b"u"), part("file", VCF, name)), Shelf())
    assert received.filename == "passwd"


def test_a_name_in_another_script_survives() -> None:
    received = receive(form(part("user_id", b"u"), part("file", VCF, "ゲノム.vcf")), Shelf())
    assert received.filename == "ゲノム.vcf"


def test_missing_fields_are_all_named() -> None:
    with pytest.raises(RequestValidationError) as refused:
        receive(form(part("other", b"x")), Shelf())
    assert [mistake["loc"] for mistake in refused.value.errors()] == [
        ("body", "user_id"),
        ("body", "file"),
    ]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (form(part("user_id", b"u"), part("file", VCF * 60, "a.vcf")), UploadTooLargeError),
        (form(part("file", VCF, "a.vcf"), part("file", VCF, "b.vcf")), UserError),
        (form(*[part("user_id", b"u")] * 2, part("file", VCF, "a.vcf")), UserError),
        (form(part("user_id", b"u" * 5000), part("file", VCF, "a.vcf")), UserError),
        (form(*[part(f"f{i}", b"") for i in range(20)]), UserError),
        (form(part("user_id", b"\xff"), part("file", VCF, "a.vcf")), UserError),
        (part("user_id", b"u") + part("file", VCF, "a.vcf"), UserError),
        (b"hello", UserError),
        (form(part("user_id", b"u"), part("file", b"@HD\tVN:1.6\n", "a")), UnsupportedFormatError),
        (form(part("file", VCF, "a.vcf")), RequestValidationError),
    ],
    ids=[
        "too large",
        "two files",
        "two users",
        "long field",
        "many parts",
        "not UTF-8",
        "cut before the end",
        "no boundary",
        "SAM",
        "no user_id",
    ],
)
def test_a_refused_form_leaves_nothing(body: bytes, error: type[Exception]) -> None:
    shelf = Shelf()
    with pytest.raises(error):
        receive(body, shelf)
    assert shelf.kept == {}


def test_a_stated_length_above_the_cap_is_refused_before_the_body() -> None:
    shelf = Shelf()
    with pytest.raises(UploadTooLargeError):
        receive(form(), shelf, content_length=10**9)
    assert shelf.opened == 0


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", ""])
def test_a_body_that_is_no_form_is_refused(kind: str) -> None:
    with pytest.raises(UnsupportedFormatError, match="multipart"):
        receive(b"{}", Shelf(), content_type=kind)


def test_a_boundary_longer_than_any_client_makes_is_refused() -> None:
    with pytest.raises(UserError, match="malformed"):
        receive(b"", Shelf(), content_type=f"multipart/form-data; boundary={'b' * 300}")


@pytest.mark.parametrize("leaves_in", ["open", "close", "keep"])
def test_a_client_that_leaves_at_the_very_end_leaves_the_file_and_its_record_or_neither(
    leaves_in: str,
) -> None:
    shelf, records = Shelf(), []
    reached, go_on = threading.Event(), threading.Event()

    def pause(place: str) -> None:
        if place == leaves_in:
            reached.set()
            assert go_on.wait(10)

    @contextmanager
    def open_slowly(suffix: str) -> Iterator[Shelf.Writer]:
        with shelf.open(suffix) as writer:
            pause("open")
            yield writer
            pause("close")

    def keep(received: ReceivedForm) -> None:
        pause("keep")
        records.append(received.filename)

    async def upload() -> None:
        task = asyncio.create_task(
            receive_upload(
                in_chunks(form(part("user_id", b"u"), part("file", VCF, "a.vcf")), []),
                content_type=CONTENT_TYPE,
                content_length=None,
                max_bytes=10**6,
                open_upload=open_slowly,
                keep=keep,
            )
        )
        await asyncio.to_thread(reached.wait, 10)
        task.cancel()
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(upload())
    assert len(shelf.kept) == len(records) == (leaves_in != "open")


def test_a_client_that_leaves_leaves_nothing() -> None:
    shelf = Shelf()

    async def leaving() -> AsyncIterator[bytes]:
        yield part("file", VCF, "a.vcf")[:9000]
        raise ConnectionResetError

    async def upload() -> None:
        await receive_upload(
            leaving(),
            content_type=CONTENT_TYPE,
            content_length=None,
            max_bytes=10**6,
            open_upload=shelf.open,
            keep=lambda received: received,
        )

    with pytest.raises(ConnectionResetError):
        asyncio.run(upload())
    assert shelf.kept == {}
