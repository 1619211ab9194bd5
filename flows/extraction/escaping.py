"""Markdown escaping: text that reads the same after a CommonMark or GFM renderer has been over it.

Only characters that would really become markup are escaped, so `snake_case`, `AT&T` and `3 < 4` stay
readable.
"""

from __future__ import annotations

import re
from typing import Final

_MARKUP: Final = re.compile(
    r"[`*\[\]]"
    r"|\\(?=[!-/:-@\[-`{-~]|$)"  # a backslash means something only before punctuation
    r"|(?<![^\W_])_|_(?![^\W_])"  # an underscore inside a word is text
    r"|<(?=[A-Za-z/!?]|$)"
    r"|&(?=#?\w{1,32};|$)"
    r"|~(?=~)|(?<=~)~"
)
# What makes a list, a heading, a quotation, a rule or a table of a line's beginning.
_LINE_START: Final = re.compile(
    r"^(?=#{1,6}(?:\s|$)|>|[+-](?:\s|$)|(?:-[ \t]*){3,}$|=+[ \t]*$|\|?[ \t]*:?-+:?[ \t]*\|)"
    r"|^(\d{1,9})(?=[.)](?:\s|$))",
    re.M,
)
_SIGNS: Final = "_*[]&<`~\\"
_STARTERS: Final = frozenset("#>+-=|:0123456789")
_TRAILING_HASHES: Final = re.compile(r"(^|\s)(#+\s*)$")
_URL: Final = re.compile(
    r"(?:https?://|www\.(?=[\w-]+\.\w))[^\s<>\"“”。，、；：！？（）「」]*[^\s<>\"“”。，、；：！？（）「」.,;:!?'’)\]}…*_]"
)
_TICKS: Final = re.compile(r"`+")


def escape_text(text: str) -> str:
    """Escape the inline markup characters of a piece of text."""
    # In a long text, nine looks for a character each cost less than one for any of the nine.
    if (
        "_" in text or "*" in text or "[" in text or "]" in text or "&" in text
        or "<" in text or "`" in text or "~" in text or "\\" in text
    ):  # fmt: skip
        return _MARKUP.sub(_escaped, text)
    return text


def escape_texts(texts: list[str]) -> list[str]:
    """Escape many texts: what each of them would be by itself, at the price of those that need it."""
    whole = "".join(texts)
    signs = [sign for sign in _SIGNS if sign in whole]
    if not signs:
        return texts
    # An ampersand alone means something only before the rest of a reference.
    is_tame = signs == ["&"] and ";" not in whole
    escaped = list(texts)
    # A text with several signs is escaped once.
    for place in {place for sign in signs for place, text in enumerate(texts) if sign in text}:
        if not is_tame or texts[place][-1] == "&":
            escaped[place] = _MARKUP.sub(_escaped, texts[place])
    return escaped


def _escaped(match: re.Match[str]) -> str:
    return "\\" + match[0]  # a template would be looked up for every text


def escape_line_starts(markdown: str) -> str:
    r"""Escape what a renderer would take for a block at the start of a line.

    `1. May` becomes `1\. May`.
    """
    if "\n" not in markdown and markdown[:1] not in _STARTERS:
        return markdown
    return _LINE_START.sub(lambda match: (match.group(1) or "") + "\\", markdown)


def autolinked(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Escape a piece of text and make links of the bare addresses in it.

    Returns:
        The Markdown, and the address and the shown text of every link.
    """
    parts: list[str] = []
    found: list[tuple[str, str]] = []
    position = 0
    for match in _URL.finditer(text):
        shown = match.group()
        url = shown if shown[0] in "hH" else "http://" + shown
        parts += (
            escape_text(text[position : match.start()]),
            f"<{shown}>" if url == shown else link(escape_text(shown), url),
        )
        found.append((url, shown))
        position = match.end()
    parts.append(escape_text(text[position:]))
    return "".join(parts), found


def escape_heading(markdown: str) -> str:
    """Escape the hashes at the end of a heading (`C #`), which would count as its closing sequence."""
    return _TRAILING_HASHES.sub(r"\1\\\2", markdown) if markdown.endswith("#") else markdown


def code_span(code: str) -> str:
    """Write inline code with a fence longer than any run of backticks inside it."""
    runs = {len(run) for run in _TICKS.findall(code)}
    fence = next("`" * size for size in range(1, len(runs) + 2) if size not in runs)
    pad = " " if code[0] == "`" or code[-1] == "`" or (code[0] == code[-1] == " " and code.strip()) else ""
    return f"{fence}{pad}{code}{pad}{fence}"


def code_block(code: str, language: str = "") -> str:
    """Write a fenced block whose fence no line of the code can close."""
    longest = max(map(len, _TICKS.findall(code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"


def destination(url: str) -> str:
    """Write a link destination: spaces and angle brackets encoded, `<…>` around parentheses."""
    if " " in url or "<" in url or ">" in url or "\n" in url:
        url = "".join(url.split("\n")).replace(" ", "%20").replace("<", "%3C").replace(">", "%3E")
    if "\\" in url:
        url = url.replace("\\", "%5C")
    return f"<{url}>" if "(" in url or ")" in url or not url else url


def link(label: str, url: str) -> str:
    """Write an inline link."""
    return f"[{label}]({destination(url)})"


def image(alt: str, url: str) -> str:
    """Write an inline image."""
    return f"![{escape_text(alt)}]({destination(url)})"
