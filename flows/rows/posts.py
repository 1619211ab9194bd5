"""From WordPress's REST objects to rows: posts of every type, and the people, terms, media and comments around them.

Field names as in the WordPress REST API handbook, ``wp/v2``, WordPress 4.7 to 7.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import tzinfo
from html import unescape
from typing import Any
from urllib.parse import unquote, urlsplit

from flows.extraction.fragments import EXTRACTOR, Extracted, extract_fragment, plain_inline
from flows.extraction.language import language, reading_time_s, word_count
from flows.readers.restobjects import related, rendered, shape_of
from flows.rows.moments import judged, moment, zone
from schemas.columns import Row
from schemas.errors import RecordError
from schemas.keys import content_sha256, site_bucket
from schemas.records import RawRecord

_MAPPED = {
    "id", "date", "date_gmt", "modified", "modified_gmt", "slug", "status", "type", "link", "title", "content",
    "excerpt", "author", "featured_media", "comment_status", "sticky", "parent", "menu_order", "_embedded", "password",
}  # fmt: skip
_BUILT_IN_TAXONOMIES = {"categories": "category", "tags": "post_tag"}
_EDITORIAL = ("meta", "acf")


def _id(value: Any) -> str | None:
    """Return an id as text; WordPress writes 0 or false for none."""
    return None if value in (None, 0, False, "", "0") else str(value)


def document_row(
    record: RawRecord,
    *,
    title: str,
    extracted: Extracted,
    declared_language: str | None,
    extractor: str,
    **columns: Any,
) -> Row:
    """Return a ``documents`` row: what was extracted, what derives from it, lineage, and the columns given."""
    words = word_count(extracted.text)
    return {
        "site_bucket": site_bucket(record.site), "site": record.site, "kind": record.kind, "id": record.id,
        "document_version": 1, "valid_from": record.fetched_at, "first_seen_at": record.fetched_at,
        "title": title, "text": extracted.text, "markdown": extracted.markdown,
        "language": declared_language or language(extracted.text), "images": extracted.images,
        "links": extracted.links, "headings": extracted.headings, "word_count": words,
        "reading_time_s": reading_time_s(words), "content_sha256": content_sha256(title, extracted.text),
        "source": record.source, "_source": record.given_source, "_raw_sha256": record.sha256,
        "_ingested_at": record.fetched_at, "_extractor": extractor, "date_quality": "missing", **columns,
    }  # fmt: skip


def post_row(record: RawRecord, value: Mapping[str, Any]) -> tuple[Row, Any]:
    """Return the ``documents`` row of a REST post of any type, and what of ``extra`` an editor sets.

    ``record.context`` may hold ``zone`` (name, offset) for dates that are only local and ``taxonomies``
    (rest_base → taxonomy name).

    Raises:
        RecordError: the object has no content that can be read.
    """
    content = value.get("content")
    if content is not None and not isinstance(content, dict | str):
        raise RecordError("wrong_shape", f"content is {type(content).__name__}, not an object or text.")
    site_zone = zone(*record.context["zone"]) if record.context.get("zone") else None
    taxonomies = taxonomies_of(value, record.context.get("taxonomies") or {})
    extra = {key: entry for key, entry in value.items() if key not in _MAPPED and key not in taxonomies}
    link = str(value.get("link") or "") or None
    row = document_row(
        record,
        title=plain_inline(rendered(value.get("title"))),
        extracted=extract_fragment(rendered(content), base_url=link or f"https://{record.site}/"),
        declared_language=_declared_language(value),
        extractor=EXTRACTOR,
        url=link,
        slug=unquote(str(value["slug"])) if value.get("slug") else None,
        status=value.get("status"),
        excerpt=plain_inline(rendered(value.get("excerpt"))) or None,
        authors=_authors(value),
        terms=_terms(value, taxonomies),
        featured_image=_featured(value),
        is_protected=bool(isinstance(content, dict) and content.get("protected")),
        is_sticky=bool(value.get("sticky", False)),
        comment_status=value.get("comment_status"),
        parent_id=_id(value.get("parent")),
        menu_order=value.get("menu_order"),
        extra=json.dumps(extra, ensure_ascii=False, separators=(",", ":")) if extra else None,
        **_dates(value, site_zone, record),
    )
    return row, {key: value[key] for key in _EDITORIAL if value.get(key)}


def _dates(value: Mapping[str, Any], site_zone: tzinfo | None, record: RawRecord) -> Row:
    published, quality = moment(value.get("date_gmt"), value.get("date"), site_zone)
    modified, _ = moment(value.get("modified_gmt"), value.get("modified"), site_zone)
    is_scheduled = value.get("status") == "future"
    return {
        "published_at": published,
        "modified_at": modified,
        "date_quality": judged(published, quality, record.fetched_at, is_scheduled=is_scheduled),
    }


def _declared_language(value: Mapping[str, Any]) -> str | None:
    """Return the language a translation plug-in declares: Polylang's ``lang``, WPML's ``wpml_current_locale``."""
    for key in ("lang", "wpml_current_locale"):
        tag = value.get(key)
        if isinstance(tag, str) and re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*", tag):
            return tag.replace("_", "-")
    return None


def taxonomies_of(value: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, str]:
    """Return rest_base → taxonomy for the taxonomies a post carries, from the site or the post's own links."""
    found = {base: taxonomy for base, taxonomy in {**_BUILT_IN_TAXONOMIES, **known}.items() if base in value}
    for link in related(value, "wp:term"):
        base = unquote(str(link.get("href", ""))).split("?")[-1].split("&")[0].rsplit("/", 1)[-1]
        path_base = urlsplit(str(link.get("href", ""))).path.rsplit("/", 1)[-1]
        for candidate in (path_base, base):
            if candidate in value and isinstance(value[candidate], list) and link.get("taxonomy"):
                found[candidate] = str(link["taxonomy"])
    return {base: taxonomy for base, taxonomy in found.items() if isinstance(value[base], list)}


def _terms(value: Mapping[str, Any], taxonomies: Mapping[str, str]) -> list[Row]:
    embedded = {(e.get("taxonomy"), e.get("id")): e for e in _embedded_terms(value)}
    terms = []
    for base, taxonomy in taxonomies.items():
        ids = [entry for entry in value[base] if isinstance(entry, int | str)]
        slugs = _class_slugs(value, taxonomy, len(ids))
        for position, term_id in enumerate(ids):
            entry = embedded.get((taxonomy, term_id), {})
            terms.append(
                {
                    "taxonomy": taxonomy,
                    "id": str(term_id),
                    "name": plain_inline(str(entry["name"])) if entry.get("name") else None,
                    "slug": unquote(str(entry["slug"])) if entry.get("slug") else slugs[position],
                }
            )
    return terms


def _class_slugs(value: Mapping[str, Any], taxonomy: str, count: int) -> list[str | None]:
    """Return the slugs that ``class_list`` (WordPress 6.7 on) tells, if it tells one for each term.

    Core lists ids and classes from the same ordered query (get_the_terms), so they match by position.
    """
    prefix = {"category": "category-", "post_tag": "tag-"}.get(taxonomy)
    classes = value.get("class_list")
    names = list(classes.values()) if isinstance(classes, dict) else classes if isinstance(classes, list) else []
    slugs = [
        name.removeprefix(prefix) for name in names if prefix and isinstance(name, str) and name.startswith(prefix)
    ]
    # Numeric classes stand for slugs that cannot be a class name.
    return [None if s.isdigit() else unquote(s) for s in slugs] if len(slugs) == count else [None] * count


def embedded(value: Mapping[str, Any], relation: str) -> list[Any]:
    """Return what the post embeds under a relation."""
    inside = value.get("_embedded")
    found = inside.get(relation) if isinstance(inside, dict) else None
    return found if isinstance(found, list) else []


def _embedded_terms(value: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    for group in embedded(value, "wp:term"):
        yield from (entry for entry in group or () if isinstance(entry, dict)) if isinstance(group, list) else ()


def _authors(value: Mapping[str, Any]) -> list[Row]:
    author_id = _id(value.get("author"))
    if author_id is None:
        return []
    entry = next((e for e in embedded(value, "author") if isinstance(e, dict) and e.get("name")), {})
    return [{"id": author_id, "name": unescape(entry["name"]) if entry else None, "slug": entry.get("slug")}]


def _featured(value: Mapping[str, Any]) -> Row | None:
    media_id = _id(value.get("featured_media"))
    # Older WordPress embeds the whole API index for a dangling id, so only a real media object counts.
    entry = next((e for e in embedded(value, "wp:featuredmedia") if shape_of(e) == "media" or _is_image(e)), None)
    jetpack = value.get("jetpack_featured_media_url") or None
    if media_id is None and not jetpack:
        return None
    row: Row = {"id": media_id, "url": jetpack, "alt": None, "caption": None, "width": None, "height": None}
    if entry is not None:
        sizes = entry.get("media_details") if isinstance(entry.get("media_details"), dict) else {}
        row.update(
            url=entry.get("source_url") or jetpack,
            alt=entry.get("alt_text") or None,
            caption=plain_inline(rendered(entry.get("caption"))) or None,
            width=_size(sizes.get("width")),
            height=_size(sizes.get("height")),
        )
    return row


def _is_image(entry: Any) -> bool:
    return isinstance(entry, dict) and bool(entry.get("id")) and bool(entry.get("source_url"))


def _size(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) or (isinstance(value, str) and value.isdigit()) else None
