-- A run that ended in the ledger (by itself: a crashed one counted only its finished batches) wrote no more document versions of a site than it counted there.
WITH counted AS (
    SELECT
        run_id,
        site,
        sum(new + changed + deleted) AS counted
    FROM lake.runs
    GROUP BY run_id, site
    HAVING bool_and(state <> 'crashed')
),
written AS (
    SELECT
        _run_id AS run_id,
        site,
        count(*) AS written
    FROM lake.documents
    GROUP BY _run_id, site
)
SELECT *
FROM counted
INNER JOIN written USING (run_id, site)
WHERE written > counted
