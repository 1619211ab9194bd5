-- Where every site stands. One row per site.
WITH counted AS (
    SELECT
        d.site,
        count(*) FILTER (WHERE d.deleted_at IS NULL) AS documents,
        count(*) FILTER (WHERE d.deleted_at IS NOT NULL) AS deleted,
        sum(d.word_count) FILTER (WHERE d.deleted_at IS NULL) AS words,
        min(d.published_at) AS oldest_published_at,
        max(d.published_at) AS newest_published_at
    FROM lake.newest AS d
    GROUP BY d.site
),
last_run AS (
    SELECT site, arg_max(run_id, finished_at) AS run_id, max(finished_at) AS finished_at
    FROM lake.runs
    GROUP BY site
),
outcome AS (
    SELECT
        r.site,
        any_value(l.run_id) AS run_id,
        any_value(l.finished_at) AS finished_at,
        CASE
            WHEN bool_or(r.completeness = 'blocked') THEN 'blocked'
            WHEN bool_or(r.completeness = 'partial') THEN 'partial'
            ELSE 'complete'
        END AS completeness,
        string_agg(r.reason, '; ' ORDER BY r.stream) AS reason
    FROM lake.runs AS r
    INNER JOIN last_run AS l USING (site, run_id)
    GROUP BY r.site
)
SELECT
    coalesce(c.site, o.site) AS site,
    coalesce(c.documents, 0) AS documents, -- Documents public now.
    coalesce(c.deleted, 0) AS deleted, -- Documents found deleted or unpublished.
    coalesce(c.words, 0)::BIGINT AS words, -- Words in the public documents.
    c.oldest_published_at AS oldest_published_at, -- Oldest publication time.
    c.newest_published_at AS newest_published_at, -- Newest publication time.
    o.finished_at AS last_run_at, -- When the last run ended.
    o.completeness AS completeness, -- complete, partial or blocked: the worst stream of the last run.
    o.reason AS reason, -- Why it is not complete.
    o.run_id AS last_run_id -- The last run.
FROM counted AS c
FULL OUTER JOIN outcome AS o ON o.site = c.site
