-- The domains of other hosts that public documents link to most. One row per domain.
-- $most: how many rows at most.
WITH hosts AS MATERIALIZED (
    -- Not from links: beside an UNNEST in the FROM clause its many rows take ten times as long. And the pattern that
    -- makes a domain is dear, so what stands before the path is counted first; nothing after it has a say.
    SELECT
        left(link.url, start + strpos(substr(link.url, start + 1) || '/', '/')) AS host,
        count(*) AS links
    FROM (SELECT link, strpos(link.url, '//') + 1 AS start FROM (SELECT unnest(links) AS link FROM documents))
    WHERE NOT link.is_internal
    GROUP BY host
),
grouped AS MATERIALIZED (
    SELECT
        lower(regexp_extract(host, '^[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/@]*@)?(?:www\.)?([^/:?#]+)', 1)) AS domain,
        sum(links)::BIGINT AS links
    FROM hosts
    GROUP BY domain
)
SELECT
    domain,
    links,
    count(*) OVER () AS all_domains,
    (sum(links) OVER ())::BIGINT AS all_links
FROM grouped
WHERE domain <> ''
ORDER BY links DESC, domain
LIMIT $most
