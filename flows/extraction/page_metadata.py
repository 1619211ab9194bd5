"""What a page says about itself: JSON-LD, meta elements, time markup; title, dates, authors, language."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urljoin

from lxml import etree

from flows.extraction.boilerplate import words
from flows.extraction.fragments import plain_inline
from flows.extraction.page_choice import Kind

Element = Any  # lxml's elements carry no types

_ARTICLE_TYPES: Final = re.compile(r"Article|Posting|Report|Review|Recipe|WebPage|CreativeWork|Book|Course|Event$")
_EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
_TOLERANCE: Final = timedelta(days=1)  # clocks and time zones of publishers
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|\d{3}))?")
_PUBLISHED_METAS: Final = (
    "article:published_time", "og:article:published_time", "og:published_time", "datepublished",
    "date.issued",
    "dc.date.issued", "dcterms.issued", "dcterms.created", "dc.date", "sailthru.date", "parsely-pub-date",
    "publication_date", "publishdate", "pubdate", "citation_publication_date", "cxenseparse:recs:publishtime",
)  # fmt: skip
_MODIFIED_METAS: Final = (
    "article:modified_time", "og:article:modified_time", "og:updated_time", "datemodified",
    "dcterms.modified",
    "last-modified", "lastmod",
)  # fmt: skip
_TYPES: Final = re.compile(r'"@type"\s*:\s*(\[[^\]]*\]|"[^"]*")')
_NAMES: Final = re.compile(r'"([^"]+)"')
_ARTICLES: Final = words(
    "article Article NewsArticle BlogPosting ReportageNewsArticle AnalysisNewsArticle OpinionNewsArticle Report "
    "ScholarlyArticle TechArticle Review"
)
_ITEM_TYPES: Final = etree.XPath("//@itemtype")
_MOST_NODES: Final = 2000


@dataclass(frozen=True, slots=True)
class Dated:
    """One date as found: its moment in UTC (None when implausible) and how far it can be trusted."""

    moment: datetime | None
    quality: str


def metas(tree: Element) -> dict[str, str]:
    """All `<meta>` values by lower-case name, property or itemprop; the first of a name wins."""
    found: dict[str, str] = {}
    for element in tree.iter("meta"):
        content = (element.get("content") or "").strip()
        for attribute in ("property", "name", "itemprop", "http-equiv"):
            name = (element.get(attribute) or "").strip().lower()
            if name and content:
                found.setdefault(name, content)
    return found


def linked_data(tree: Element) -> dict[str, Any]:
    """The JSON-LD node that describes the page's article; empty when there is none or it is broken."""
    best: dict[str, Any] = {}
    best_rank = 0
    for script in tree.iter("script"):
        if "ld+json" not in (script.get("type") or "").lower() or not script.text:
            continue
        try:
            data = json.loads(script.text.strip().rstrip(";"), strict=False)
        except (ValueError, RecursionError):
            continue
        for node in _nodes(data):
            rank = _rank(node)
            if rank > best_rank:
                best, best_rank = node, rank
    return best


def _nodes(data: Any) -> Iterator[dict[str, Any]]:
    pending, seen = [data], 0
    while pending and seen < _MOST_NODES:
        node = pending.pop(0)
        seen += 1
        if isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            yield node
            pending += [node[key] for key in ("@graph", "mainEntity", "mainEntityOfPage") if key in node]


def _rank(node: dict[str, Any]) -> int:
    types = node.get("@type")
    names = " ".join(map(str, types)) if isinstance(types, list) else str(types or "")
    if not _ARTICLE_TYPES.search(names):
        return 0
    specific = "Article" in names or "Posting" in names or "Report" in names
    return 1 + 2 * specific + ("datePublished" in node)


def kind_of(tree: Element) -> Kind:
    """Tell whether a page calls itself an article or a product: OpenGraph, JSON-LD (even broken), microdata."""
    types = {
        (element.get("content") or "").lower() for element in tree.iter("meta") if element.get("property") == "og:type"
    }
    for script in tree.iter("script"):
        if "ld+json" in (script.get("type") or "").lower() and script.text:
            types.update(name for found in _TYPES.findall(script.text) for name in _NAMES.findall(found))
    types.update(address.rpartition("/")[2] for address in _ITEM_TYPES(tree))
    return Kind(article=not types.isdisjoint(_ARTICLES), product="Product" in types)


def page_dates(
    tree: Element, meta: dict[str, str], data: dict[str, Any], now: datetime
) -> tuple[datetime | None, datetime | None, str]:
    """Find when a page was published and modified.

    Sources in order of trust: JSON-LD, meta elements, time markup, then what htmldate reads without its
    extensive search, which invents dates.

    Returns:
        Both moments in UTC and the quality of the first: `ok`, `local_time` (no time zone or no time given),
        `missing`, `implausible` (before 1990 or in the future; not returned).
    """
    published = _first_date(_published_candidates(tree, meta, data), now)
    if published is None:
        published = _first_date(_searched(tree, now), now)
    modified = _first_date(iter([data.get("dateModified"), *(meta.get(name) for name in _MODIFIED_METAS)]), now)
    return (
        published.moment if published else None,
        modified.moment if modified else None,
        published.quality if published else "missing",
    )


def _published_candidates(tree: Element, meta: dict[str, str], data: dict[str, Any]) -> Iterator[object]:
    yield data.get("datePublished")
    yield data.get("dateCreated")
    for name in _PUBLISHED_METAS:
        yield meta.get(name)
    for element in tree.iter("time"):
        names = f"{element.get('class') or ''} {element.get('itemprop') or ''}".lower()
        if element.get("pubdate") is not None or re.search(r"publish|entry-date|post-date|dt-published", names):
            yield element.get("datetime")


def _searched(tree: Element, now: datetime) -> Iterator[object]:
    from htmldate import find_date

    try:
        yield find_date(tree, extensive_search=False, original_date=True, max_date=now + _TOLERANCE)
    except Exception:  # a third-party search over arbitrary markup must not lose the page
        return


def _first_date(candidates: Iterator[object], now: datetime) -> Dated | None:
    implausible = None
    for candidate in candidates:
        parsed = parse_date(candidate)
        if parsed is None or parsed.moment is None:
            continue
        if _EARLIEST <= parsed.moment <= now + _TOLERANCE:
            return parsed
        implausible = Dated(None, "implausible")
    return implausible


def parse_date(value: object) -> Dated | None:
    """Read a date in ISO 8601 (loosely), RFC 2822 or `YYYY/MM/DD`; None when it is none of these."""
    if not isinstance(value, str) or not value.strip():
        return None
    text = " ".join(value.split())
    text = re.sub(r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})", r"\1-\2-\3", text)
    text = re.sub(r"^(\d{4})-(\d)(?=-)", r"\1-0\2", text)
    text = re.sub(r"^(\d{4}-\d\d)-(\d)(?=\D|$)", r"\1-0\2", text)
    text = re.sub(r"^(\d.*?)\s+(?:UTC|GMT|Z)$", r"\1Z", text)
    text = re.sub(r"(\d)\s+([+-]\d\d:?\d\d)$", r"\1\2", text)
    moment = _moment(text)
    if moment is None:
        return None
    try:
        if moment.tzinfo is None:
            return Dated(moment.replace(tzinfo=UTC), "local_time")
        return Dated(moment.astimezone(UTC), "ok")
    except OverflowError:
        return None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        pass
    match = re.match(r"\d{4}-\d\d-\d\d", text)
    try:
        return datetime.fromisoformat(match.group()) if match else None
    except ValueError:
        return None


def declared_language(tree: Element, meta: dict[str, str]) -> str | None:
    """The language a page declares, as BCP 47 (`en_US` becomes `en-US`)."""
    root = tree if tree.tag == "html" else tree.getroottree().getroot()
    for value in (
        root.get("lang"),
        root.get("{http://www.w3.org/XML/1998/namespace}lang"),
        root.get("xml:lang"),
    ):
        if value:
            break
    else:
        value = meta.get("og:locale") or meta.get("content-language") or meta.get("language") or ""
    value = value.split(",")[0].strip().replace("_", "-")
    if not _LANGUAGE.fullmatch(value):
        value = value.split("-")[0]
        if not _LANGUAGE.fullmatch(value):
            return None
    parts = value.split("-")
    shaped = [part.title() if len(part) == 4 else part.upper() for part in parts[1:]]
    return "-".join([parts[0].lower(), *shaped])


def page_authors(data: dict[str, Any], guessed: str | None) -> list[str]:
    """Authors by name, from JSON-LD, else from the `A; B` trafilatura finds; no addresses, no duplicates."""
    given = data.get("author") or data.get("creator") or []
    names: list[object] = []
    for entry in given if isinstance(given, list) else [given]:
        name = entry.get("name") if isinstance(entry, dict) else entry
        names += name if isinstance(name, list) else [name]
    cleaned = [plain_inline(name) for name in names if isinstance(name, str)]
    if not any(cleaned):
        cleaned = [plain_inline(name) for name in (guessed or "").split(";")]
    kept = [name for name in cleaned if name and "://" not in name and len(name) <= 120]
    return list(dict.fromkeys(kept))


def canonical_url(tree: Element, meta: dict[str, str], url: str | None) -> str | None:
    """The address a page gives itself, else the one it was fetched from."""
    candidates = [
        link.get("href") for link in tree.iter("link") if "canonical" in (link.get("rel") or "").lower().split()
    ]
    for candidate in [*candidates, meta.get("og:url")]:
        absolute = absolute_url(candidate, url)
        if absolute:
            return absolute
    return url


def absolute_url(value: object, base: str | None) -> str | None:
    """Resolve an address; None unless the result is an http or https one."""
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        resolved = urljoin(base or "", value.strip())
    except ValueError:
        return None
    return resolved if resolved[:7].lower() == "http://" or resolved[:8].lower() == "https://" else None


def lead_image(meta: dict[str, str], data: dict[str, Any], url: str | None) -> str | None:
    """The picture a page is shared with."""
    image = data.get("image")
    while isinstance(image, (list, dict)):
        image = (image[0] if image else None) if isinstance(image, list) else image.get("url")
    for candidate in (meta.get("og:image"), meta.get("og:image:url"), meta.get("twitter:image"), image):
        absolute = absolute_url(candidate, url)
        if absolute:
            return absolute
    return None
