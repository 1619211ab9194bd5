"""Recorded cases: an input each, the text and Markdown it must give, and a second reading of the input to judge by.

The second reading shares no code with the extractor: another parser (lexbor, through resiliparse), and one rule, that
whatever a browser can show is content. What the extractor leaves out beyond that has to be named in the case, by a CSS
selector (`left_out`) or as a string (`must_not_appear`).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from resiliparse.parse.html import HTMLTree, NodeType

from flows.extraction.fragments import Extracted, extract_fragment
from flows.extraction.pages import decode_html, extract_page
from flows.extraction.plaintext import extract_markdown, extract_plain_text

FOLDER = Path(__file__).parent / "cases"
FLOOR = FOLDER / "floor.json"
# No date in a recorded page is later, and none becomes implausible as years pass.
NOW = datetime(2025, 1, 1, tzinfo=UTC)
BASE_URL = "https://example.com/2024/05/post/"

_RENDERER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_NEVER_SHOWN = frozenset(
    "script style noscript template head title select datalist textarea svg iframe object canvas rp".split()
)
_BLOCKS = frozenset(
    "address article aside audio blockquote body br caption center dd details dialog dir div dl dt embed fieldset"
    " figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr html input legend li listing main marquee menu nav"
    " ol option p pre search section summary table tbody td tfoot th thead tr ul video xmp".split()
)
_FRONT_MATTER = re.compile(r"\A(---|\+\+\+)\n(?:.*?\n)\1\n", re.S)
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")


@dataclass(frozen=True)
class Result:
    """What presslake makes of a case."""

    text: str
    markdown: str
    facts: dict[str, Any]

    def files(self) -> dict[str, str]:
        """The recorded files by name."""
        facts = json.dumps(self.facts, ensure_ascii=False, indent=1)
        return {"expected.txt": self.text + "\n", "expected.md": self.markdown + "\n", "expected.json": facts + "\n"}


@dataclass(frozen=True)
class Fidelity:
    """How far a result agrees with the second reading, in words."""

    words: int
    lost: Counter[str]
    leaked: Counter[str]
    lost_in_markdown: Counter[str]


@dataclass(frozen=True)
class Case:
    """One folder of `tests/cases`."""

    name: str

    @property
    def folder(self) -> Path:
        """Where the case is."""
        return FOLDER / self.name

    @cached_property
    def meta(self) -> dict[str, Any]:
        """What the case is about: see tests/cases/README.md."""
        return dict(json.loads((self.folder / "meta.json").read_text("utf-8")))

    @cached_property
    def source(self) -> str:
        """The input as text; a JSON input is a post as the REST API sends it."""
        path = next(self.folder.glob("input.*"))
        if path.suffix == ".json":
            return str(json.loads(path.read_text("utf-8"))["content"]["rendered"])
        return decode_html(path.read_bytes(), self.meta.get("content_type"))

    def extract(self) -> Result:
        """Extract the input the way the pipeline does for its kind."""
        url = self.meta.get("url", BASE_URL)
        if self.meta["kind"] == "fragment":
            return _result(extract_fragment(self.source, base_url=url, autop=self.meta.get("autop", False)))
        if self.meta["kind"] == "page":
            page = extract_page(self.source, url=url, now=NOW)
            facts = {
                "title": page.title, "authors": page.authors, "published_at": _iso(page.published_at),
                "modified_at": _iso(page.modified_at), "date_quality": page.date_quality, "url": page.url,
                "site_name": page.site_name, "language": page.language, "excerpt": page.excerpt,
                "image_url": page.image_url, "extractor": page.extractor.split(" ")[0],
            }  # fmt: skip
            return _result(page.extracted, facts)
        read = {"text": extract_plain_text, "markdown": extract_markdown}[self.meta["kind"]]
        found = read(self.source, fallback_title=self.name)
        return _result(
            found.extracted, {"title": found.title, "metadata": json.loads(json.dumps(found.metadata, default=str))}
        )

    def reading(self) -> list[str]:
        """The words a reader of the input sees, by the second reading."""
        if self.meta["kind"] == "text":
            text = self.source
        elif self.meta["kind"] == "markdown":
            body = _FRONT_MATTER.sub("", self.source) if self.meta.get("front_matter", True) else self.source
            text = visible_text(_RENDERER.render(body))
        else:
            source = self.source
            source = _CONTROLS.sub("", source.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
            text = visible_text(source, self.meta.get("article", "body"), self.meta.get("left_out", []))
        for string in self.meta.get("said_twice", []):
            text = text.replace(string, " ", 1)
        for string in sorted(self.meta.get("must_not_appear", []), key=len, reverse=True):
            text = text.replace(string, " ")
        return words(text)

    def fidelity(self, result: Result) -> Fidelity:
        """Compare a result with the second reading."""
        expected = Counter(self.reading())
        title = result.facts.get("title", "") if self.meta["kind"] in ("text", "markdown") else ""
        if title == self.name or result.facts.get("metadata"):  # not from the body
            title = ""
        text = Counter(words(f"{title}\n{result.text}"))
        shown = Counter(words(title + "\n" + visible_text(_RENDERER.render(result.markdown))))
        return Fidelity(sum(expected.values()), expected - text, text - expected, text - shown)


def cases() -> list[Case]:
    """All recorded cases by name."""
    return [Case(path.parent.name) for path in sorted(FOLDER.glob("*/meta.json"))]


def words(text: str) -> list[str]:
    """Words and numbers, compatibility forms unified: the text form raises the 6 of `10⁶`."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def visible_text(html: str, article: str = "body", left_out: list[str] | None = None) -> str:
    """Read everything a browser can show inside `article`, with the numbers of ordered lists."""
    tree = HTMLTree.parse(html if "<body" in html else f"<html><body>{html}</body></html>")
    skipped = {hash(node) for selector in left_out or [] for node in tree.body.query_selector_all(selector)}
    root = tree.body if article == "body" else tree.body.query_selector(article)
    return "".join(_visible(root, skipped, False)) if root else ""


def _visible(node: Any, skipped: set[int], verbatim: bool) -> Iterator[str]:
    number = _start(node)
    before = None
    for child in node.child_nodes:
        if child.type == NodeType.TEXT:
            yield child.text
        elif child.type == NodeType.ELEMENT and child.tag not in _NEVER_SHOWN and hash(child) not in skipped:
            verbatim_here = verbatim or child.tag == "pre"
            if child.tag in _BLOCKS or (child.tag == "a" and before == "a") or _is_footnote_mark(child):
                yield "\n"
            if child.tag == "li" and node.tag == "ol" and not verbatim:
                given = child.getattr("value") or ""
                number = int(given) if given.isdigit() else number
                yield f"{number}. "
                number += -1 if node.hasattr("reversed") else 1
            elif child.tag == "math":
                yield _formula(child)
                continue
            elif child.tag == "img" and {"latex", "emoji", "wp-smiley"} & set(child.class_list):
                yield child.getattr("alt") or ""
            yield from _visible(child, skipped, verbatim_here)
            if child.tag in _BLOCKS:
                yield "\n"
        before = child.tag if child.type == NodeType.ELEMENT else None


def _start(node: Any) -> int:
    if node.tag != "ol":
        return 1
    items = sum(child.type == NodeType.ELEMENT and child.tag == "li" for child in node.child_nodes)
    given = node.getattr("start") or ""
    return int(given) if given.isdigit() else items if node.hasattr("reversed") else 1


def _formula(node: Any) -> str:
    source = node.query_selector("annotation")
    return node.getattr("alttext") or (
        source.text if source else " ".join(leaf.text for leaf in node.query_selector_all("mi, mn, mo, mtext"))
    )


def _is_footnote_mark(node: Any) -> bool:
    link = node.parent if node.parent.tag == "a" else node.query_selector("a[href]")
    return node.tag == "sup" and link is not None and (link.getattr("href") or "")[:1] == "#"


def _result(extracted: Extracted, facts: dict[str, Any] | None = None) -> Result:
    records = {"headings": extracted.headings, "links": extracted.links, "images": extracted.images}
    return Result(extracted.text, extracted.markdown, {**(facts or {}), **records})


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
