-- Public documents by language without its region, most first. One row per language; null: not certain.
SELECT
    nullif(language, '') AS code,
    count(*) AS documents
FROM gathered_documents
WHERE deleted_at IS NULL
GROUP BY code
ORDER BY documents DESC, code NULLS LAST
