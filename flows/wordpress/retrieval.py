"""The one HTTP client: timeouts, retries, politeness, a size cap, and foreign exceptions mapped to ours."""

from __future__ import annotations

import email.utils
import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from flows.settings import Settings
from flows.wordpress.egress import Egress, EgressAdapter
from flows.wordpress.pace import Pace, Slots, crawl_delay_s, is_loopback
from flows.wordpress.secrecy import Secrets
from flows.wordpress.wire import AnswerTooLarge, AnswerTooSlow, bounded_answers, mapped
from schemas.errors import NotNowError, SourceError, TransientSourceError
from warehouse.ledger import StreamRun

log = logging.getLogger(__name__)

_RETRYABLE = {408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524}
_CHUNK = 64 * 1024
_MOST_REDIRECTS = 8


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read to its end. ``url`` is the final one after redirects; header names are case-blind."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    fetched_at: datetime

    @property
    def content_type(self) -> str:
        """Media type without parameters, lower case."""
        return self.headers.get("Content-Type", "").split(";", 1)[0].strip().lower()


@dataclass
class Traffic:
    """What was asked of a source so far."""

    requests: int = 0
    bytes: int = 0


@dataclass
class Client:
    """Fetches over one session. Credentials go to the host they were given for and nowhere else.

    ``origin`` is the address that the user gave: the one origin that may be on a private network.

    ``gate`` is called with the host before each request and returns when it may start: the way in for limits that
    hold beyond this machine.
    """

    settings: Settings
    credentials: tuple[str, str] | None = None
    origin: str = ""
    gate: Callable[[str], None] | None = None
    sleep: Callable[[float], None] = time.sleep
    traffic: Traffic = field(default_factory=Traffic)
    retries: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        """Open the session."""
        self._paces: dict[str, Pace] = {}
        self._slots: dict[str, Slots] = {}
        self._robots: dict[str, str] = {}
        self._deadline = time.monotonic() + 60 * self.settings.max_minutes if self.settings.max_minutes else None
        self._session = _Session()
        self._session.headers.update({"User-Agent": self.settings.user_agent, "Accept": "application/json, */*;q=0.5"})
        self._session.verify = self.settings.verify_tls
        # The environment's .netrc would send passwords nobody asked us to send.
        self._session.trust_env = True
        self._session.auth = _NoAuth()
        self.secrets = Secrets(self.credentials, self.origin)
        guard = Egress(self.origin, allow_private=self.settings.allow_private)
        answers = bounded_answers(self.settings.answer_timeout_s, self.settings.max_answer_bytes)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, EgressAdapter(guard, answers))

    def __enter__(self) -> Client:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the session's connections."""
        self._session.close()

    def get(
        self,
        url: str,
        params: Mapping[str, Any] | None = None,
        *,
        tries: int | None = None,
        accept: str | None = None,
        etag: str | None = None,
        check: Callable[[Answer], None] | None = None,
    ) -> Answer:
        """Return the answer of a GET, whatever its status unless it is worth a retry.

        Timeouts, dropped connections and the statuses of overload are tried again with growing, jittered waits, or
        as long as Retry-After says (seconds or HTTP date), up to ``tries`` times (default: ``max_retries``).
        So is what ``check`` raises as transient. With ``etag`` the server may answer 304: nothing has changed.

        Raises:
            NotNowError: it asks for a longer wait than we grant, still refuses after all tries, or the run's budget
                of requests or minutes is spent.
            TransientSourceError: it went on failing.
            SourceError: the address cannot be used, or the answer is larger than ``max_answer_bytes``.
        """
        tries = self.settings.max_retries if tries is None else min(tries, self.settings.max_retries)
        asked = {"Accept": accept, "If-None-Match": etag}
        try:
            return self._got(url, params, tries, {name: value for name, value in asked.items() if value}, check)
        except SourceError as error:
            raise self._without_secrets(error) from error.__cause__

    def _got(
        self, url: str, params: Mapping[str, Any] | None, tries: int, headers: Mapping[str, str],
        check: Callable[[Answer], None] | None,
    ) -> Answer:  # fmt: skip
        for attempt in range(self.settings.max_retries + 1):
            try:
                answer = self._once(url, params, headers)
                if answer.status in _RETRYABLE:
                    raise _failure(answer)
                if check is not None:
                    check(answer)
                return answer
            except TransientSourceError as error:
                failure = error
            # A plea to wait says nothing against the request, so it does not count as one of few tries.
            if attempt >= (self.settings.max_retries if failure.status == 429 else tries):
                raise _given_up(failure)
            self.retries[str(failure.status or "connection")] += 1
            self._back_off(url, attempt, failure.retry_after_s)
        raise AssertionError("unreachable")

    def _without_secrets(self, error: SourceError) -> SourceError:
        """Return an error that says nothing of logins and tokens, whatever address or answer it quotes."""
        if self.secrets:
            error.message, error.url = self.secrets.masked(error.message), self.secrets.masked(error.url)
            error.args = (str(error),)
        return error

    def _back_off(self, url: str, attempt: int, asked: float | None) -> None:
        if asked is not None:
            # Longer waits than we grant hold all the same, for whoever comes next.
            self._pace(url).hold(asked)
            if asked > self.settings.max_retry_wait_s:
                raise NotNowError(
                    f"{urlsplit(url).netloc} asks to wait {asked:.0f} s, longer than {self.settings.max_retry_wait_s:.0f} s.",
                    remedy="Run again later: it goes on where it stopped.", url=url, status=429,
                )  # fmt: skip
            wait = asked
        else:
            wait = random.uniform(0.5, 1.0) * min(30.0, 0.5 * 2**attempt)
        self.sleep(wait)

    def _require_budget(self, url: str) -> None:
        most = self.settings.max_requests
        spent = f"{most} requests" if most and self.traffic.requests >= most else ""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            spent = f"{self.settings.max_minutes:g} minutes"
        if spent:
            raise NotNowError(
                f"The budget of {spent} for one run of this site is spent.",
                remedy="Run again: it goes on where it stopped.", url=url,
            )  # fmt: skip

    def _once(self, url: str, params: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Answer:
        """Return the answer of one try, redirects followed: each is a request with its own wait and checks."""
        address, may_log_in = url, True
        for _ in range(_MOST_REDIRECTS + 1):
            self._require_budget(url)
            try:
                # Once led away, we do not log in again where that leads back to: by then others choose what is asked.
                login = self._auth(address) if may_log_in else None
                may_log_in = login is not None
                found = self._hop(address, params, headers, login, url)
            except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
                raise mapped(error, address) from error
            except AnswerTooSlow as error:
                raise self._too_slow(url) from error
            except AnswerTooLarge as error:
                raise self._too_large(url) from error
            except ValueError as error:  # what a redirect may hold is no address at all
                raise SourceError(f"{url} leads to no address that can be fetched.", url=url) from error
            if isinstance(found, Answer):
                return found
            address, params = found, None
        raise SourceError(f"{url} redirects without end.", remedy="Give the address it should lead to.", url=url)

    def _hop(
        self, address: str, params: Mapping[str, Any] | None, headers: Mapping[str, str], login: Any, url: str
    ) -> Answer | str:
        """Ask an address; return its answer, or where it leads."""
        host = urlsplit(address).hostname or ""
        if self.gate is not None:
            self.gate(host)
        with self._slot(host).taken(self.sleep):
            self._pace(address).wait(self.sleep)
            self.traffic.requests += 1
            with self._session.get(
                address, params=params, headers=headers, stream=True, auth=login,
                timeout=(self.settings.connect_timeout_s, self.settings.read_timeout_s),
            ) as response:  # fmt: skip
                target = requests.Session.get_redirect_target(self._session, response)
                if target is not None:
                    # Its body may be endless, and nobody wants it.
                    return urljoin(response.url, target)
                body = self.secrets.masked_bytes(self._read(response, url))
                said: Mapping[str, str] = response.headers
                if self.secrets:
                    pairs = ((name, self.secrets.masked(value)) for name, value in response.headers.items())
                    said = requests.structures.CaseInsensitiveDict(pairs)
                final = self.secrets.masked(response.url)
                return Answer(final, response.status_code, said, body, datetime.now(UTC))

    def _read(self, response: requests.Response, url: str) -> bytes:
        chunks, size = [], 0
        deadline = time.monotonic() + self.settings.answer_timeout_s
        # Each piece as it comes: whole ones may take for ever to fill.
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            size += len(chunk)
            if time.monotonic() > deadline:
                raise self._too_slow(url)
            if size > self.settings.max_answer_bytes:
                raise self._too_large(url)
            chunks.append(chunk)
        self.traffic.bytes += size
        return b"".join(chunks)

    def _too_slow(self, url: str) -> TransientSourceError:
        return TransientSourceError(
            f"The answer of {url} was not complete after {self.settings.answer_timeout_s:.0f} s.",
            remedy="Try again later, or raise PRESSLAKE_ANSWER_TIMEOUT_S.", url=url,
        )  # fmt: skip

    def _too_large(self, url: str) -> SourceError:
        return SourceError(
            f"The answer of {url} is larger than {self.settings.max_answer_bytes} bytes.",
            remedy="Raise PRESSLAKE_MAX_ANSWER_BYTES if that is right for this site.", url=url,
        )  # fmt: skip

    def _auth(self, url: str) -> Any:
        # Only for the origin that was given, and not in the clear where that was encrypted.
        asked, given = urlsplit(url), urlsplit(self.origin)
        is_safe = asked.scheme in (given.scheme, "https")
        if self.credentials and asked.netloc == given.netloc and is_safe:
            return self.credentials
        return None

    @contextmanager
    def counted(self, run: StreamRun) -> Iterator[None]:
        """Add the requests and bytes of what happens inside to a ledger entry."""
        requests_, bytes_ = self.traffic.requests, self.traffic.bytes
        try:
            yield
        finally:
            run.requests += self.traffic.requests - requests_
            run.bytes += self.traffic.bytes - bytes_

    def robots(self, url: str) -> str:
        """Return the robots.txt of the host of ``url``, fetched once; empty when it has none."""
        address = urljoin(url, "/robots.txt")
        if address not in self._robots:
            try:
                answer = self.get(address, tries=0, accept="text/plain")
            except SourceError:
                return ""
            self._robots[address] = answer.body.decode("utf-8", "replace") if answer.status == 200 else ""
        return self._robots[address]

    def respect_robots(self, url: str) -> None:
        """Keep the Crawl-delay of the host's robots.txt from now on, up to ``max_crawl_delay_s``."""
        asked = crawl_delay_s(self.robots(url), self.settings.user_agent)
        if asked > self.settings.max_crawl_delay_s:
            log.warning(
                "%s asks for %.0f s between requests; we keep %.0f s (PRESSLAKE_MAX_CRAWL_DELAY_S)",
                urlsplit(url).netloc, asked, self.settings.max_crawl_delay_s,
            )  # fmt: skip
        pace = self._pace(url)
        pace.interval_s = max(pace.interval_s, min(asked, self.settings.max_crawl_delay_s))

    def _slot(self, host: str) -> Slots:
        if host not in self._slots:
            self._slots[host] = Slots(host, 0 if is_loopback(host) else self.settings.connections_per_host)
        return self._slots[host]

    def _pace(self, url: str) -> Pace:
        host = urlsplit(url).hostname or ""
        if host not in self._paces:
            # Whoever serves on loopback is asked as fast as they answer.
            self._paces[host] = Pace(host, 0.0 if is_loopback(host) else 1.0 / self.settings.requests_per_s)
        return self._paces[host]


class _Session(requests.Session):
    """Follows no redirect by itself: requests would first read the body of each to its end, however large that is."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Say that there is none."""
        return None


class _NoAuth(requests.auth.AuthBase):
    """Keeps requests from looking credentials up in .netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def _failure(answer: Answer) -> TransientSourceError:
    error = TransientSourceError(
        f"{answer.url} answered HTTP {answer.status}.",
        remedy="Try again later, or lower PRESSLAKE_REQUESTS_PER_S.",
        url=answer.url,
        status=answer.status,
    )
    error.retry_after_s = retry_after_s(answer.headers.get("Retry-After"), answer.fetched_at)
    return error


def _given_up(failure: TransientSourceError) -> SourceError:
    """Return what to raise after the last try: who still asks us to wait is left alone from now on."""
    if failure.status != 429:
        return failure
    return NotNowError(failure.message, remedy=failure.remedy, url=failure.url, status=429)


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Return how many seconds a Retry-After header asks to wait; both forms of RFC 9110 §10.2.3.

    >>> retry_after_s("7", datetime.now(UTC))
    7.0
    """
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
