-- The largest sites, with how many there are and hold in all. One row per site.
-- $most: how many rows at most.
SELECT
    site,
    documents,
    words,
    deleted,
    oldest_published_at AT TIME ZONE 'UTC' AS oldest,
    newest_published_at AT TIME ZONE 'UTC' AS newest,
    last_run_at AT TIME ZONE 'UTC' AS last_run_at,
    completeness,
    reason,
    count(*) OVER () AS all_sites,
    (sum(documents) OVER ())::BIGINT AS all_documents
FROM sites
ORDER BY documents DESC, site
LIMIT $most
