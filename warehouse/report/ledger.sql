-- The runs as a whole. One row.
SELECT
    count(DISTINCT run_id) AS runs,
    max(finished_at) AS last_run_at
FROM runs
