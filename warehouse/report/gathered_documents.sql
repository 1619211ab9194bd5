-- What most figures count, gathered once: the narrow columns of every document's newest state. One row per document.
SELECT
    site,
    kind,
    lower(split_part(language, '-', 1)) AS language,
    word_count,
    published_at AT TIME ZONE 'UTC' AS published_at,
    modified_at AT TIME ZONE 'UTC' AS modified_at,
    deleted_at AT TIME ZONE 'UTC' AS deleted_at
FROM documents_all
