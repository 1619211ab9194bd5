"""From an extractor's plain text back to the page's own markup.

Main-content extractors are judged by the text they choose, but their Markdown loses quotations, tables,
nesting and links. So the choice is theirs and the form is ours: the page is walked like a fragment, and the
blocks, of lists the items, that the extractor chose are kept, with their links, headings and images. A chosen
line that no block holds is put in as a paragraph, so nothing chosen is lost.

Pages say things twice (a teaser, a print version), so every chosen line is used up by what it is matched to:
lines the page holds once come first, and what else is chosen lies between them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Final, NamedTuple

from flows.extraction.escaping import escape_line_starts, escape_text
from flows.extraction.fragments import Extracted
from flows.extraction.letters import letters
from flows.extraction.page_blocks import Ledger
from flows.extraction.walker import Block, joined_markdown, joined_text

_LIST_SIGN: Final = re.compile(r"\s*(?:[-*•]|\d{1,9}[.)])\s+")
_NEXT_ITEM: Final = re.compile(r"\n(?=\S)")
_CHOSEN: Final = 0.9  # share of a block's letters that must have been chosen, in lines
_FOUND: Final = 0.8  # share of a line's letters that must be found, in blocks
_LONG: Final = 25  # letters from which a line is not mistaken for another one
_REACH: Final = 3  # blocks a short line may stand away from a chosen one


class _Piece(NamedTuple):
    """A block, or an item of a list: the number of the block, the part, its letters."""

    number: int
    part: Block
    key: str


class _Line(NamedTuple):
    """A chosen line and its letters."""

    text: str
    key: str


def chosen_content(ledger: Ledger, text: str) -> Extracted:
    """Rebuild what an extractor chose; its text has a block a line."""
    key_of = cache(_key)  # nearly every chosen line is a line of the page, to the letter
    pieces = [
        _Piece(number, part, key)
        for number, block in enumerate(ledger)
        for part in _parts(block)
        if (key := _letters(part.text, key_of))
    ]
    lines = [_Line(line, key) for line in text.split("\n") if (key := key_of(line))]
    alignment = _Alignment(pieces, lines)
    alignment.run()
    kept: dict[int, list[Block]] = defaultdict(list)
    for place in sorted(alignment.taken):
        kept[pieces[place].number].append(pieces[place].part)
    _add_wordless(ledger, kept)
    added: dict[int, list[Block]] = defaultdict(list)
    for place, missing in alignment.missing.items():
        added[pieces[place].number if place >= 0 else -1] += map(_paragraph, missing)
    return _content(ledger, kept, added)


def _content(ledger: Ledger, kept: dict[int, list[Block]], added: dict[int, list[Block]]) -> Extracted:
    blocks = list(added.get(-1, ()))
    links: list[dict[str, object]] = []
    images: list[dict[str, object]] = []
    headings: list[dict[str, object]] = []
    for number, block in enumerate(ledger):
        if number in kept:
            part = _joined(block, kept[number])
            blocks.append(part)
            found = ledger.records(number)
            if part is not block:  # the records of items that were not chosen go with them
                found = tuple(
                    [record for record in records if str(record.get("url") or record["text"]) in part.markdown]
                    for records in found
                )
            links += found[0]
            images += found[1]
            headings += found[2]
        blocks += added.get(number, ())
    return Extracted(joined_text(blocks), joined_markdown(blocks), headings, links, images)


def _key(line: str) -> str:
    sign = _LIST_SIGN.match(line)
    return letters(line[sign.end() :] if sign else line)


def _letters(text: str, key_of: Callable[[str], str] = _key) -> str:
    return "".join(map(key_of, text.split("\n"))) if "\n" in text else key_of(text)


def _parts(block: Block) -> list[Block]:
    """The items of a list, everything else whole. Only an item starts a line without indentation."""
    if block.kind[:2] not in ("ul", "ol"):
        return [block]
    texts, marked = _NEXT_ITEM.split(block.text), _NEXT_ITEM.split(block.markdown)
    if len(texts) != len(marked) or len(texts) == 1:
        return [block]
    return [Block(text, markdown, block.kind) for text, markdown in zip(texts, marked, strict=True)]


def _joined(block: Block, parts: list[Block]) -> Block:
    text = "\n".join(part.text for part in parts)
    if text == block.text:
        return block
    return Block(text, "\n".join(part.markdown for part in parts).rstrip("\n"), block.kind)


def _add_wordless(ledger: Ledger, kept: dict[int, list[Block]]) -> None:
    """Keep pictures, and signs that part the text, where a block beside them is kept; never at the ends."""
    for number in range(min(kept, default=0), max(kept, default=0)):
        block = ledger[number]
        beside = number - 1 in kept or number + 1 in kept
        if number not in kept and beside and block.kind != "rule" and not _letters(block.text):
            kept[number] = [block]


def _paragraph(line: str) -> Block:
    text = " ".join(line.split())
    return Block(text, escape_line_starts(escape_text(text)))


@dataclass
class _Alignment:
    """Which pieces were chosen, and which lines are missing after which piece (-1: before all)."""

    pieces: list[_Piece]
    lines: list[_Line]
    taken: set[int] = field(default_factory=set)
    missing: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))

    def run(self) -> None:
        """Match the lines that are pieces, then what lies between them."""
        places: dict[str, list[int]] = defaultdict(list)
        for place, piece in enumerate(self.pieces):
            places[piece.key].append(place)
        spots: list[int | None] = [self._only(places.get(line.key, []), line.key) for line in self.lines]
        self._follow(spots, places)
        first, last = 0, -1
        while first < len(spots):
            spot = spots[first]
            if spot is not None:
                first, last = first + 1, spot
                continue
            end = first
            while end < len(spots) and spots[end] is None:
                end += 1
            following = spots[end] if end < len(spots) else None
            limit = following if following is not None and following > last else len(self.pieces)
            self._fill(self.lines[first:end], last, limit)
            first = end
        self._add_repeated()

    def _only(self, found: list[int], key: str) -> int | None:
        if len(key) < _LONG or len(found) != 1 or found[0] in self.taken:
            return None
        self.taken.add(found[0])
        return found[0]

    def _follow(self, spots: list[int | None], places: dict[str, list[int]]) -> None:
        """Match lines the page holds more than once, or short ones, to the copy that comes next."""
        sure = bool(self.taken)
        following: list[int | None] = [*spots, None]
        for number in range(len(spots) - 1, -1, -1):
            if following[number] is None:
                following[number] = following[number + 1]
        last = -1
        for number, line in enumerate(self.lines):
            spot = spots[number]
            if spot is None:
                copies = [place for place in places.get(line.key, ()) if place not in self.taken]
                spot = self._nearest(copies, last, following[number], len(line.key) >= _LONG, sure) if copies else None
            if spot is not None:
                self.taken.add(spot)
                spots[number] = last = spot

    def _nearest(self, copies: list[int], last: int, following: int | None, long: bool, sure: bool) -> int | None:
        if following is not None and following <= last:
            following = None
        between = [place for place in copies if last < place and (following is None or place < following)]
        if not between:
            return min(copies, key=lambda place: abs(place - last)) if long else None
        found = between[-1] if last < 0 and following is not None else between[0]
        if long or not sure or (last >= 0 and following is not None):
            return found
        beside = last if last >= 0 else following
        return found if beside is not None and self._distance(found, beside) <= _REACH else None

    def _distance(self, one: int, other: int) -> int:
        return abs(self.pieces[one].number - self.pieces[other].number)

    def _add_repeated(self) -> None:
        """Take what was chosen elsewhere and stands right between two chosen pieces: a name above every post."""
        chosen = {line.key for line in self.lines}
        for place in range(1, len(self.pieces) - 1):
            if place - 1 in self.taken and place + 1 in self.taken and self.pieces[place].key in chosen:
                self.taken.add(place)

    def _fill(self, lines: list[_Line], last: int, limit: int) -> None:
        """Find lines that are several pieces each, or parts of one, among the pieces between two places."""
        letters = "".join(line.key for line in lines)
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line.key))
        covered = bytearray(len(letters))
        spans: dict[int, tuple[int, int]] = {}
        reached = 0
        for place in range(last + 1, limit):
            key = self.pieces[place].key
            if place in self.taken or (len(key) < _LONG and last < 0 and not spans):
                continue  # short pieces before all long ones are the menu of a layout table
            start = letters.find(key, reached)
            if start >= 0 and (len(key) >= _LONG or start - reached < _LONG):
                found = [(start, start + len(key))]
            else:
                found = [
                    (start, start + len(line.key))
                    for start, line in zip(starts, lines, strict=False)
                    if not covered[start] and line.key in key
                ]
                lengths = [end - start for start, end in found]
                if sum(lengths) < _CHOSEN * len(key) or max(lengths) < _LONG:
                    continue
            for start, end in found:
                covered[start:end] = b"\1" * (end - start)
            spans[place] = (found[0][0], found[-1][1])
            reached = max(reached, found[-1][1])
        self._settle(lines, last, covered, spans)

    def _settle(self, lines: list[_Line], last: int, covered: bytearray, spans: dict[int, tuple[int, int]]) -> None:
        """Take the pieces found, except of lines too little of which was found: those are put in as they are."""
        begin = 0
        for line in lines:
            end = begin + len(line.key)
            if covered.count(1, begin, end) < _FOUND * (end - begin):
                spans = {place: span for place, span in spans.items() if not begin <= span[0] < span[1] <= end}
                before = [place for place, span in spans.items() if span[1] <= begin]
                self.missing[max(before, default=last)].append(line.text)
            begin = end
        self.taken.update(spans)
