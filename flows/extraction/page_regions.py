"""Where on a page the prose stands: readability's idea, on blocks that are read already instead of on a tree of its own.

Every block of prose speaks for the element it stands in and, less, for the two around it; the element most is said
for, links discounted, is the region, and so are siblings that come near it. The page has been walked anyway, so this
costs a tenth of readability-lxml. As a text by itself it is as good on news articles and worse on other pages; as a
witness of where a text begins and ends, heard only where it knows most of that text, it is no worse on any of the
three public sets. Class names count only against an element: weights for promising names helped one set and cost
another.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import lru_cache
from typing import Final, NamedTuple

from flows.extraction.boilerplate import words
from flows.extraction.page_blocks import Ledger
from flows.extraction.walker import Block, Element

_UNLIKELY: Final = re.compile(
    r"combx|comment|community|disqus|extra|foot|header|menu|remark|rss|shoutbox|sidebar|sponsor|ad-break|agegate"
    r"|pagination|pager|popup|tweet|twitter|related|recommend|newsletter|promo",
    re.I,
)
_LIKELY: Final = re.compile(r"and|article|body|column|content|main|shadow", re.I)
_NEVER_UNLIKELY: Final = words("html body main article a")
_ASIDE: Final = words("aside footer nav")
_TAGS: Final = {
    **dict.fromkeys(("article", "main"), 10),
    "div": 5,
    **dict.fromkeys(("pre", "td", "blockquote"), 3),
    **dict.fromkeys(("ol", "ul", "dl", "dt", "dd", "li", "form", "address"), -3),
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6", "th"), -5),
}
_COMMAS: Final = ",、，،"
_SHARES: Final = (1.0, 0.75, 0.5)  # of a block's worth, for its home and the two elements around that
_PROSE: Final = 25  # characters from which a block speaks for its home
_SHORT: Final = 250  # characters under which the unlikely places are looked at too
_SIBLING: Final = (10, 0.2)  # what a sibling has to reach: points, and a share of the best
_SENTENCE: Final = re.compile(r"\.( |$)")
_LOOSE: Final = 80  # characters from which a loose paragraph beside the region belongs to it
_LINKED: Final = 0.5  # share of links from which a block is a menu or a teaser


class _Measured(NamedTuple):
    """A block with the letters of its links and the elements it stands in, the innermost first."""

    block: Block
    linked: int
    chain: tuple[Element, ...]


def region_text(ledger: Ledger) -> str:
    """The text of the blocks that stand where the prose is, a block a line; empty when a page has none."""
    measured = _measure(ledger)
    unlikely: dict[Element, bool] = {}
    for _, _, chain in measured:
        if chain[0] not in unlikely:
            unlikely[chain[0]] = any(map(_is_unlikely, chain))
    found = _region([entry for entry in measured if not unlikely[entry.chain[0]]])
    if sum(len(block.text) for block in found) < _SHORT:
        found = _region(measured)
    return "\n".join(block.text for block in found)


def _measure(ledger: Ledger) -> list[_Measured]:
    chains: dict[Element, tuple[Element, ...]] = {}
    measured, before = [], 0
    for block, home, (links, _, _) in zip(ledger, ledger.homes, ledger.ends, strict=True):
        if block.text and home is not None:
            if home not in chains:
                chains[home] = (home, *home.iterancestors())
            linked = sum(len(str(link["text"])) for link in ledger.walker.links[before:links])
            measured.append(_Measured(block, min(linked, len(block.text)), chains[home]))
        before = links
    return measured


def _is_unlikely(element: Element) -> bool:
    tag = element.tag
    if tag in _ASIDE:
        return True
    return tag not in _NEVER_UNLIKELY and _is_unlikely_name(f"{element.get('class') or ''} {element.get('id') or ''}")


@lru_cache(maxsize=8192)
def _is_unlikely_name(names: str) -> bool:
    return bool(_UNLIKELY.search(names)) and not _LIKELY.search(names)


def _region(measured: list[_Measured]) -> list[Block]:
    scores = _scores(measured)
    if not scores:
        return []
    best = max(scores, key=lambda element: scores[element])
    parent = best.getparent()
    least = max(_SIBLING[0], _SIBLING[1] * scores[best])
    good = {best} | {element for element, score in scores.items() if element.getparent() is parent and score >= least}
    return [
        entry.block
        for entry in measured
        if entry.linked <= _LINKED * len(entry.block.text)
        and (not good.isdisjoint(entry.chain) or _is_loose(entry, parent))
    ]


def _scores(measured: list[_Measured]) -> dict[Element, float]:
    scores: dict[Element, float] = {}
    sizes: dict[tuple[Element, ...], list[int]] = defaultdict(lambda: [0, 0])
    for block, linked, chain in measured:
        length = len(block.text)
        size = sizes[chain]
        size[0] += length
        size[1] += linked
        if length >= _PROSE and block.kind != "heading":
            worth = 1 + sum(map(block.text.count, _COMMAS)) + min(length / 100, 3)
            worth *= 1 - linked / length
            for element, share in zip(chain, _SHARES, strict=False):
                scores[element] = scores.get(element, _TAGS.get(element.tag, 0)) + share * worth
    letters: dict[Element, int] = defaultdict(int)
    links: dict[Element, int] = defaultdict(int)
    for chain, (length, linked) in sizes.items():
        for element in chain:
            letters[element] += length
            links[element] += linked
    return {element: score * (1 - links[element] / letters[element]) for element, score in scores.items()}


def _is_loose(entry: _Measured, parent: Element) -> bool:
    """Tell whether a block straight beside the region reads like a sentence."""
    block, linked, chain = entry
    if chain[0] is not parent:
        return False
    if len(block.text) > _LOOSE:
        return linked < len(block.text) / 4
    return not linked and bool(_SENTENCE.search(block.text))
