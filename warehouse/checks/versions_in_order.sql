-- A later version of a document became known later, and none before the document did.
SELECT
    site,
    kind,
    id,
    document_version,
    valid_from
FROM lake.documents
WINDOW versions AS (PARTITION BY site, kind, id ORDER BY document_version)
QUALIFY valid_from <= lag(valid_from) OVER versions OR valid_from < first_seen_at
