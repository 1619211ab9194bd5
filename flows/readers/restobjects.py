"""What a REST object of WordPress is, and of which site: told by its fields, before anything is made of it.

Field names as in the WordPress REST API handbook, ``wp/v2``, WordPress 4.7 to 7.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from schemas.keys import canonical_site

_SHAPES = {"author": "authors", "term": "terms", "media": "media", "comment": "comments"}


def shape_of(value: Any) -> str | None:
    """Tell what a REST object is: ``post``, ``term``, ``author``, ``media``, ``comment``, or None for none of these."""
    if not isinstance(value, dict) or "id" not in value:
        return None
    if "source_url" in value and "media_type" in value:
        return "media"
    if "taxonomy" in value and "name" in value:
        return "term"
    if "post" in value and "author_name" in value and "content" in value:
        return "comment"
    if "content" in value and ("title" in value or "date" in value) and ("type" in value or "link" in value):
        return "post"
    if "name" in value and "slug" in value and ("avatar_urls" in value or "link" in value) and "parent" not in value:
        return "author"
    return None


def table_of(value: Any) -> str | None:
    """Return the table a REST object belongs to, ``documents`` for a post; None when it is no WordPress object."""
    shape = shape_of(value)
    return "documents" if shape == "post" else _SHAPES.get(shape or "")


def site_of(value: Mapping[str, Any]) -> str | None:
    """Return the site a saved REST object belongs to: by its own API address, its guid, or its link's host."""
    for relation in ("self", "collection"):
        for link in related(value, relation):
            # A renamed API prefix or wordpress.com's shared host says nothing about the site's own address.
            if re.search(r"/wp-json/|rest_route=", unquote(str(link.get("href") or ""))):
                return canonical_site(str(link["href"]))
    guid = rendered(value.get("guid"))
    parts = urlsplit(guid)
    if parts.scheme in ("http", "https") and re.search(r"(^|&)(p|page_id|attachment_id)=\d+", parts.query):
        return canonical_site(guid)
    parts = urlsplit(str(value.get("link") or ""))
    return canonical_site(f"{parts.scheme}://{parts.netloc}") if parts.netloc else None


def related(value: Mapping[str, Any], relation: str) -> list[dict[str, Any]]:
    """Return the links of an object to what stands in a relation to it, e.g. ``self`` or ``wp:term``."""
    links = value.get("_links")
    found = links.get(relation) if isinstance(links, dict) else None
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def rendered(value: Any) -> str:
    """Return the HTML of a field such as ``content``: rendered, raw where only that was saved, or bare; else nothing."""
    if isinstance(value, dict):
        value = value.get("rendered", value.get("raw"))
    return value if isinstance(value, str) else ""
