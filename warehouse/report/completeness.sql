-- How the last run of every stream ended. One row per outcome that occurs.
WITH latest AS (
    SELECT site, stream, completeness
    FROM runs
    QUALIFY row_number() OVER (PARTITION BY site, stream ORDER BY finished_at DESC, run_id DESC) = 1
)
SELECT
    completeness,
    count(*) AS streams,
    count(DISTINCT site) AS sites
FROM latest
GROUP BY completeness
ORDER BY completeness
