-- How much was published, by day in UTC. One row per site, kind and day.
SELECT
    d.site,
    d.kind,
    CAST(d.published_at AT TIME ZONE 'UTC' AS DATE) AS day, -- Day of publication, UTC.
    count(*) AS documents, -- Documents published that day and public now.
    sum(d.word_count)::BIGINT AS words -- Their words.
FROM lake.newest AS d
WHERE d.deleted_at IS NULL AND d.published_at IS NOT NULL
GROUP BY ALL
