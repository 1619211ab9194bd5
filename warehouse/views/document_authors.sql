-- Who wrote the current documents. One row per document and author.
SELECT
    site,
    kind,
    id, -- Id of the document within site and kind.
    author.id AS author_id, -- Id of the author within the site.
    author.name AS name, -- Name of the author; null when the source held only ids.
    author.slug AS slug, -- Slug of the author; null when the source held only ids.
    published_at -- Publication time of the document.
-- Unnested where it is selected, as in document_terms.
FROM (
    SELECT d.site, d.kind, d.id, d.published_at, unnest(d.authors) AS author
    FROM lake.newest AS d
    WHERE d.deleted_at IS NULL
)
