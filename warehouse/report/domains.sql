-- The domains of other hosts that public documents link to most. One row per domain.
-- $most: how many rows at most.
WITH hosts AS MATERIALIZED (
    -- Not from links: beside an UNNEST in the FROM clause its many rows take ten times as long. And the pattern that
    -- makes a domain is dear, so what stands before the path is counted first; nothing after it has a say.
    SELECT
        split_part(link.url, '/', 1) || '//' || split_part(link.url, '/', 3) AS host,
        count(*) AS links
    FROM (SELECT unnest(links) AS link FROM documents)
    WHERE NOT link.is_internal AND split_part(link.url, '/', 2) = ''
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
