-- Consecutive states side by side. One row per document version from the second on.
SELECT
    new.site,
    new.kind,
    new.id, -- Id of the document within site and kind.
    new.document_version, -- The version that the change led to: 2, 3 …
    new.valid_from AS changed_at, -- When the lake learned of the change.
    new.url, -- Address after the change.
    CASE
        WHEN new.deleted_at IS NOT NULL AND old.deleted_at IS NULL THEN 'deleted'
        WHEN new.deleted_at IS NULL AND old.deleted_at IS NOT NULL THEN 'restored'
        ELSE 'edited'
    END AS change, -- deleted, restored or edited.
    old.title AS title_before, -- Title before the change.
    new.title AS title_after, -- Title after the change.
    new.title IS DISTINCT FROM old.title AS is_title_changed, -- Whether the title changed.
    new.content_sha256 IS DISTINCT FROM old.content_sha256 AS is_content_changed, -- Whether title or text changed.
    new.text IS DISTINCT FROM old.text AS is_text_changed, -- Whether the text changed.
    new.terms IS DISTINCT FROM old.terms AS is_terms_changed, -- Whether categories, tags or custom terms changed.
    new.authors IS DISTINCT FROM old.authors AS is_authors_changed, -- Whether the authors changed.
    old.url AS url_before, -- Address before the change.
    new.url IS DISTINCT FROM old.url AS is_url_changed, -- Whether the address changed.
    old.status AS status_before, -- Status before the change.
    new.status AS status_after, -- Status after the change.
    new.word_count - old.word_count AS words_added, -- Words after less words before.
    old.text AS text_before, -- Text before the change.
    new.text AS text_after, -- Text after the change.
    old.modified_at AS modified_before, -- Modification time before the change.
    new.modified_at AS modified_after, -- Modification time after the change.
    new._run_id -- Run that learned of the change.
FROM lake.documents AS new
INNER JOIN lake.documents AS old
    ON old.site = new.site
    AND old.kind = new.kind
    AND old.id = new.id
    AND old.document_version = new.document_version - 1
WHERE new.document_version > 1
