-- Which terms the current documents carry. One row per document and term.
SELECT
    d.site,
    d.kind,
    d.id,
    term.taxonomy AS taxonomy,
    term.id AS term_id, -- Id of the term within the site.
    term.name AS name,
    term.slug AS slug,
    d.published_at
FROM lake.documents AS d
ANTI JOIN lake.superseded AS s USING (site, kind, id, document_version),
UNNEST(d.terms) AS entry(term)
WHERE d.deleted_at IS NULL
