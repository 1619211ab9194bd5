-- Who wrote the current documents. One row per document and author.
SELECT
    d.site,
    d.kind,
    d.id,
    author.id AS author_id, -- Id of the author within the site.
    author.name AS name,
    author.slug AS slug,
    d.published_at
FROM lake.documents AS d
ANTI JOIN lake.superseded AS s USING (site, kind, id, document_version),
UNNEST(d.authors) AS entry(author)
WHERE d.deleted_at IS NULL
