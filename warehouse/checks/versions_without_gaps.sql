-- Versions of a document are 1, 2, 3 … without gap or repetition.
SELECT
    site,
    kind,
    id,
    count(*) AS versions,
    max(document_version) AS newest
FROM lake.documents
GROUP BY site, kind, id
HAVING count(*) <> max(document_version) OR count(DISTINCT document_version) <> count(*)
