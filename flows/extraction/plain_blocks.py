"""The structure of plain text: paragraphs, lists, headings and rules, told by layout alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from flows.extraction.boilerplate import words

_BULLET: Final = re.compile(
    r"^(?P<indent>\s*)(?P<sign>[•●○◦▪▫■□‣⁃∙·➢➤►✓✔*+–—-]|\(?\d{1,3}[.)]|[a-z]\))\s+(?P<item>\S.*)$"
)
_DASHES: Final = "–—-"  # also how dialogue begins, so one alone makes no list
_ATX: Final = re.compile(r"^\s{0,3}(#{1,6})\s+(\S.*?)\s*#*$")
_UNDERLINE: Final = re.compile(r"^\s*(={3,}|-{3,}|~{3,})\s*$")
_RULE: Final = re.compile(r"^\s*(?:[-_*=~#]\s*){3,}$")
_NUMBERED_HEADING: Final = re.compile(r"^(?:\d{1,3}(?:\.\d{1,3})*[.)]?|[IVXLC]{1,6}\.)\s+(?=\S)")
_CJK: Final = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")
_NOT_LETTERS: Final = re.compile(r"[\W_]+")
_SMALL_WORDS: Final = words(
    "a an the of in on for and or nor but to with from by at as is vs via per into onto over up off out if "
    "than "
    "that s t de la le les des du et un une en au aux der die das und von zu im el los las y del e o da do "
    "dos "
    "van het een op"
)
_MOST_HEADING_WORDS: Final = 12
_LONGEST_HEADING: Final = 100
_LONGEST_TITLE: Final = 200
_UNWRAPPED: Final = 110  # nobody wraps this late: such lines are paragraphs of their own
_NARROWEST_WRAP: Final = 50


@dataclass(slots=True)
class PlainBlock:
    """One block: `kind` is paragraph, heading, list or rule; `items` are (depth, sign, text) of a list."""

    kind: str
    text: str
    level: int = 0
    items: list[tuple[int, str, str]] = field(default_factory=list)


def blocks_of(lines: list[str]) -> list[PlainBlock]:
    """Read lines into blocks, in order and without losing a word."""
    groups = _groups(lines)
    width = _wrap_width(groups)
    blocks: list[PlainBlock] = []
    for index, group in enumerate(groups):
        followed = index + 1 < len(groups)
        block = _heading(group, followed) if len(group) <= 2 else None
        if block is not None:
            blocks.append(block)
        elif len(group) == 1 and _RULE.match(group[0]):
            blocks.append(PlainBlock("rule", ""))
        else:
            _read_group(group, width, blocks)
    return [block for block in _demoted(blocks) if block.text or block.kind == "rule"]


def folded(text: str) -> str:
    """Fold a title for comparison: case, punctuation and spacing aside."""
    return _NOT_LETTERS.sub(" ", text.casefold()).strip() or text.strip()


def is_title_line(line: str, following: str) -> bool:
    """Tell whether a first line can be a title rather than the start of a paragraph or a list."""
    if len(line) > _LONGEST_TITLE or _BULLET.match(line) or _RULE.match(line):
        return False
    if line[-1] in ".;," and len(line) > 80:
        return False
    wrapped = len(line) >= _NARROWEST_WRAP and following[:1].islower()
    return not wrapped


def _groups(lines: list[str]) -> list[list[str]]:
    """Split at blank lines, around ATX headings, and between lines too long to be wrapped ones."""
    groups: list[list[str]] = []
    group: list[str] = []

    def close() -> None:
        nonlocal group
        if any(len(line) > _UNWRAPPED for line in group) and not any(map(_BULLET.match, group)):
            groups.extend([line] for line in group)
        elif group:
            groups.append(group)
        group = []

    for line in lines:
        if not line.strip():
            close()
        elif _ATX.match(line):
            close()
            groups.append([line])
        elif _UNDERLINE.match(line) and len(group) == 1 and not _BULLET.match(group[0]):
            groups.append([group[0], line])
            group = []
        else:
            group.append(line)
    close()
    return groups


def _heading(group: list[str], followed: bool) -> PlainBlock | None:
    line = group[0].strip()
    atx = _ATX.match(group[0])
    if atx and len(group) == 1:
        return PlainBlock("heading", atx.group(2), len(atx.group(1)))
    if len(group) == 2 and _UNDERLINE.match(group[1]):
        return PlainBlock("heading", line, 2 if group[1].strip()[0] == "=" else 3)
    if len(group) != 1 or not followed or len(line) > _LONGEST_HEADING:
        return None
    return PlainBlock("heading", line, 2) if _reads_as_heading(line) else None


def _reads_as_heading(line: str) -> bool:
    """Title Case or ALL CAPS, short, and not closed like a sentence."""
    number = _NUMBERED_HEADING.match(line)
    if _BULLET.match(line) and not number:
        return False
    found = line[number.end() if number else 0 :].split()
    if not found or len(found) > _MOST_HEADING_WORDS or line[-1] in '.,;…"”»':
        return False
    if line.lower().startswith(("by ", "http://", "https://", "www.")) or "@" in line:
        return False
    letters = [word.strip("\"'“”‘’«»()[]*:?!,–—-") for word in found]
    letters = [word for word in letters if word and any(map(str.isalpha, word))]
    if not letters or not letters[0][0].isupper() and not letters[0][0].isdigit():
        return False
    if len(letters) == 1 and line[-1] in "!?":
        return False
    joined = "".join(letters)
    if joined.isupper():
        return len(joined) > 3
    large = [word for word in letters if word.lower() not in _SMALL_WORDS]
    return bool(large) and all(word[0].isupper() or not word[0].islower() for word in large)


def _demoted(blocks: list[PlainBlock]) -> list[PlainBlock]:
    """Three guessed headings in a row are a list of names, not headings."""
    run: list[PlainBlock] = []
    for block in [*blocks, PlainBlock("end", "")]:
        if block.kind == "heading":
            run.append(block)
            continue
        if len(run) >= 3 and all(found.level == 2 for found in run):
            for found in run:
                found.kind = "paragraph"
        run = []
    return blocks


def _wrap_width(groups: list[list[str]]) -> int:
    """The column lines are wrapped at, from the paragraphs of several lines."""
    return max((len(line) for group in groups if len(group) > 1 for line in group), default=0)


def _read_group(group: list[str], width: int, blocks: list[PlainBlock]) -> None:
    """Read lines between two blank lines: list items with what continues them, and prose."""
    prose: list[str] = []
    matches = [_BULLET.match(line) for line in group]
    dashes = sum(match is not None and match["sign"] in _DASHES for match in matches)
    if dashes == 1 == len(list(filter(None, matches))) and not (blocks and blocks[-1].kind == "list"):
        matches = [None if match and match["sign"] in _DASHES else match for match in matches]
    items: list[tuple[int, str, str]] = []
    for line, match in zip(group, matches, strict=True):
        if match:
            if prose:
                blocks.append(_paragraph(prose, width))
                prose = []
            items.append((len(match["indent"]), match["sign"], match["item"].strip()))
        elif items and (line[0] == " " or len(group) > 1):
            indent, sign, item = items[-1]
            items[-1] = (indent, sign, _joined([item, line.strip()]))
        else:
            prose.append(line.strip())
    if prose:
        blocks.append(_paragraph(prose, width))
    if items:
        _add_list(items, blocks)


def _add_list(items: list[tuple[int, str, str]], blocks: list[PlainBlock]) -> None:
    columns: list[int] = []
    levelled: list[tuple[int, str, str]] = []
    for column, sign, item in items:
        while columns and column < columns[-1]:
            columns.pop()
        if not columns or column > columns[-1] + 1:
            columns.append(column)
        digits = "".join(filter(str.isdigit, sign))
        levelled.append((len(columns) - 1, f"{digits}." if digits else "-", item))
    previous = blocks[-1] if blocks else None
    same = previous is not None and previous.kind == "list"
    if previous is not None and same and previous.items[0][1][0].isdigit() == levelled[0][1][0].isdigit():
        previous.items += levelled  # items set apart by blank lines are one list
        previous.text = _list_text(previous.items)
    else:
        blocks.append(PlainBlock("list", _list_text(levelled), items=levelled))


def _list_text(items: list[tuple[int, str, str]]) -> str:
    return "\n".join("  " * depth + f"{sign} {item}" for depth, sign, item in items)


def _paragraph(lines: list[str], width: int) -> PlainBlock:
    return PlainBlock("paragraph", _joined(lines) if _is_wrapped(lines, width) else "\n".join(lines))


def _is_wrapped(lines: list[str], width: int) -> bool:
    """Tell whether line breaks are the editor's: each line was full, the next word would not have fitted."""
    if len(lines) < 2:
        return True
    widest = max(map(len, lines[:-1]))
    limit = max(widest, min(width, _UNWRAPPED) if width - widest <= 8 else widest)
    cjk = bool(_CJK.search(lines[0]))
    if limit < (_NARROWEST_WRAP // 2 if cjk else _NARROWEST_WRAP):
        return False
    full = sum(
        len(line) + 1 + (1 if cjk else len(following.split(" ", 1)[0])) >= limit * 0.92
        for line, following in zip(lines, lines[1:], strict=False)
    )
    return full >= 0.8 * (len(lines) - 1)


def _joined(lines: list[str]) -> str:
    text = lines[0]
    for line in lines[1:]:
        glued = _CJK.match(line[0]) and _CJK.match(text[-1])
        text += line if glued else " " + line
    return text
