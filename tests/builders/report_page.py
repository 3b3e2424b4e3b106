"""A report's page as a parser sees it: its tags, its text, and the numbers in `<data>` elements."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

VOID = frozenset({"meta", "br", "link", "img", "hr"})


@dataclass
class Page(HTMLParser):
    """`tags` with their attributes in order; `numbers` of all data elements; `text` of all."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    numbers: set[float] = field(default_factory=set)
    text: str = ""
    open_tags: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "data":
            self.numbers.add(float(str(dict(attrs)["value"])))
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data: str) -> None:
        self.text += data

    def names(self) -> set[str]:
        return {tag for tag, _ in self.tags}


def parse_page(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert page.open_tags == []
    return page


def numbers_in(facts: Any) -> set[float]:
    """Every number of some JSON."""
    if isinstance(facts, dict):
        return set().union(*map(numbers_in, facts.values()))
    if isinstance(facts, list):
        return set().union(*map(numbers_in, facts))
    is_number = isinstance(facts, int | float) and not isinstance(facts, bool)
    return {float(facts)} if is_number else set()
