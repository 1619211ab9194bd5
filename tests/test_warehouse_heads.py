"""What the lake knows of a site: its public records, addresses, terms' members and the ETags it was given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from documents import row, table

from schemas.keys import site_bucket
from schemas.records import RawRecord
from schemas.rules import validate
from schemas.tables import TABLES
from warehouse.commit import commit_documents, commit_entities, land_raw
from warehouse.heads import current_documents, etags, known_urls, members, newest_fetches, public, stated_counts
from warehouse.lake import Lake

SITE = "example.org"
DAY = datetime(2024, 5, 1, tzinfo=UTC)


def _term(id_: str, taxonomy: str, count: int | None, source: str = "rest") -> dict[str, object]:
    return {
        "site_bucket": site_bucket(SITE), "site": SITE, "taxonomy": taxonomy, "id": id_, "name": f"T{id_}",
        "documents_stated": count, "source": source, "_run_id": "r", "_ingested_at": DAY, "_state_sha256": id_,
    }  # fmt: skip


def test_public_is_what_is_not_deleted_of_a_kind_and_time(lake: Lake) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    commit_documents(lake, table(
        row(1, modified_at=DAY), row(2, modified_at=DAY + timedelta(days=2)), row(3, kind="page", modified_at=DAY),
        row(4, modified_at=DAY), row(1, site="other.example", modified_at=DAY),
    ))  # fmt: skip
    commit_documents(lake, table(row(4, modified_at=DAY, deleted_at=later, valid_from=later)))
    documents, declared = lake.table("documents"), TABLES["documents"]
    assert public(documents, declared, SITE, "post") == {"1": DAY, "2": DAY + timedelta(days=2)}
    assert public(documents, declared, SITE, "post", after=DAY) == {"2": DAY + timedelta(days=2)}
    assert public(documents, declared, SITE, "post", ["1", "3", "4"]) == {"1": DAY}


def test_of_entities_only_those_of_the_live_site_are_public(lake: Lake) -> None:
    terms = [_term("1", "category", 3), _term("2", "category", None, "wxr"), _term("1", "post_tag", 5)]
    commit_entities(lake, "terms", validate(TABLES["terms"], terms)[0])
    assert set(public(lake.table("terms"), TABLES["terms"], SITE, "category")) == {"1"}
    assert stated_counts(lake.table("terms"), SITE, "category") == {"1": 3}
    assert stated_counts(lake.table("terms"), SITE, "post_tag") == {"1": 5}


def test_members_are_the_public_documents_of_a_term_as_they_are_now(lake: Lake) -> None:
    term = [{"taxonomy": "category", "id": "7", "name": "Tides", "slug": "tides"}]
    later = datetime.now(UTC) + timedelta(days=1)
    commit_documents(
        lake, table(row(1, terms=term), row(2), row(3, terms=term), row(4, terms=term), row(5, kind="page", terms=term))
    )
    commit_documents(lake, table(row(3, valid_from=later), row(4, terms=term, deleted_at=later, valid_from=later)))
    wanted = [("category", "7"), ("category", "8")]
    found = members(lake.table("documents"), SITE, wanted)
    assert found == {("category", "7"): {"post": {"1"}, "page": {"5"}}, ("category", "8"): {}}


def test_addresses_are_known_whatever_became_of_them(lake: Lake) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    commit_documents(lake, table(row(1, url="https://example.org/a"), row(2), row(3, url="https://example.org/b")))
    commit_documents(lake, table(row(1, url="https://example.org/a", deleted_at=later, valid_from=later)))
    assert known_urls(lake.table("documents"), SITE) == {"https://example.org/a", "https://example.org/b"}


def test_the_newest_etag_of_an_address_counts(lake: Lake) -> None:
    def record(number: int, url: str | None, etag: str | None, source: str = "sitemap") -> RawRecord:
        return RawRecord(
            site=SITE, kind="page", id=str(number), payload=b"%d" % number, source=source, content_type="text/html",
            fetched_at=DAY + timedelta(hours=number), url=url, etag=etag,
        )  # fmt: skip

    land_raw(lake, [
        record(2, "https://example.org/a", '"new"'), record(1, "https://example.org/a", '"old"'),
        record(3, "https://example.org/b", '"was"'), record(4, "https://example.org/b", None), record(5, None, '"x"'),
        record(6, "https://example.org/c", '"c"', "feed"),
    ], "r")  # fmt: skip
    assert etags(lake.table("raw"), SITE, "sitemap") == {"https://example.org/a": '"new"'}
    assert etags(lake.table("raw"), SITE, "feed") == {"https://example.org/c": '"c"'}


def test_the_newest_of_each_key_asked_for_is_told(lake: Lake) -> None:
    def record(number: int, id_: str) -> RawRecord:
        return RawRecord(
            site=SITE, kind="page", id=id_, payload=b"%d" % number, source="file", content_type="text/html",
            fetched_at=DAY + timedelta(hours=number),
        )  # fmt: skip

    land_raw(lake, [record(2, "a"), record(1, "a"), record(3, "b")], "r")
    keys = [(SITE, "page", "a"), (SITE, "page", "gone"), ("other.example", "page", "b")]
    assert newest_fetches(lake.table("raw"), keys) == {keys[0]: DAY + timedelta(hours=2)}
    commit_documents(lake, table(row(1), row(2)))
    commit_documents(lake, table(row(1, "Other text.", valid_from=datetime.now(UTC) + timedelta(days=1))))
    found = current_documents(lake.table("documents"), [(SITE, "post", "1"), (SITE, "post", "3")]).to_pylist()
    assert [(each["id"], each["document_version"], each["text"]) for each in found] == [("1", 2, "Other text.")]
    assert current_documents(lake.table("documents"), []).num_rows == 0
