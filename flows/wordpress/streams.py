"""What a WordPress site offers: its streams, in the order that lets later ones resolve names from earlier ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from flows.readers.files import INTERNAL_KINDS
from flows.wordpress.api import WordPress
from schemas.errors import SourceError, UsageError

# Types and taxonomies that plug-ins and core keep for themselves, next to ``INTERNAL_KINDS``.
_INTERNAL_TAXONOMIES = {"nav_menu", "link_category", "post_format", "wp_theme", "wp_template_part_area",
                        "wp_pattern_category"}  # fmt: skip
_INTERNAL_PREFIXES = ("wp_", "elementor_", "acf-", "jp_", "e-", "fl-builder")


@dataclass(frozen=True, slots=True)
class Stream:
    """One list of the API. ``name`` is its rest_base, ``kind`` the type's or taxonomy's name.

    ``is_dated``: the list can be asked by modification time (posts, media, custom types; WordPress 5.7 on).
    ``has_offset``: it can be asked from a row on (all but terms and users). ``of``: the types that terms are given to.
    """

    name: str
    kind: str
    table: str
    route: str
    is_dated: bool = False
    has_offset: bool = False
    of: tuple[str, ...] = ()


def streams_of(api: WordPress) -> tuple[list[Stream], dict[str, str], list[str]]:
    """Return a site's streams in crawl order, rest_base → taxonomy, and what could not be learned.

    A site that hides its types still has posts and pages.
    """
    problems: list[str] = []
    types = _objects(api, "wp/v2/types", problems)
    taxonomies = _objects(api, "wp/v2/taxonomies", problems)
    streams = [Stream("authors", "author", "authors", "wp/v2/users")]
    bases = {"categories": "category", "tags": "post_tag"}
    for slug, described in taxonomies.items():
        if slug not in _INTERNAL_TAXONOMIES and not slug.startswith("wp_") and described.get("rest_base"):
            bases[str(described["rest_base"])] = slug
    routes = {str(d.get("rest_base")): _route(d) for d in taxonomies.values() if d.get("rest_base")}
    given_to = {slug: tuple(map(str, d.get("types") or ())) for slug, d in taxonomies.items()}
    streams += [
        Stream(base, kind, "terms", routes.get(base, f"wp/v2/{base}"), of=given_to.get(kind, ()))
        for base, kind in bases.items()
    ]
    streams.append(Stream("media", "attachment", "media", "wp/v2/media", is_dated=True, has_offset=True))
    kinds: dict[str, dict[str, Any]] = {"post": {"rest_base": "posts"}, "page": {"rest_base": "pages"}} | types
    for slug, described in kinds.items():
        if is_public_type(slug) and described.get("rest_base"):
            name = str(described["rest_base"])
            streams.append(Stream(name, slug, "documents", _route(described), is_dated=True, has_offset=True))
    streams.append(Stream("comments", "comment", "comments", "wp/v2/comments", has_offset=True))
    return streams, bases, problems


def is_public_type(slug: str) -> bool:
    """Tell whether a post type holds what a site publishes, by its name; media are a stream of their own."""
    return slug not in INTERNAL_KINDS and slug != "attachment" and not slug.startswith(_INTERNAL_PREFIXES)


def _objects(api: WordPress, route: str, problems: list[str]) -> dict[str, dict[str, Any]]:
    try:
        found = api.object(route)
    except SourceError as error:
        problems.append(f"{route}: {error.message}")
        return {}
    return {str(slug): value for slug, value in found.items() if isinstance(value, dict)}


def _route(described: dict[str, Any]) -> str:
    return f"{described.get('rest_namespace') or 'wp/v2'}/{described['rest_base']}"


def chosen(streams: Sequence[Stream], names: Iterable[str]) -> list[Stream]:
    """Return the streams called by their name or kind; all if none is named.

    Raises:
        UsageError: the site has no such stream.
    """
    wanted = [name.strip() for name in names if name.strip()]
    known = {stream.name for stream in streams} | {stream.kind for stream in streams}
    unknown = sorted(set(wanted) - known)
    if unknown:
        raise UsageError(
            f"No stream called {', '.join(unknown)}.", remedy=f"This site has: {', '.join(s.name for s in streams)}."
        )
    return [s for s in streams if not wanted or s.name in wanted or s.kind in wanted]
