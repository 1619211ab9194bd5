-- Public documents and their words by period of publication, in UTC. One row per period that has any.
-- $unit: hour, day, week, month, quarter, year, decade or century.
SELECT
    date_trunc($unit, published_at)::TIMESTAMP AS period,
    count(*) AS documents,
    coalesce(sum(word_count), 0)::BIGINT AS words
FROM gathered_documents
WHERE deleted_at IS NULL AND published_at IS NOT NULL
GROUP BY period
ORDER BY period
