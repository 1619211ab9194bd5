-- search(query): Current documents that hold every word of the query, best first (BM25). One row per document.
WITH words AS (
    SELECT DISTINCT unnest(regexp_extract_all(lower(query), '[\p{L}\p{N}]+')) AS word
),
documents AS (
    SELECT d.*
    FROM lake.documents AS d
    ANTI JOIN lake.superseded AS s USING (site, kind, id, document_version)
    WHERE d.deleted_at IS NULL
),
corpus AS (
    SELECT count(*) AS documents, coalesce(avg(word_count), 1) AS mean_words
    FROM documents
),
hits AS (
    SELECT
        d.site,
        d.kind,
        d.id,
        w.word,
        coalesce(d.word_count, 0) AS words,
        -- A word in the title weighs as much as four in the text.
        4 * CAST(contains(lower(d.title), w.word) AS INTEGER)
        + (length(d.text) - length(replace(lower(d.text), w.word, ''))) / length(w.word) AS n
    FROM documents AS d
    CROSS JOIN words AS w
    WHERE contains(lower(d.title), w.word) OR contains(lower(d.text), w.word)
),
weights AS (
    SELECT h.word, ln(1 + (any_value(c.documents) - count(*) + 0.5) / (count(*) + 0.5)) AS idf
    FROM hits AS h
    CROSS JOIN corpus AS c
    GROUP BY h.word
),
scored AS (
    SELECT
        h.site,
        h.kind,
        h.id,
        -- BM25 with the usual k1 = 1.2, b = 0.75.
        sum(w.idf * h.n * 2.2 / (h.n + 1.2 * (0.25 + 0.75 * h.words / c.mean_words))) AS score
    FROM hits AS h
    INNER JOIN weights AS w USING (word)
    CROSS JOIN corpus AS c
    GROUP BY h.site, h.kind, h.id
    HAVING count(*) = (SELECT count(*) FROM words)
)
SELECT round(r.score, 3) AS score, d.site, d.kind, d.id, d.title, d.published_at, d.url, d.text
FROM scored AS r
INNER JOIN documents AS d USING (site, kind, id)
ORDER BY r.score DESC, d.published_at DESC NULLS LAST, d.site, d.kind, d.id
