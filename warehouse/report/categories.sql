-- The categories that most public documents carry; same names of several sites count together. One row per name.
-- $most: how many rows at most.
WITH counted AS (
    -- Not from document_terms: beside an UNNEST in the FROM clause its many rows take ten times as long.
    SELECT site, term.id AS term_id, term.name AS name, term.slug AS slug, count(*) AS documents
    FROM (SELECT site, unnest(terms) AS term FROM documents)
    WHERE term.taxonomy = 'category'
    GROUP BY site, term_id, name, slug
),
named AS (
    SELECT
        c.site,
        coalesce(nullif(trim(c.name), ''), nullif(trim(t.name), ''), c.slug, c.term_id) AS name,
        c.documents
    FROM counted AS c
    LEFT JOIN terms AS t ON t.site = c.site AND t.taxonomy = 'category' AND t.id = c.term_id
),
grouped AS (
    SELECT name, sum(documents)::BIGINT AS documents, count(DISTINCT site) AS sites
    FROM named
    GROUP BY name
)
SELECT
    name,
    documents,
    sites,
    count(*) OVER () AS all_names,
    (sum(documents) OVER ())::BIGINT AS all_documents
FROM grouped
ORDER BY documents DESC, name
LIMIT $most
