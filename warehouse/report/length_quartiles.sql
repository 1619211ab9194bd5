-- Words of a public document that has any: a quarter, half and three quarters are no longer. One row.
SELECT
    quantile_disc(word_count, [0.25, 0.5, 0.75]) AS quartiles,
    max(word_count) AS longest
FROM gathered_documents
WHERE deleted_at IS NULL AND word_count > 0
