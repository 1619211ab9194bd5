"""Local documents that are not HTML: plain text and Markdown with front matter.

Plain text has structure only by habit, so the rules are conservative: what is not clearly a heading, a list
or a wrapped paragraph stays what it is, line by line. Nothing is dropped but the title, which is returned
by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from flows.extraction.escaping import autolinked, escape_line_starts
from flows.extraction.fragments import Extracted, clean, extract_fragment
from flows.extraction.plain_blocks import PlainBlock, blocks_of, folded, is_title_line

_MARKDOWN_SUFFIXES: Final = (".md", ".markdown", ".mdown", ".mkd", ".mkdn", ".mdx", ".qmd", ".rmd")
_FRONT_MATTER: Final = re.compile(
    r"\A\s*(?:---[ \t]*\n(?P<yaml>.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)|\+\+\+[ \t]*\n(?P<toml>.*?)^\+\+\+[ "
    r"\t]*(?:\n|\Z))",
    re.S | re.M,
)
_LONGEST_FRONT_MATTER: Final = 100_000
_MOST_VALUES: Final = 100_000
# Two of these in a text with another suffix, or front matter, and it was written as Markdown.
_SIGNS: Final = tuple(
    re.compile(pattern, re.M)
    for pattern in (
        r"^#{1,6} \S",
        r"^(?:```|~~~)",
        r"!?\[[^\]\n]+\]\([^)\s]+\)",
        r"^\|?[ \t]*:?-{3,}:?[ \t]*\|",
        r"(?<!\*)\*\*[^\s*][^*\n]*\*\*(?!\*)",
        r"^\S[^\n]*\n(?:={3,}|-{3,})$",
        r"^> \S",
        r"(?<!`)`[^`\n]+`(?!`)",
    )
)


@dataclass(frozen=True, slots=True)
class LocalText:
    """A local document.

    Attributes:
        title: The title, which is not repeated in the content.
        extracted: The content.
        metadata: The front matter as it was written; empty for plain text.
    """

    title: str
    extracted: Extracted
    metadata: dict[str, object]


def extract_plain_text(text: str, *, fallback_title: str) -> LocalText:
    """Extract a plain text.

    The title is the first line, unless that is clearly a sentence of a paragraph; the same title standing
    again as the first heading is dropped once.

    Args:
        text: The text.
        fallback_title: The title when no line can be one, usually the file's name.
    """
    lines = _lines(text)
    title, lines = _take_title(lines)
    blocks = blocks_of(lines)
    if title and blocks and folded(blocks[0].text) == folded(title):
        blocks = blocks[1:]
    links: list[dict[str, object]] = []
    marked = [_to_markdown(block, links) for block in blocks]
    extracted = Extracted(
        text="\n\n".join(block.text for block in blocks if block.text),
        markdown="\n\n".join(marked),
        headings=[{"level": block.level, "text": block.text} for block in blocks if block.kind == "heading"],
        links=links,
        images=[],
    )
    return LocalText(title or fallback_title, extracted, {})


def extract_markdown(text: str, *, fallback_title: str, base_url: str | None = None) -> LocalText:
    """Extract a Markdown document.

    `markdown` stays as written, less the front matter and the heading that is the title; the other forms come
    from what it renders to (CommonMark, tables, strikethrough).

    Args:
        text: The document.
        fallback_title: The title when neither the front matter nor a first-level heading gives one.
        base_url: To resolve relative links and images.
    """
    metadata, body = _front_matter(_unified(text))
    given = metadata.get("title")
    title = " ".join(str(given).split()) if isinstance(given, (str, int, float)) else ""
    lines = body.split("\n")
    tokens = _renderer().parse(body)
    for index, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h1" and token.level == 0 and token.map:
            shown = _rendered_text(tokens[index + 1].content)
            if not title or folded(shown) == folded(title):
                title = title or shown
                del lines[token.map[0] : token.map[1]]
            break
    body = "\n".join(lines).strip("\n")
    found = extract_fragment(_renderer().render(body), base_url=base_url)
    extracted = Extracted(found.text, body, found.headings, found.links, found.images)
    return LocalText(title or fallback_title, extracted, metadata)


def looks_like_markdown(text: str, name: str) -> bool:
    """Tell whether a file is Markdown: by its suffix, by front matter, else by two different signs of it."""
    if name.lower().endswith(_MARKDOWN_SUFFIXES):
        return True
    head = text[:20_000].replace("\r\n", "\n").lstrip("\ufeff")
    metadata, _ = _front_matter(head)
    return bool(metadata) or sum(sign.search(head) is not None for sign in _SIGNS) >= 2


def _unified(text: str) -> str:
    return clean(text.replace("\r\n", "\n").replace("\r", "\n"))


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in _unified(text).replace("\f", "\n\n").expandtabs(4).split("\n")]


def _take_title(lines: list[str]) -> tuple[str, list[str]]:
    """Take the first line as the title, with the underline or the `#` that marked it."""
    start = next((index for index, line in enumerate(lines) if line.strip()), None)
    if start is None:
        return "", []
    line, rest = lines[start].strip(), lines[start + 1 :]
    following = rest[0].strip() if rest else ""
    if re.match(r"#{1,6}\s+\S", line):
        return line.strip("#").strip(), rest
    if re.fullmatch(r"={3,}|-{3,}|\*{3,}|~{3,}", following):
        return line, rest[1:]
    if is_title_line(line, following):
        return " ".join(line.split()), rest
    return "", lines[start:]


def _to_markdown(block: PlainBlock, links: list[dict[str, object]]) -> str:
    if block.kind == "rule":
        return "---"
    if block.kind == "heading":
        return "#" * block.level + " " + _escaped(block.text, links)
    if block.kind == "list":
        lines = []
        indents = [0]
        for depth, sign, item in block.items:
            sign = sign if sign[0].isdigit() else "-"
            del indents[depth + 1 :]
            indent = indents[min(depth, len(indents) - 1)]
            indents.append(indent + len(sign) + 1)
            lines.append(" " * indent + f"{sign} {_escaped(item, links)}")
        return "\n".join(lines)
    return "  \n".join(_escaped(line, links) for line in block.text.split("\n"))


def _escaped(text: str, links: list[dict[str, object]]) -> str:
    markdown, found = autolinked(text)
    links += [{"url": url, "text": shown, "rel": None, "is_internal": False} for url, shown in found]
    return escape_line_starts(markdown)


def _front_matter(text: str) -> tuple[dict[str, object], str]:
    match = _FRONT_MATTER.match(text) if text.lstrip()[:3] in ("---", "+++") else None
    if match is None or match.end() > _LONGEST_FRONT_MATTER:
        return {}, text
    source = match.group("yaml")
    try:
        metadata = _yaml(source) if source is not None else _toml(match.group("toml"))
    except ValueError:  # not front matter after all, or broken: nothing may be lost, so it stays in the body
        return {}, text
    if not isinstance(metadata, dict):
        return {}, text
    return {str(key): value for key, value in metadata.items()}, text[match.end() :]


def _yaml(source: str) -> object:
    import yaml

    try:
        metadata = yaml.safe_load(source) or {}
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from error
    # Aliases of aliases unroll to more than any memory holds, or lead back to themselves.
    pending, count = [metadata], 0
    while pending:
        value, count = pending.pop(), count + 1
        if count > _MOST_VALUES:
            raise ValueError("its aliases unroll without end")
        if isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list | tuple | set):
            pending += value
    return metadata


def _toml(source: str) -> object:
    import tomllib

    return tomllib.loads(source)  # TOMLDecodeError is a ValueError


@cache
def _renderer() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


def _rendered_text(inline: str) -> str:
    return extract_fragment(_renderer().renderInline(inline)).text.replace("\n", " ")
