-- The last run of each stream, of the sites that need a look first: blocked, partial, then the largest.
-- One row per site and stream. $most: how many sites at most.
WITH latest AS (
    SELECT site, stream, completeness, state, finished_at, fetched, expected, rejected, reason
    FROM runs
    QUALIFY row_number() OVER (PARTITION BY site, stream ORDER BY finished_at DESC, run_id DESC) = 1
),
worst AS (
    SELECT site, max(CASE completeness WHEN 'blocked' THEN 2 WHEN 'partial' THEN 1 ELSE 0 END) AS severity
    FROM latest
    GROUP BY site
),
sizes AS (
    SELECT site, count(*) AS documents
    FROM gathered_documents
    WHERE deleted_at IS NULL
    GROUP BY site
),
chosen AS (
    SELECT
        w.site,
        row_number() OVER (ORDER BY w.severity DESC, coalesce(s.documents, 0) DESC, w.site) AS place,
        count(*) OVER () AS all_sites
    FROM worst AS w
    LEFT JOIN sizes AS s USING (site)
    QUALIFY place <= $most
)
SELECT
    c.place,
    c.all_sites,
    l.site,
    l.stream,
    l.completeness,
    l.state,
    l.finished_at AT TIME ZONE 'UTC' AS finished_at,
    l.fetched,
    l.expected,
    l.rejected,
    l.reason
FROM latest AS l
INNER JOIN chosen AS c USING (site)
ORDER BY c.place, l.stream
