-- Public documents by kind, most first. One row per kind.
SELECT kind, count(*) AS documents
FROM gathered_documents
WHERE deleted_at IS NULL
GROUP BY kind
ORDER BY documents DESC, kind
