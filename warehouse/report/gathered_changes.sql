-- What became of documents after the lake first saw them, gathered once. One row per document version from the second on.
SELECT
    site,
    kind,
    id,
    changed_at AT TIME ZONE 'UTC' AS changed_at,
    CASE
        WHEN change <> 'edited' THEN change
        WHEN is_title_changed THEN 'title'
        WHEN is_content_changed THEN 'text'
        ELSE 'other'
    END AS sort -- deleted, restored; of edits: title (and perhaps text), text alone, other: neither.
FROM document_changes
