"""Which text of a page is its article: libraries are asked in the order of their cost, and outvote each other.

1. trafilatura's own rules and resiliparse's main content. Where both found about as much, trafilatura is right.
2. Where they disagree, trafilatura with its fallbacks, unless resiliparse found much more: then readability decides for
   a page that says it is an article, and resiliparse is right for any other.
3. readability witnesses the beginning and the end: lines there that it does not know are teasers and bylines.

The figures were chosen on the public article benchmark and the development part of WCXB, and checked on its test part.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from itertools import takewhile
from math import sqrt
from typing import Any, Final

from lxml import etree
from lxml import html as lxml_html

from flows.extraction.boilerplate import is_hidden

_NOT_WORDS: Final = re.compile(r"[\W_]+")
_WORD: Final = re.compile(r"\w+")
_SHORT: Final = 250  # characters under which trafilatura found hardly anything
_AGREEMENT: Final = (0.3, 1.2)  # resiliparse's length over trafilatura's
_MORE: Final = 1.4
_MUCH_MORE: Final = 2.0
_GRAM: Final = 4
_SUPPORTED: Final = 0.6  # share of a line's four-word runs that the witness must hold
# Shares of the text that may go. An article's own page has more above the text; what is no article has no edges.
_HEAD_OF_ARTICLE: Final = 0.2
_HEAD: Final = 0.05
_TAIL: Final = 0.3
_TITLE_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Choice:
    """The text of the article, a block a line, and who found it."""

    text: str
    extractor: str


@dataclass(frozen=True, slots=True)
class Kind:
    """What a page says it is."""

    article: bool
    product: bool


def choose(html: str, parse: Callable[[], Any], kind: Kind, titles: list[str]) -> Choice:
    """Choose the article's text.

    Args:
        html: The page.
        parse: Gives a tree of the page; trafilatura takes every tree it is given apart.
        kind: What the page says it is.
        titles: What the page calls itself; such a line at the beginning is left out, since titles are kept apart.
    """
    second = _resiliparse(html)
    own = _trafilatura(parse(), fast=True)
    witness = _Witness(parse)
    name = f"trafilatura {_version('trafilatura')}"
    text = own
    if len(own) < _SHORT or not _AGREEMENT[0] * len(own) <= len(second) <= _AGREEMENT[1] * len(own):
        text = _trafilatura(parse(), fast=False)
        if _is_better(second, text, kind, witness):
            text, name = second, f"resiliparse {_version('resiliparse')}"
    other = own if text is second else second
    if text and (kind.article or not _agree_at_the_edges(text, other)):
        trimmed = witness.trim(text, _HEAD_OF_ARTICLE if kind.article else _HEAD)
        if trimmed != text:
            text, name = trimmed, f"{name} + readability-lxml {_version('readability-lxml')}"
    return Choice(_without_title(text, titles), name)


def _is_better(second: str, text: str, kind: Kind, witness: _Witness) -> bool:
    """Tell whether resiliparse's text is to be taken instead of trafilatura's."""
    if kind.product and not kind.article:  # the description is short, what is around it long
        return False
    if len(text) < _SHORT or len(second) > _MUCH_MORE * len(text):
        return len(second) > len(text)
    if len(second) <= _MORE * len(text):
        return False
    return not kind.article or witness.length > sqrt(len(text) * len(second))


def _agree_at_the_edges(text: str, other: str) -> bool:
    lines = [line for line in text.split("\n") if line.strip()]
    known = _NOT_WORDS.sub("", other.casefold())
    return all(_NOT_WORDS.sub("", line.casefold()) in known for line in (lines[0], lines[-1]))


def _without_title(text: str, titles: list[str]) -> str:
    keys = {_NOT_WORDS.sub("", title.casefold()) for title in titles} - {""}
    lines = text.split("\n")
    for number, line in enumerate(lines[:_TITLE_LINES]):
        if _NOT_WORDS.sub("", line.casefold()) in keys:
            return "\n".join(lines[:number] + lines[number + 1 :])
    return text


class _Witness:
    """readability's reading of a page, made when first asked for: it costs as much as trafilatura."""

    def __init__(self, parse: Callable[[], Any]) -> None:
        self._parse = parse
        self._text: str | None = None

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = _readability(self._parse)
        return self._text

    @property
    def length(self) -> int:
        return len(self.text)

    def trim(self, text: str, head: float) -> str:
        """Leave out the first and the last lines that the witness does not know, unless they are too many."""
        known = _WORD.findall(self.text.lower())
        grams = set(zip(*(known[start:] for start in range(_GRAM)), strict=False))
        joined = f" {' '.join(known)} "

        def is_unknown(words: list[str]) -> bool:
            if len(words) < _GRAM:
                return not words or f" {' '.join(words)} " not in joined
            runs = list(zip(*(words[start:] for start in range(_GRAM)), strict=False))
            return sum(run in grams for run in runs) < _SUPPORTED * len(runs)

        lines = text.split("\n")
        counted = [_WORD.findall(line.lower()) for line in lines]
        first = list(takewhile(is_unknown, counted))
        if len(first) == len(lines):
            return text
        last = list(takewhile(is_unknown, reversed(counted)))
        total = sum(map(len, counted))
        start = len(first) if sum(map(len, first)) <= head * total else 0
        end = len(last) if sum(map(len, last)) <= _TAIL * total else 0
        return "\n".join(lines[start : len(lines) - end])


@cache
def _version(package: str) -> str:
    return version(package)


@cache
def _options(fast: bool) -> Any:
    # Reading the configuration is 6 % of a short call: one for the process.
    from trafilatura.settings import Extractor

    return Extractor(output_format="txt", comments=False, fast=fast)


def _trafilatura(tree: Any, *, fast: bool) -> str:
    from trafilatura import extract

    try:
        return extract(tree, options=_options(fast)) or ""
    except Exception:  # one page must not end a run, whatever its markup does to a library
        return ""


def _resiliparse(html: str) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    try:
        return str(extract_plain_text(html, main_content=True, alt_texts=False, comments=False, post_meta=False))
    except Exception:  # as above
        return ""


def _readability(parse: Callable[[], Any]) -> str:
    try:
        summary = lxml_html.fromstring(_reader()(parse).summary())
    except Exception:  # as above
        return ""
    return " ".join(summary.itertext())


@cache
def _reader() -> Any:
    from readability import Document  # type: ignore[import-untyped]

    class Reader(Document):  # type: ignore[misc]
        """readability without the cleaning of links and attributes for display, half of its time."""

        def _parse(self, parse: Callable[[], Any]) -> Any:
            self.encoding = "utf-8"
            tree = parse()
            etree.strip_elements(tree, "script", "style", "link", with_tail=False)
            for element in tree.xpath("//*[@hidden or @style]"):
                if is_hidden(element.get("style"), element.get("hidden"), ""):
                    element.drop_tree()
            return tree

    return Reader
