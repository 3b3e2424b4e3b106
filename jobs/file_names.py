"""Errors and reports speak of files by the names that users know, not by where we keep them."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from core.errors import CuraGenieError


def known_as(uri: str, filename: str) -> dict[str, str]:
    """The names under which a stored object may appear in an error, each with the user's name."""
    return {uri: filename, unquote(urlsplit(uri).path): filename}


@contextmanager
def speaking_of(names: Mapping[str, str]) -> Generator[None]:
    """Re-raises our errors with every key of `names` replaced by its value."""
    try:
        yield
    except CuraGenieError as error:
        raise renamed(error, names) from error


def renamed(error: CuraGenieError, names: Mapping[str, str]) -> CuraGenieError:
    """The same error in the user's words."""
    where = error.where
    if where is not None:
        where = replace(where, file=_in_user_words(where.file, names))
    fix = _in_user_words(error.fix, names) if error.fix is not None else None
    return type(error)(_in_user_words(error.what, names), where=where, fix=fix)


def _in_user_words(text: str, names: Mapping[str, str]) -> str:
    # longest first: a URI holds the path that is also a name of its own
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, names[name])
    return text
