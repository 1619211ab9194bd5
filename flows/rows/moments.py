"""Times as sources write them, read without inventing any."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.columns import EARLIEST

_ISO = re.compile(r"^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.\d+)?$")
# WordPress articles may be dated back for archives, but not before newspapers; a publication far ahead is an error.
_PLAUSIBLE_FROM = datetime(1600, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(days=2)


def naive(value: object) -> datetime | None:
    """Return a date and time as WordPress writes it, without zone; None for null, zero and impossible ones.

    >>> naive("2026-04-11T02:13:45")
    datetime.datetime(2026, 4, 11, 2, 13, 45)
    """
    match = _ISO.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    try:
        return datetime.fromisoformat(match[1])
    except ValueError:
        return None


def zone(name: object, offset_hours: object) -> tzinfo | None:
    """Return the zone of a site: its named zone, else its fixed offset, else None."""
    if isinstance(name, str) and name:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    try:
        hours = float(offset_hours)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return timezone(timedelta(hours=hours)) if -24 < hours < 24 else None


def moment(gmt: object, local: object, site_zone: tzinfo | None) -> tuple[datetime | None, str]:
    """Return a UTC moment and its quality from WordPress's pair of columns.

    The GMT column is taken as UTC. Where it is empty (drafts, some imports) the local one is converted by the
    site's zone and marked ``local_time``; without a zone nothing is known and nothing invented: ``missing``.
    """
    in_utc = naive(gmt)
    on_site = naive(local)
    if any(value is not None and value.year < EARLIEST.year for value in (in_utc, on_site)):
        return None, "implausible"
    try:
        if in_utc is not None:
            return _not_shifted(in_utc, on_site, site_zone).replace(tzinfo=UTC), "ok"
        if on_site is not None and site_zone is not None:
            return on_site.replace(tzinfo=site_zone).astimezone(UTC), "local_time"
    except OverflowError:  # the last hours of the year 9999 are beyond it in UTC
        return None, "implausible"
    given = [v for v in (gmt, local) if isinstance(v, str) and v.strip()]
    zero = all(re.match(r"^(0000-00-00|-?0001-11-(29|30))", v.strip()) for v in given)
    return None, "missing" if zero or on_site is not None else "implausible"


def _not_shifted(in_utc: datetime, on_site: datetime | None, site_zone: tzinfo | None) -> datetime:
    """Undo what WordPress does to a GMT time that reads like an hour which summer time skips on the site.

    Core formats the GMT column in the site's zone (mysql_to_rfc3339, 4.4 to 7.1), where 02:00 of that night does not
    exist and becomes 03:00. The local column still tells the true time, so this is certain, not a guess.
    """
    if on_site is None or site_zone is None:
        return in_utc
    true = on_site.replace(tzinfo=site_zone).astimezone(UTC).replace(tzinfo=None)
    shown = true.replace(tzinfo=site_zone).astimezone(UTC).astimezone(site_zone).replace(tzinfo=None)
    return true if shown != true and shown == in_utc else in_utc


def judged(published: datetime | None, quality: str, now: datetime, *, is_scheduled: bool = False) -> str:
    """Return the quality of a publication date once it is known when it was read."""
    if published is None:
        return quality
    if published < _PLAUSIBLE_FROM or (published > now + _AHEAD and not is_scheduled):
        return "implausible"
    return quality
