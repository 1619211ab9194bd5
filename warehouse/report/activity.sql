-- Public documents of some sites by period of publication, in UTC. One row per site and period that has any.
-- $sites: their names. $unit: as for publishing.
SELECT
    site,
    date_trunc($unit, published_at)::TIMESTAMP AS period,
    count(*) AS documents
FROM gathered_documents
WHERE deleted_at IS NULL AND published_at IS NOT NULL AND list_contains($sites, site)
GROUP BY site, period
ORDER BY site, period
