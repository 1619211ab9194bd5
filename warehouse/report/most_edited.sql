-- The documents with most edits that the lake saw, and how many were edited at all. One row per document.
-- $most: how many rows at most.
WITH edits AS (
    SELECT site, kind, id, count(*) AS edits, max(changed_at) AS last_seen_at
    FROM gathered_changes
    WHERE sort NOT IN ('deleted', 'restored')
    GROUP BY site, kind, id
),
ranked AS (
    SELECT
        *,
        count(*) OVER () AS all_documents,
        (sum(edits) OVER ())::BIGINT AS all_edits
    FROM edits
    ORDER BY edits DESC, last_seen_at DESC, site, kind, id
    LIMIT $most
)
SELECT
    r.site,
    r.kind,
    r.id,
    r.edits,
    r.last_seen_at,
    r.all_documents,
    r.all_edits,
    d.title,
    d.url
FROM ranked AS r
INNER JOIN documents_all AS d USING (site, kind, id)
ORDER BY r.edits DESC, r.last_seen_at DESC, r.site, r.kind, r.id
