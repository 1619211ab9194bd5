"""What may be given as SOURCE."""

from datetime import UTC, datetime

import pytest

from schemas.errors import UsageError
from schemas.sources import Source, is_telling, parse_time


@pytest.mark.parametrize(
    ("given", "kind", "address"),
    [
        ("https://example.com/blog", "wordpress", "https://example.com/blog"),
        ("HTTP://example.com", "wordpress", "HTTP://example.com"),
        ("  https://example.com ", "wordpress", "https://example.com"),
        ("http://127.0.0.1:8080", "wordpress", "http://127.0.0.1:8080"),
        ("dump.json", "files", "dump.json"),
        ("./a folder/", "files", "./a folder/"),
        ("~/notes", "files", "~/notes"),
        ("file:///data/my%20notes.txt", "files", "/data/my notes.txt"),
        ("exports/*.xml", "files", "exports/*.xml"),
        ("C:notes.txt", "files", "C:notes.txt"),
        ("example.com", "files", "example.com"),
    ],
)
def test_a_source_is_a_site_or_files(given: str, kind: str, address: str) -> None:
    source = Source.parse(given)
    assert (source.given, source.kind, source.address) == (given, kind, address)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("ftp://example.com/dump.xml", "ftp://"),
        ("s3://bucket/dump", "s3://"),
        ("https://", "no host"),
        ("https:///path", "no host"),
    ],
)
def test_what_is_no_source_is_refused_in_words(given: str, named: str) -> None:
    with pytest.raises(UsageError, match=named) as caught:
        Source.parse(given)
    assert caught.value.exit_code == 2


def test_credentials_in_an_address_are_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        Source.parse("https://mina:swordfish@example.com/")
    assert "swordfish" not in str(caught.value)
    assert "PRESSLAKE_APP_PASSWORD" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "is_glob"),
    [
        ("a/*.txt", True),
        ("**/x", True),
        ("a?.md", True),
        ("a[1].txt", True),
        ("a.txt", False),
        ("https://example.com/?p=1", False),
    ],
)
def test_patterns_are_known(given: str, is_glob: bool) -> None:
    assert Source.parse(given).is_glob is is_glob


@pytest.mark.parametrize(
    ("given", "is_domain"),
    [
        ("example.com", True),
        ("blog.example.co:8080/x", True),
        ("notes", False),
        ("./example.com", False),
        ("https://example.com", False),
    ],
)
def test_a_forgotten_scheme_is_noticed(given: str, is_domain: bool) -> None:
    assert Source.parse(given).looks_like_domain is is_domain


@pytest.mark.parametrize(
    "given", ["https://user@a.example/", "https://:word@a.example/", "https://user:word@a.example/"]
)
def test_half_a_login_in_an_address_is_refused_too(given: str) -> None:
    with pytest.raises(UsageError, match="credentials"):
        Source.parse(given)


@pytest.mark.parametrize(("given", "moment"), [
    ("2024-03-15", datetime(2024, 3, 15, tzinfo=UTC)), ("2024-03-15T09:30:00Z", datetime(2024, 3, 15, 9, 30, tzinfo=UTC)),
    ("2024-03-15T09:30:00+02:00", datetime(2024, 3, 15, 7, 30, tzinfo=UTC)), (None, None), ("", None),
])  # fmt: skip
def test_a_time_without_zone_is_utc(given: str | None, moment: datetime | None) -> None:
    assert parse_time(given, "--since") == moment


def test_what_wordpress_s_own_queries_say_is_no_secret() -> None:
    assert is_telling("Token") and is_telling("k") and not is_telling("P") and not is_telling("rest_route")
