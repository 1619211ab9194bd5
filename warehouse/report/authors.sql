-- Who wrote the public documents. One row.
SELECT count(DISTINCT (site, coalesce(name, slug, author_id))) AS authors
FROM document_authors
