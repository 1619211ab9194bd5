"""What trafilatura guesses about a page that does not say it: each guess is made only when it is asked for.

Its own `extract_metadata` guesses everything at once, dates, tags and licences too, at an eighth of a page's time. Here
its parts are called as it calls them; a test holds the guesses to those that it makes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

Element = Any  # lxml's elements carry no types


class Guesses:
    """The guesses for one page; empty where there is none."""

    def __init__(self, tree: Element, url: str | None) -> None:
        self._tree, self._url = tree, url

    def title(self) -> str:
        """Guess what the page is called."""
        from trafilatura.metadata import extract_title

        return _cleaned(lambda: self._stated.title or extract_title(self._tree))

    def author(self) -> str:
        """Guess who wrote it, as `A; B`."""
        from trafilatura.metadata import extract_author

        return _cleaned(lambda: self._stated.author or extract_author(self._tree))

    def site_name(self) -> str:
        """Guess the name of the site, at worst its host."""
        return _cleaned(self._site_name)

    @cached_property
    def _stated(self) -> Any:
        """What the meta elements and the JSON-LD say, as trafilatura reads them."""
        from trafilatura.metadata import examine_meta, extract_meta_json

        stated = examine_meta(self._tree)
        if stated.author and " " not in stated.author:
            stated.author = None
        try:
            return extract_meta_json(self._tree, stated)
        except Exception:  # as there: what was read before the broken data stands
            return stated

    def _site_name(self) -> str | None:
        from trafilatura.metadata import META_URL, extract_sitename, extract_url

        name = self._stated.sitename or extract_sitename(self._tree)
        if name:
            name = name.lstrip("@")
            return name.title() if name and "." not in name and not name[0].isupper() else name
        url = self._stated.url or extract_url(self._tree, self._url)
        host = META_URL.match(url) if url else None
        return host[1] if host else None


def _cleaned(guess: Callable[[], str | None]) -> str:
    from trafilatura.settings import Document

    try:
        document = Document(title=guess())
        document.clean_and_trim()
    except Exception:  # one page must not end a run, whatever its markup does to a library
        return ""
    return document.title or ""
