"""Front matter of Markdown files as columns, by the names that static-site generators agree on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from flows.rows.moments import judged
from schemas.columns import Row

_MAPPED = {"title", "date", "lastmod", "updated", "author", "authors", "tags", "categories", "slug", "lang", "language",
           "description", "summary", "excerpt", "url", "canonical_url", "image", "draft", "published"}  # fmt: skip


def columns_of(metadata: Mapping[str, Any], now: datetime) -> Row:
    """Return the ``documents`` columns that front matter, read at ``now``, tells; the rest goes to ``extra``."""
    values = {str(key).lower(): value for key, value in metadata.items()}
    published = _first(values, "date", "published")
    published_at = _moment(published)
    given = published is not None and not isinstance(published, bool)
    image = values.get("image")
    extra = {key: value for key, value in metadata.items() if str(key).lower() not in _MAPPED}
    return {
        "declared_language": _tag(_first(values, "lang", "language")),
        "published_at": published_at,
        "modified_at": _moment(_first(values, "lastmod", "updated")),
        "date_quality": judged(published_at, "ok" if published_at else "implausible" if given else "missing", now),
        "authors": [{"id": None, "name": name, "slug": None} for name in _names(_first(values, "authors", "author"))],
        "terms": [
            {"taxonomy": taxonomy, "id": None, "name": name, "slug": None}
            for key, taxonomy in (("categories", "category"), ("tags", "post_tag"))
            for name in _names(values.get(key))
        ],
        "slug": _text(values.get("slug")),
        "url": _text(_first(values, "canonical_url", "url")),
        "excerpt": _text(_first(values, "description", "summary", "excerpt")),
        "status": "draft" if values.get("draft") is True else None,
        "featured_image": {"id": None, "url": image} if isinstance(image, str) else None,
        "extra": json.dumps(extra, ensure_ascii=False, default=str) if extra else None,
    }


def _first(values: Mapping[str, Any], *keys: str) -> Any:
    return next((values[key] for key in keys if values.get(key) is not None), None)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _tag(value: Any) -> str | None:
    """Return a language tag; the name of a language is none."""
    is_tag = isinstance(value, str) and re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*", value)
    return value.replace("_", "-") if is_tag else None


def _names(value: Any) -> list[str]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    elif not isinstance(value, Iterable) or isinstance(value, Mapping):
        value = [] if value is None or isinstance(value, bool) else [value]
    names = (entry.get("name") if isinstance(entry, Mapping) else entry for entry in value)
    return [str(name) for name in names if name not in (None, "")]


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
        except ValueError:
            return None
    if isinstance(value, datetime):
        try:
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
        except OverflowError:
            return None
    return datetime(value.year, value.month, value.day, tzinfo=UTC) if isinstance(value, date) else None
