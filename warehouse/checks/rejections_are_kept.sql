-- What a run rejected is in quarantine, and nothing else is.
WITH counted AS (
    SELECT
        run_id,
        site,
        sum(rejected) AS counted
    FROM lake.runs
    GROUP BY run_id, site
    HAVING bool_and(state <> 'crashed')
),
kept AS (
    SELECT
        run_id,
        site,
        count(*) AS kept
    FROM lake.quarantine
    GROUP BY run_id, site
)
SELECT
    run_id,
    site,
    counted,
    coalesce(kept, 0) AS kept
FROM counted
LEFT JOIN kept USING (run_id, site)
WHERE coalesce(kept, 0) > counted OR (counted > 0 AND kept IS NULL)
