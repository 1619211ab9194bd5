-- search(query): Current documents that hold every word and "quoted phrase" of the query, best first (BM25). One row per document.
WITH asked AS (
    SELECT
        lake.query_words(query)[:8] AS words,
        -- What words alone do not tell is looked for in the texts of those that hold the words: phrases, words that
        -- were cut into parts, and words after the eighth. Where a script sets no spaces they may begin anywhere.
        [
            CASE
                WHEN regexp_matches(p, '[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]') THEN p
                ELSE ' ' || p
            END
            FOR p IN list_concat(
                [
                    trim(regexp_replace(quoted, '[^\p{L}\p{M}\p{N}]+', ' ', 'g'))
                    FOR quoted IN regexp_extract_all(translate(folded, '“”„«»', '"""""'), '"([^"]*)"', 1)
                    IF regexp_matches(quoted, '[\p{L}\p{N}]')
                ],
                list_concat(
                    [
                        run FOR run IN regexp_extract_all(folded, '[\p{L}\p{M}\p{N}]+')
                        IF len(lake.query_words(run)) > 1
                    ],
                    lake.query_words(query)[9:]
                )
            )
        ] AS phrases
    FROM (SELECT strip_accents(lower(query)) AS folded)
    -- Without a word nothing is read at all.
    WHERE regexp_matches(query, '[\p{L}\p{N}]')
),
documents AS (
    SELECT d.*
    FROM lake.newest AS d
    WHERE d.deleted_at IS NULL
),
-- What is not indexed yet is looked through. To look for letters is many times as fast as to look for words, and leaves
-- few documents for that.
sifted AS (
    SELECT
        d.*,
        a.words,
        [contains(d.title, w) OR contains(d.text, w) FOR w IN a.words] AS held,
        list_bool_and(held) AS is_hit
    FROM (
        SELECT
            -row_number() OVER () AS doc,
            u.site,
            u.kind,
            u.id,
            coalesce(u.word_count, 0) AS words_in_text,
            strlen(u.title) AS bytes_in_title,
            strip_accents(lower(u.title)) AS title,
            strip_accents(lower(u.text)) AS text
        FROM lake.unindexed AS u
        ANTI JOIN lake.superseded AS s USING (_file, _row)
        WHERE u.deleted_at IS NULL
    ) AS d
    CROSS JOIN asked AS a
),
-- Every word that begins as one of the query does. The pattern is made of the query alone: DuckDB compiles it once.
spelt AS (
    SELECT
        *,
        [
            -- Older DuckDB makes null of an empty list.
            ' ' || coalesce(array_to_string(
                regexp_extract_all(
                    CASE
                        WHEN regexp_matches(t, '[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]')
                            THEN regexp_replace(
                                t, '([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]+)', ' \1 ', 'g'
                            )
                        ELSE t
                    END,
                    '(?:^|[^\p{L}\p{M}\p{N}])((?:'
                    || array_to_string(lake.query_words(query), '|')
                    || ')[\p{L}\p{M}\p{N}]*)',
                    1
                ),
                '  '
            ), '') || ' '
            FOR t IN [title, text] IF is_hit
        ] AS spellings
    FROM sifted
),
-- How often each word of the query stands there; a longer word that begins so counts for half.
looked AS MATERIALIZED (
    SELECT
        doc,
        site,
        kind,
        id,
        words_in_text,
        bytes_in_title,
        held,
        CASE WHEN is_hit THEN [
            [
                CASE
                    WHEN regexp_matches(w, '^[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]')
                        THEN (strlen(t.folded) - strlen(replace(t.folded, w, ''))) / strlen(w)
                    ELSE 0.5 * (
                        (strlen(t.spelt) - strlen(replace(t.spelt, ' ' || w, ''))) / (strlen(w) + 1)
                        + (strlen(t.spelt) - strlen(replace(t.spelt, ' ' || w || ' ', ''))) / (strlen(w) + 2)
                    )
                END
                FOR t IN [{'folded': title, 'spelt': spellings[1]}, {'folded': text, 'spelt': spellings[2]}]
            ]
            FOR w IN words
        ] END AS counts
    FROM spelt
),
shown AS (
    SELECT doc, site, kind, id, words_in_text, bytes_in_title
    FROM lake.lengths AS l
    ANTI JOIN lake.superseded AS s USING (site, kind, id, document_version)
    UNION ALL
    SELECT doc, site, kind, id, words_in_text, bytes_in_title FROM looked
),
corpus AS (
    SELECT
        count(*) AS documents,
        greatest(avg(words_in_text), 1) AS mean_words,
        greatest(avg(bytes_in_title), 1) AS mean_bytes
    FROM shown
),
found AS (
    FROM lake.postings(query, 1)
    UNION ALL
    FROM lake.postings(query, 2)
    UNION ALL
    FROM lake.postings(query, 3)
    UNION ALL
    FROM lake.postings(query, 4)
    UNION ALL
    FROM lake.postings(query, 5)
    UNION ALL
    FROM lake.postings(query, 6)
    UNION ALL
    FROM lake.postings(query, 7)
    UNION ALL
    FROM lake.postings(query, 8)
    UNION ALL
    SELECT place, doc, counts[1] AS in_title, counts[2] AS in_text
    FROM (SELECT doc, unnest(counts) AS counts, generate_subscripts(counts, 1) AS place FROM looked)
    WHERE counts[1] + counts[2] > 0
),
counted AS MATERIALIZED (
    SELECT f.place, f.doc, f.in_title, f.in_text, s.words_in_text, s.bytes_in_title
    FROM found AS f
    INNER JOIN shown AS s USING (doc)
),
-- The fewer documents hold a word, the more it tells.
weights AS (
    SELECT h.place, ln(1 + (any_value(c.documents) - sum(h.documents) + 0.5) / (sum(h.documents) + 0.5)) AS idf
    FROM (
        SELECT place, count(*) AS documents
        FROM counted
        WHERE doc >= 0
        GROUP BY place
        UNION ALL
        SELECT place, count(*) FILTER (WHERE is_held) AS documents
        FROM (SELECT unnest(held) AS is_held, generate_subscripts(held, 1) AS place FROM looked)
        GROUP BY place
    ) AS h
    CROSS JOIN corpus AS c
    GROUP BY h.place
),
scored AS (
    SELECT doc, sum(idf * tf * 2.2 / (tf + 1.2)) AS score
    FROM (
        SELECT
            h.doc,
            w.idf,
            -- BM25 with the usual k1 = 1.2 and b = 0.75 for text, 0.5 for titles; in a document of middle length, a word
            -- in the title weighs as much as five in the text.
            5 * h.in_title / (0.5 + 0.5 * h.bytes_in_title / c.mean_bytes)
            + h.in_text / (0.25 + 0.75 * h.words_in_text / c.mean_words) AS tf
        FROM counted AS h
        INNER JOIN weights AS w USING (place)
        CROSS JOIN corpus AS c
    )
    GROUP BY doc
    HAVING count(*) = (SELECT len(words) FROM asked)
),
hits AS (
    SELECT s.site, s.kind, s.id, r.score
    FROM scored AS r
    INNER JOIN shown AS s USING (doc)
),
verified AS (
    SELECT site, kind, id, score
    FROM hits
    -- Of the query alone, so that texts are not read in vain.
    WHERE NOT regexp_matches(
        query, '["“”„«»]|[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]'
    ) AND len(lake.query_words(query)) <= 8
    UNION ALL
    SELECT h.site, h.kind, h.id, h.score
    FROM hits AS h
    INNER JOIN (
        SELECT site, kind, id, strip_accents(lower(title || ' ' || text)) AS folded
        FROM documents
        SEMI JOIN hits USING (site, kind, id)
    ) AS d USING (site, kind, id)
    CROSS JOIN asked AS a
    WHERE (
        regexp_matches(query, '["“”„«»]|[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]')
        OR len(lake.query_words(query)) > 8
    )
    -- The first phrase is looked for by a pattern: most documents have its words, but not in a row.
    AND CASE
        WHEN len(a.phrases) = 0 THEN TRUE
        WHEN regexp_matches(
            d.folded,
            replace(
                trim(regexp_replace(
                    regexp_extract(
                        translate(strip_accents(lower(query)), '“”„«»', '"""""'), '"([^"]*[\p{L}\p{N}][^"]*)"', 1
                    ),
                    '[^\p{L}\p{M}\p{N}]+',
                    ' ',
                    'g'
                )),
                ' ',
                '[^\p{L}\p{M}\p{N}]+'
            )
        ) THEN list_bool_and(
            [contains(' ' || regexp_replace(d.folded, '[^\p{L}\p{M}\p{N}]+', ' ', 'g'), p) FOR p IN a.phrases]
        )
        ELSE FALSE
    END
)
SELECT round(r.score, 3) AS score, d.site, d.kind, d.id, d.title, d.published_at, d.url, d.text
FROM verified AS r
INNER JOIN documents AS d USING (site, kind, id)
ORDER BY r.score DESC, d.published_at DESC NULLS LAST, d.site, d.kind, d.id
