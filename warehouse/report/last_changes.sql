-- How long after its publication a public document was last changed, as its source says. One row per class.
SELECT
    CASE
        WHEN modified_at <= published_at + INTERVAL 1 MINUTE THEN 0
        WHEN modified_at <= published_at + INTERVAL 1 HOUR THEN 1
        WHEN modified_at <= published_at + INTERVAL 1 DAY THEN 2
        WHEN modified_at <= published_at + INTERVAL 7 DAY THEN 3
        WHEN modified_at <= published_at + INTERVAL 30 DAY THEN 4
        WHEN modified_at <= published_at + INTERVAL 365 DAY THEN 5
        ELSE 6
    END AS class, -- 0: within a minute, which is not at all; then hour, day, week, month, year, later.
    count(*) AS documents
FROM gathered_documents
WHERE deleted_at IS NULL AND published_at IS NOT NULL AND modified_at IS NOT NULL
GROUP BY class
ORDER BY class
