"""The tables of the lake, each declared once.

Arrow schemas, validation, view comments, JSON Schema and the data dictionary all derive from these declarations.
Evolution is additive: add a nullable column at the end of its group and raise ``SCHEMA_VERSION``; an older lake
then reads the new column as null. Anything else needs a new table.
"""

from __future__ import annotations

import pyarrow as pa

from schemas.columns import EARLIEST, Column, Table, count, flag, moment, structs, text

SCHEMA_VERSION = 2
SITE_BUCKETS = 16

SOURCES = ("rest", "file", "wxr", "feed", "sitemap", "page")
"""How a record was obtained, most faithful first: see ``keys.fidelity``."""
DATE_QUALITIES = ("ok", "local_time", "missing", "implausible")
COMPLETENESS = ("complete", "partial", "blocked")
HASH_PATTERN = "^[0-9a-f]{64}$"


def _site() -> tuple[Column, ...]:
    return (
        text("site_bucket", f"Storage partition: one of {SITE_BUCKETS} buckets, derived from the site.", required=True),
        text(
            "site",
            "Canonical base of the site, host and path without scheme, e.g. example.com/blog; for local files the"
            " name of their folder.",
            required=True,
            pattern=r"^\S(.*\S)?$",
            narrow=True,
        ),
    )


def _kind(description: str = "Kind of document: post, page, a custom type's name, or document (local).") -> Column:
    return text("kind", description, required=True, pattern=r"^\S+$", narrow=True)


def _id(description: str) -> Column:
    return text("id", description, required=True, pattern=r"^[^\x00]+$", narrow=True)


def _source() -> Column:
    return text(
        "source", "How the record was obtained: " + ", ".join(SOURCES) + ".", required=True, one_of=SOURCES, narrow=True
    )


def _gone() -> Column:
    return moment("deleted_at", "When the site was found to show it no more; null while it does.")


def _context() -> Column:
    return text(
        "context",
        "JSON object of what the record itself does not say but its surroundings did: the site's zone, an export's"
        " header by its hash.",
    )


def _lineage(*, extractor: bool) -> tuple[Column, ...]:
    columns = (
        text("_run_id", "Run that wrote the row.", required=True, narrow=True),
        text("_source", "Source as given to the run: a URL, a path or a glob."),
        text("_raw_sha256", "SHA-256 of the raw record the row was made from.", pattern=HASH_PATTERN),
        text("_state_sha256", "SHA-256 over everything an editor can change; equal means the same state."),
        moment("_ingested_at", "When the row was committed, by the writer's clock.", required=True, narrow=True),
    )
    return (
        (*columns, text("_extractor", "Extractor and version that made text and markdown.")) if extractor else columns
    )


RAW = Table(
    "raw",
    "fetched state of one record, exactly as received",
    ("site", "kind", "id", "raw_sha256"),
    (
        *_site(),
        _kind(),
        _id("Id of the record within site and kind."),
        text("raw_sha256", "SHA-256 of the payload.", required=True, pattern=HASH_PATTERN, narrow=True),
        _source(),
        text("url", "Address or path the record was read from."),
        moment("fetched_at", "When the record was read.", required=True, narrow=True),
        Column("http_status", pa.int32(), "HTTP status of the answer that held the record."),
        text("etag", "ETag of that answer."),
        text("content_type", "Media type of the payload."),
        Column("payload", pa.binary(), "The record's bytes, unchanged.", required=True, unit="bytes"),
        _context(),
        text("_run_id", "Run that wrote the row.", required=True, narrow=True),
        text("_source", "Source as given to the run."),
    ),
    partition="site_bucket",
    notes="Append-only; the input of replay.",
)

DOCUMENTS = Table(
    "documents",
    "document version",
    ("site", "kind", "id", "document_version"),
    (
        *_site(),
        _kind(),
        _id("Id within site and kind: WordPress's post id, or the path relative to the given root."),
        Column(
            "document_version",
            pa.int32(),
            "1, 2, 3 … in the order the lake learned of the states.",
            required=True,
            minimum=1,
            narrow=True,
        ),
        moment(
            "valid_from",
            "When the lake learned of this state; strictly rising per document.",
            required=True,
            narrow=True,
        ),
        text("url", "Public address."),
        text("slug", "Last part of the address, percent-decoded."),
        text("status", "WordPress status (publish, draft, private …); null for local files."),
        text("title", "Title, entities decoded, without tags; may be empty.", required=True),
        text("text", "Readable prose without markup; the title is not repeated in it.", required=True),
        text("markdown", "The same content as Markdown.", required=True),
        text("excerpt", "Excerpt or description as plain text."),
        text("language", "BCP 47 tag, declared or detected; null when uncertain."),
        moment("published_at", "Publication time.", earliest=EARLIEST, narrow=True),
        moment("modified_at", "Last modification time as the source states it.", earliest=EARLIEST, narrow=True),
        text(
            "date_quality",
            "ok; local_time: only the site's local time was known; missing; implausible.",
            one_of=DATE_QUALITIES,
        ),
        Column(
            "authors",
            structs(id=pa.string(), name=pa.string(), slug=pa.string()),
            "Authors; name and slug are null when the source held only ids.",
        ),
        Column(
            "terms",
            structs(taxonomy=pa.string(), id=pa.string(), name=pa.string(), slug=pa.string()),
            "Categories, tags and custom terms; name and slug are null when the source held only ids.",
        ),
        Column(
            "featured_image",
            pa.struct(
                [
                    ("id", pa.string()),
                    ("url", pa.string()),
                    ("alt", pa.string()),
                    ("caption", pa.string()),
                    ("width", pa.int32()),
                    ("height", pa.int32()),
                ]
            ),
            "Featured image; width and height in pixels.",
        ),
        Column("images", structs(url=pa.string(), alt=pa.string(), caption=pa.string()), "Images in the content."),
        Column(
            "links",
            structs(url=pa.string(), text=pa.string(), rel=pa.string(), is_internal=pa.bool_()),
            "Links in the content, absolute; is_internal: same host as the site.",
        ),
        Column("headings", structs(level=pa.int32(), text=pa.string()), "Headings in the content, in order."),
        Column(
            "word_count",
            pa.int32(),
            "Words in text; for scripts without spaces see the dictionary.",
            minimum=0,
            unit="words",
        ),
        Column("reading_time_s", pa.int32(), "Estimated reading time.", minimum=0, unit="seconds"),
        text("content_sha256", "SHA-256 of title and text, normalised.", pattern=HASH_PATTERN),
        Column("minhash", pa.list_(pa.int64()), "Near-duplicate signature; null until computed."),
        flag("is_protected", "The content needs a password, so text is empty."),
        flag("is_sticky", "Pinned to the front page."),
        text("comment_status", "open or closed."),
        text("parent_id", "Id of the parent document."),
        Column("menu_order", pa.int32(), "Position among siblings."),
        _source(),
        text("extra", "JSON object of every field of the payload that has no column of its own."),
        moment("first_seen_at", "When the lake first learned of the document.", required=True),
        moment("deleted_at", "When the document was found deleted or unpublished; null while it is public."),
        *_lineage(extractor=True),
    ),
    partition="site_bucket",
    notes="Append-only; a deletion is a version too. The views derive valid_to and is_current.",
)

AUTHORS = Table(
    "authors",
    "author of a site",
    ("site", "id"),
    (
        *_site(),
        _id("WordPress user id; for sources without ids the login or name."),
        text("name", "Display name."),
        text("slug", "Slug used in addresses."),
        text("url", "Author's page or own site."),
        text("description", "Biography as plain text."),
        text("avatar_url", "Largest avatar offered."),
        _source(),
        text("extra", "JSON object of every field that has no column of its own."),
        _gone(),
        *_lineage(extractor=False),
    ),
    partition="site_bucket",
)

TERMS = Table(
    "terms",
    "category, tag or custom term of a site",
    ("site", "taxonomy", "id"),
    (
        *_site(),
        text("taxonomy", "Taxonomy's name: category, post_tag, or a custom one.", required=True, narrow=True),
        _id("Term id; for sources without ids the slug."),
        text("name", "Name, entities decoded."),
        text("slug", "Slug used in addresses."),
        text("parent", "Id of the parent term."),
        text("description", "Description as plain text."),
        text("url", "Archive address."),
        count("documents_stated", "Number of documents the site states for the term."),
        _source(),
        text("extra", "JSON object of every field that has no column of its own."),
        _gone(),
        *_lineage(extractor=False),
    ),
    partition="site_bucket",
)

MEDIA = Table(
    "media",
    "media item of a site",
    ("site", "id"),
    (
        *_site(),
        _id("WordPress attachment id."),
        text("url", "Address of the file."),
        text("page_url", "Address of the attachment page."),
        text("title", "Title."),
        text("alt", "Alternative text."),
        text("caption", "Caption as plain text."),
        text("mime_type", "Media type of the file."),
        Column("width", pa.int32(), "Width.", unit="pixels", minimum=0),
        Column("height", pa.int32(), "Height.", unit="pixels", minimum=0),
        text("document_id", "Id of the document it was uploaded to."),
        text("author_id", "Id of the author who uploaded it."),
        moment("published_at", "Upload time.", earliest=EARLIEST),
        moment("modified_at", "Last modification time.", earliest=EARLIEST),
        _source(),
        text("extra", "JSON object of every field that has no column of its own."),
        _gone(),
        *_lineage(extractor=False),
    ),
    partition="site_bucket",
)

COMMENTS = Table(
    "comments",
    "comment on a document",
    ("site", "id"),
    (
        *_site(),
        _id("WordPress comment id."),
        text("document_id", "Id of the document commented on.", narrow=True),
        text("parent", "Id of the comment answered; null for a thread's first."),
        text("author_id", "Id of the author, if a user of the site."),
        text("author_name", "Name as signed."),
        text("author_url", "Address as signed."),
        text("text", "Comment as plain text."),
        moment("published_at", "When it was written.", earliest=EARLIEST),
        text("status", "approved, hold …"),
        text("type", "comment, pingback or trackback."),
        text("url", "Address of the comment."),
        _source(),
        text("extra", "JSON object of every field that has no column of its own."),
        _gone(),
        *_lineage(extractor=False),
    ),
    partition="site_bucket",
)

QUARANTINE = Table(
    "quarantine",
    "rejection",
    ("run_id", "site", "kind", "id"),
    (
        text("run_id", "Run that rejected the record.", required=True, narrow=True),
        text("site", "Site of the record.", required=True, narrow=True),
        text("kind", "Kind, as far as it was known.", required=True, narrow=True),
        text("id", "Id of the record; for files the path.", required=True, narrow=True),
        text("reason", "Reason slug, e.g. truncated_json.", required=True, pattern="^[a-z0-9_]+$", narrow=True),
        text("message", "What was wrong, in a sentence.", required=True),
        text("rule", "Validation rule that was broken, as table.column.rule."),
        _source(),
        text("url", "Address or path the record was read from."),
        text("content_type", "Media type of the payload."),
        text("raw_sha256", "SHA-256 of the payload.", pattern=HASH_PATTERN),
        Column(
            "payload", pa.binary(), "The record's bytes, unchanged; null when they could not be read.", unit="bytes"
        ),
        _context(),
        moment("rejected_at", "When it was rejected.", required=True, narrow=True),
        text("_source", "Source as given to the run."),
    ),
    notes="Append-only; replayable.",
)

RUNS = Table(
    "runs",
    "stream of a run",
    ("run_id", "site", "stream"),
    (
        text("run_id", "Run: time-ordered, unique.", required=True, narrow=True),
        text("site", "Site.", required=True, narrow=True),
        text(
            "stream",
            "posts, pages, media, authors, comments, a taxonomy or custom type's rest_base, files; or site, where a known "
            "site could not be read at all.",
            required=True,
            narrow=True,
        ),
        text("command", "ingest, backfill, sync, replay …", required=True),
        text("source", "Source as given to the run.", required=True),
        text(
            "state",
            "finished, failed, interrupted, or crashed (its process was killed); a running stream has no row yet.",
            required=True,
            one_of=("finished", "failed", "interrupted", "crashed"),
        ),
        moment("started_at", "When the stream began.", required=True, narrow=True),
        moment("finished_at", "When the stream ended.", required=True),
        Column("seconds", pa.float64(), "Duration by the monotonic clock.", unit="seconds"),
        count("fetched", "Records read: new + changed + unchanged + rejected."),
        count("new", "Documents or entities not seen before."),
        count("changed", "Documents or entities with a new state."),
        count("unchanged", "Records whose state was already in the lake."),
        count("rejected", "Records now in quarantine."),
        count("deleted", "Documents found gone."),
        count("expected", "Records the source said it holds; null when it does not say."),
        text("completeness", "complete, partial or blocked.", required=True, one_of=COMPLETENESS),
        text("reason", "Why it is not complete: what is missing, named."),
        Column("missing", pa.list_(pa.string()), "Ids or addresses known to be missing."),
        moment(
            "window_since", "Where the run was told to read only a window of publication times: its inclusive start."
        ),
        moment("window_until", "Its exclusive end."),
        moment("watermark_before", "Newest modification time committed before the run."),
        moment("watermark_after", "Newest modification time committed after it."),
        Column("table_versions", pa.map_(pa.string(), pa.int64()), "Delta version of each table after the stream."),
        count("requests", "HTTP requests made.", unit="requests"),
        count("bytes", "Bytes read from the source.", unit="bytes"),
    ),
    notes="Append-only; the ledger, not the log, is the record of a run.",
)

TABLES: dict[str, Table] = {
    table.name: table for table in (RAW, DOCUMENTS, AUTHORS, TERMS, MEDIA, COMMENTS, QUARANTINE, RUNS)
}
ENTITIES = ("authors", "terms", "media", "comments")
"""Tables that hold the current state only, one row per key."""
