-- Documents found deleted or unpublished. One row.
SELECT
    count(*) AS documents,
    min(deleted_at) AS oldest,
    max(deleted_at) AS newest
FROM gathered_documents
WHERE deleted_at IS NOT NULL
