"""Every error presslake raises on purpose, arranged by what the caller has to do about it.

::

    PresslakeError
      UsageError                  misuse: stop before starting             exit 2
      SourceError                 one source cannot be read                that source fails, others go on
        TransientSourceError      worth another try: 5xx, timeouts         retried, then as above
        NotNowError               429 to the last, or a budget is spent    ends the stream as partial
        BlockedSourceError        the site refuses: login, WAF, REST off   never retried
      RecordError                 one record cannot become a document      becomes a quarantine row
      LakeError                   storage                                  the run fails, exit 1
        CommitConflict            another writer was first                 retried from a fresh snapshot
        SchemaMismatch            the lake does not fit this release       never retried
      CheckFailed                 committed data breaks a promise          exit 1

Bad *data* is a value (a rejection), bad *use* is a ``UsageError``, a bad *world* is one of the others. A message
is one line: what could not be done, on which thing, why, and what to do about it.
"""

from __future__ import annotations

import re

_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


class PresslakeError(Exception):
    """Base of all deliberate errors. ``exit_code`` is what the command line returns when it ends a run."""

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        """Keep ``message`` (what, which, why) and ``remedy`` (what to do), both single sentences."""
        # What a server or a file says may be in it, and a terminal would obey its control characters.
        self.message = " ".join(_UNSHOWN.sub(" ", message).split())
        self.remedy = " ".join(_UNSHOWN.sub(" ", remedy).split())
        super().__init__(str(self))

    def __str__(self) -> str:
        """Return the one line that is shown to people."""
        return f"{self.message} {self.remedy}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by parts, so that an error crosses a process boundary whole."""
        return (_rebuild, (type(self), self.message, self.remedy, dict(self.__dict__)))


def _rebuild(cls: type[PresslakeError], message: str, remedy: str, state: dict[str, object]) -> PresslakeError:
    error = cls.__new__(cls)
    PresslakeError.__init__(error, message, remedy=remedy)
    error.__dict__.update(state)
    return error


class UsageError(PresslakeError):
    """The command or call makes no sense as given; nothing was started."""

    exit_code = 2


class SourceError(PresslakeError):
    """A source cannot be read. ``source`` names it; ``status`` is the HTTP status and ``code`` WordPress's own."""

    code: str = ""

    def __init__(
        self, message: str, *, remedy: str = "", source: str = "", url: str = "", status: int | None = None
    ) -> None:
        """Attach the source, the URL asked and the HTTP status to the message."""
        super().__init__(message, remedy=remedy)
        self.source = source
        self.url = url
        self.status = status


class TransientSourceError(SourceError):
    """The source failed in a way that may pass: timeouts, dropped connections, statuses of overload.

    ``retry_after_s`` is what the server asked for, in seconds, if it did.
    """

    retry_after_s: float | None = None


class NotNowError(SourceError):
    """Going on now makes no sense: the server asks for a longer wait than we grant, or the run's budget is spent."""


class BlockedSourceError(SourceError):
    """The source answers but refuses: login required, REST disabled, firewall, or no WordPress at all.

    ``is_wordpress``: it is a WordPress all the same, so its pages or feed may be read instead.
    """

    is_wordpress: bool = False


class RecordError(PresslakeError):
    """One record cannot become a document. ``reason`` is the slug under which it is quarantined."""

    def __init__(self, reason: str, message: str, *, rule: str | None = None) -> None:
        """Name the reason slug, the sentence and, for a broken validation rule, the rule."""
        super().__init__(message)
        self.reason = reason
        self.rule = rule


class LakeError(PresslakeError):
    """The lake cannot be read or written."""


class CommitConflict(LakeError):
    """Other writers kept winning until the bounded retries were used up; nothing of the batch was written."""


class SchemaMismatch(LakeError):
    """The lake's tables do not fit this release's declarations."""


class CheckFailed(PresslakeError):
    """A check over committed data found rows that break a promise."""
