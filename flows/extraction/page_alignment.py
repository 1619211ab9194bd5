"""From an extractor's plain text back to the page's own markup.

Main-content extractors are judged by the text they choose, but their Markdown loses quotations, tables,
nesting and links. So the choice is theirs and the form is ours: the page is walked like a fragment, and the
blocks whose lines the extractor chose are kept, with their links, headings and images. A chosen line that
no block holds is put in as a paragraph, so nothing chosen is lost.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, SupportsIndex

from flows.extraction.escaping import escape_line_starts, escape_text
from flows.extraction.fragments import Extracted, walker_for
from flows.extraction.walker import Block, Walker, joined_markdown, joined_text

_NOT_WORDS: Final = re.compile(r"[\W_]+")
_LIST_SIGN: Final = re.compile(r"^\s*(?:[-*•]|\d{1,9}[.)])\s+")
_COVERED: Final = 0.8  # share of a block's letters the extractor must have chosen; lists come whole or not at all
_LONG: Final = 25  # letters from which a line is not mistaken for another one
_PIECE: Final = 40
_REACH: Final = 3  # blocks a short line may stand away from a long chosen one


class Ledger(list[Block]):
    """Blocks with the number of links, images and headings that stood recorded when each was added."""

    def __init__(self, walker: Walker) -> None:
        super().__init__()
        self._walker = walker
        self.ends: list[tuple[int, int, int]] = []

    def append(self, block: Block) -> None:
        """Add a block and note the state of the records."""
        super().append(block)
        walker = self._walker
        self.ends.append((len(walker.links), len(walker.images), len(walker.headings)))

    def extend(self, blocks: Iterable[Block]) -> None:
        """Add blocks one by one."""
        for block in blocks:
            self.append(block)

    def __iadd__(self, blocks: Iterable[Block]) -> Ledger:  # type: ignore[override,misc]
        """Add blocks one by one."""
        self.extend(blocks)
        return self

    def pop(self, index: SupportsIndex = -1) -> Block:
        """Remove a block with its note."""
        self.ends.pop(index)
        return super().pop(index)


@dataclass(frozen=True, slots=True)
class Walked:
    """A page read into blocks, before anything is chosen."""

    ledger: Ledger
    walker: Walker

    def chosen_by(self, text: str) -> Extracted:
        """Rebuild what an extractor chose; its text has a block a line."""
        lines = [line for line in map(_key, text.split("\n")) if line]
        kept = _kept(self.ledger, lines)
        blocks = _with_missing(self.ledger, kept, text)
        links, images, headings = _records(self.ledger, kept, self.walker)
        return Extracted(joined_text(blocks), joined_markdown(blocks), headings, links, images)


def walked(root: Any, base_url: str | None) -> Walked:
    """Read a parsed page into blocks; the tree is not changed."""
    walker = walker_for(base_url)
    ledger = Ledger(walker)
    walker.blocks = ledger
    walker.flow(root)
    walker.flush()
    return Walked(ledger, walker)


def _key(line: str) -> str:
    return _NOT_WORDS.sub("", _LIST_SIGN.sub("", line).casefold())


def _kept(ledger: Ledger, lines: list[str]) -> list[int]:
    """Indexes of the blocks the extractor chose, image-only blocks between them included."""
    keys = [_keys(block) for block in ledger]
    choice = _Choice(lines, {key for found in keys for key in found})
    shares = [choice.share(found) for found in keys]
    sure = [index for index, (share, long) in enumerate(shares) if share >= _COVERED and long]
    near: set[int] = set()
    for index in sure:
        near.update(range(index - _REACH, index + _REACH + 1))
    inside = {
        index for index, (share, long) in enumerate(shares) if share >= _COVERED and (long or index in near or not sure)
    }
    for index in range(min(inside, default=0), max(inside, default=0)):
        block = ledger[index]
        if not block.text and block.kind != "rule" and (index - 1 in inside or index + 1 in inside):
            inside.add(index)
    return sorted(inside)


def _keys(block: Block) -> list[str]:
    return list(filter(None, map(_key, re.split(r"\n| \| ", block.text))))


class _Choice:
    """The lines an extractor chose, each to be matched as often as it was chosen.

    Pages hold an article twice (a print version, a preview), and only one of the two was meant.
    """

    def __init__(self, lines: list[str], whole: set[str]) -> None:
        self._chosen = Counter(lines)
        self._used: Counter[str] = Counter()
        # A line the page holds as it was chosen is no reason to keep a part of it that stands elsewhere as a teaser.
        self._joined = "\n".join(line for line in lines if line not in whole)

    def share(self, keys: list[str]) -> tuple[float, bool]:
        """How much of a block was chosen, and whether a line long enough to be sure of was."""
        total = sum(map(len, keys))
        matched = [key for key in keys if self._is_left(key)]
        covered = sum(map(len, matched))
        if not total or covered < _COVERED * total:
            return 0.0, False
        self._used.update(matched)
        return covered / total, any(len(key) >= _LONG for key in matched)

    def _is_left(self, key: str) -> bool:
        used = self._used[key]
        if used < self._chosen[key]:
            return True
        if len(key) < _LONG:  # a short line may stand in the page before its true place, so it stays free
            return used > 0 and key in self._chosen
        return used < self._joined.count(key)


def _with_missing(ledger: Ledger, kept: list[int], chosen: str) -> list[Block]:
    """The kept blocks in order, with chosen lines none of them holds put where they were chosen."""
    keys = [_key(ledger[index].text.replace("\n", " ")) for index in kept]
    held = [_NOT_WORDS.sub("", ledger[index].text.casefold()) for index in kept]
    everything = "".join(held)
    blocks = [ledger[index] for index in kept]
    added: dict[int, list[Block]] = {}
    position = -1  # the kept block the last chosen line was found in
    offsets: dict[str, int] = {}
    for number, key in enumerate(keys):
        offsets.setdefault(key, number)
    for line in chosen.split("\n"):
        key = _key(line)
        if not key:
            continue
        if key in offsets:
            position = max(position, offsets[key])
        elif not _is_held(key, everything):
            text = " ".join(line.split())
            added.setdefault(position, []).append(Block(text, escape_line_starts(escape_text(text))))
    result = added.get(-1, [])[:]
    for number, block in enumerate(blocks):
        result.append(block)
        result += added.get(number, [])
    return result


def _is_held(key: str, everything: str) -> bool:
    """Tell whether a chosen line is in the kept blocks, perhaps split: layout tables come as one line."""
    if key in everything:
        return True
    pieces = [key[start : start + _PIECE] for start in range(0, len(key), _PIECE)]
    return len(pieces) > 2 and sum(piece in everything for piece in pieces) >= _COVERED * len(pieces)


def _records(ledger: Ledger, kept: list[int], walker: Walker) -> tuple[list[dict[str, object]], ...]:
    sources = (walker.links, walker.images, walker.headings)
    found: tuple[list[dict[str, object]], ...] = ([], [], [])
    for index in kept:
        before = ledger.ends[index - 1] if index else (0, 0, 0)
        for source, target, start, end in zip(sources, found, before, ledger.ends[index], strict=True):
            target += source[start:end]
    return found
