-- Documents found deleted or unpublished, by the period when that was found, in UTC. One row per period with any.
-- $unit: as for publishing.
SELECT
    date_trunc($unit, deleted_at)::TIMESTAMP AS period,
    count(*) AS documents
FROM gathered_documents
WHERE deleted_at IS NOT NULL
GROUP BY period
ORDER BY period
