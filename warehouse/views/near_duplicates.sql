-- Documents with largely the same text, by signatures that maintain makes. One row per pair, within and across sites.
WITH signed AS (
    SELECT
        d.site,
        d.kind,
        d.id,
        d.url,
        d.title,
        d.minhash
    FROM documents AS d
    WHERE len(d.minhash) = 64
),
-- Sixteen bands of four places: texts that agree in half their runs of words share a band more often than not.
bands AS (
    SELECT
        s.site,
        s.kind,
        s.id,
        b.band,
        hash(s.minhash[b.band * 4 + 1 : b.band * 4 + 4]) AS bucket
    FROM signed AS s
    CROSS JOIN range(16) AS b (band)
),
buckets AS (
    SELECT
        band,
        bucket,
        list({'site': site, 'kind': kind, 'id': id} ORDER BY site, kind, id) AS members
    FROM bands
    GROUP BY band, bucket
    HAVING count(*) > 1
),
-- Of a crowd of copies every one is paired with the first only, or pairs would grow with the square.
pairs AS (
    SELECT DISTINCT
        b.members[i.i] AS one,
        b.members[j.j] AS other
    FROM buckets AS b
    CROSS JOIN range(1, len(b.members) + 1) AS i (i)
    CROSS JOIN range(i.i + 1, len(b.members) + 1) AS j (j)
    WHERE i.i = 1 OR len(b.members) <= 30
),
compared AS (
    SELECT
        a.site AS site,
        a.kind AS kind,
        a.id AS id,
        a.url AS url,
        a.title AS title,
        o.site AS other_site,
        o.kind AS other_kind,
        o.id AS other_id,
        o.url AS other_url,
        o.title AS other_title,
        list_sum([(m[1] = m[2])::INT FOR m IN list_zip(a.minhash, o.minhash)]) / 64.0 AS similarity
    FROM pairs AS p
    INNER JOIN signed AS a ON a.site = p.one.site AND a.kind = p.one.kind AND a.id = p.one.id
    INNER JOIN signed AS o ON o.site = p.other.site AND o.kind = p.other.kind AND o.id = p.other.id
)
SELECT
    site,
    kind,
    id, -- Id of the document within site and kind.
    url, -- Address of the document.
    title, -- Title of the document.
    other_site, -- The other document's site.
    other_kind, -- The other document's kind.
    other_id, -- The other document's id.
    other_url, -- The other document's address.
    other_title, -- The other document's title.
    similarity::DOUBLE AS similarity, -- Estimated share of runs of four words that both have; off by about 0.05.
    site = other_site AS is_same_site -- Whether both are of one site.
FROM compared
WHERE similarity >= 0.5
