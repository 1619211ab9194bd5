"""Asking a list for no more than the server bears, down to the one record that makes it fail."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from flows.wordpress.api import Listing, WordPress
from flows.wordpress.streams import Stream
from schemas.errors import BlockedSourceError, SourceError, TransientSourceError

# A server that failed at a size is not asked for more before it has served so many smaller pages.
_SMOOTH_PAGES = 5


@dataclass
class Asker:
    """Asks one site for pages of its streams.

    ``per_page`` shrinks when the server cannot answer that many and grows back slowly. ``poisoned`` is told of a
    single record that no request can fetch: (stream, its id or place in id order, error). ``authorised`` is asked
    for in addition when somebody is logged in, ``always`` with every request.
    """

    api: WordPress
    per_page: int = 100
    authorised: dict[str, Any] = field(default_factory=dict)
    always: dict[str, Any] = field(default_factory=dict)
    poisoned: Callable[[Stream, str, SourceError], None] | None = None

    def __post_init__(self) -> None:
        """Remember the page size to grow back to."""
        self._most = self.per_page
        self._smooth = 0

    def page(self, stream: Stream, *, tries: int | None = None, **params: Any) -> Listing:
        """Return one page of a stream."""
        # Only documents have drafts; the edit context of users would bring their addresses.
        more = self.authorised if stream.table == "documents" else {}
        asked = {"per_page": self.per_page, **self.always, **more, **params}
        return self.api.list(stream.route, asked, tries=tries)

    def sized(self, stream: Stream, size: int, **params: Any) -> Listing:
        """Return one page of ``size`` records; fail soon if it is the size that the server cannot bear.

        Many tries of a request that is too large would only load the server more. A lost connection or a plea to
        wait has little to do with the size and is tried again as often as any request.
        """
        asked = {**params, "per_page": size}
        try:
            return self.page(stream, tries=1 if size > 1 else None, **asked)
        except TransientSourceError as error:
            if size == 1 or error.status is not None:
                raise
            return self.page(stream, **asked)
        except BlockedSourceError as error:
            # Some sites allow fewer than WordPress's hundred.
            if size > 1 and "per_page" in error.message.partition("rest_invalid_param")[2]:
                raise TransientSourceError(error.message, url=error.url, status=error.status) from error
            raise

    def fitting(
        self,
        stream: Stream,
        place: Callable[[int], dict[str, Any]] = lambda size: {},
        fit: Callable[[int], int] = lambda most: most,
        **params: Any,
    ) -> tuple[Listing, int]:
        """Return a page of as many records as the server bears, and how many were asked for.

        While the server fails, fewer are asked for, down to one; that failure is raised.

        Args:
            stream: the list.
            place: gives the parameters that say where the page begins, for a size.
            fit: gives the largest size, up to the one given, that a page which begins there can have.
            params: what else to ask for.
        """
        size = fit(self.per_page)
        while True:
            try:
                listing = self.sized(stream, size, **place(size), **params)
            except TransientSourceError:
                if size == 1:
                    raise
                size = fit(self.smaller(size))
                continue
            self.fits(size)
            return listing, size

    def smaller(self, size: int) -> int:
        """Return what to ask for after ``size`` was too much."""
        self._smooth, self.per_page = 0, max(1, size // 2)
        return self.per_page

    def fits(self, size: int) -> None:
        """Note that the server bore ``size``; now and then ask for more again."""
        self._smooth += 1
        if self._smooth >= _SMOOTH_PAGES:
            self._smooth, self.per_page = 0, min(self._most, 2 * size)

    def isolate(self, stream: Stream, place: int, error: SourceError, **params: Any) -> None:
        """Report the one record that ``params`` asks for: by its id, which the server may tell, or its place.

        Raises:
            SourceError: ``error``, as the server fails on everything.
        """
        if self.poisoned is None or not self.answers(stream):
            raise error
        if "include" in params:
            self.poisoned(stream, str(place), error)
            return
        ids: list[int] = []
        with suppress(SourceError):
            ids = self.page(stream, **{**params, "per_page": 1, "_fields": "id"}).ids
        self.poisoned(stream, str(ids[0]) if ids else f"offset-{place}", error)

    def answers(self, stream: Stream) -> bool:
        """Tell whether the list answers at all, asked for the id of its first or its last record."""
        for order in ("asc", "desc"):
            with suppress(SourceError):
                self.page(stream, per_page=1, _fields="id", orderby="id", order=order)
                return True
        return False
