-- search(query): Current documents that hold every word and "quoted phrase" of the query, best first (BM25). One row per document.
WITH asked AS (
    SELECT
        -- Where a script sets no spaces between words, a word of the query may begin anywhere.
        [
            {
                'word': w,
                'is_anywhere': regexp_matches(
                    w, '[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]'
                )
            }
            FOR w IN list_sort(list_distinct(regexp_extract_all(folded, '[\p{L}\p{M}\p{N}]+')))
        ] AS words,
        [
            CASE
                WHEN regexp_matches(p, '[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]') THEN ''
                ELSE ' '
            END
            || trim(regexp_replace(p, '[^\p{L}\p{M}\p{N}]+', ' ', 'g'))
            FOR p IN regexp_extract_all(translate(folded, '“”„«»', '"""""'), '"([^"]*)"', 1)
            IF regexp_matches(p, '[\p{L}\p{N}]')
        ] AS phrases
    FROM (SELECT strip_accents(lower(query)) AS folded)
    -- Without a word nothing is read at all.
    WHERE regexp_matches(query, '[\p{L}\p{N}]')
),
documents AS (
    SELECT d.*
    FROM lake.documents AS d
    ANTI JOIN lake.superseded AS s USING (site, kind, id, document_version)
    WHERE d.deleted_at IS NULL
),
-- To look for letters is many times as fast as to look for words, and leaves few documents for that.
sifted AS (
    SELECT
        d.*,
        a.*,
        [contains(d.title, w.word) OR contains(d.text, w.word) FOR w IN a.words] AS held,
        list_bool_and(held) AS is_hit
    FROM (
        SELECT
            site,
            kind,
            id,
            coalesce(word_count, 0) AS words_in_text,
            strlen(title) AS bytes_in_title,
            strip_accents(lower(title)) AS title,
            strip_accents(lower(text)) AS text
        FROM documents
    ) AS d
    CROSS JOIN asked AS a
),
-- Every word that begins as one of the query does. Patterns are made of the query alone: DuckDB compiles them once.
spelt AS (
    SELECT
        *,
        CASE WHEN is_hit THEN ' ' || array_to_string(
            regexp_extract_all(
                title,
                '(?:^|[^\p{L}\p{M}\p{N}])((?:'
                || trim(regexp_replace(strip_accents(lower(query)), '[^\p{L}\p{M}\p{N}]+', '|', 'g'), '|')
                || ')[\p{L}\p{M}\p{N}]*)',
                1
            ),
            '  '
        ) || ' ' END AS title_words,
        CASE WHEN is_hit THEN ' ' || array_to_string(
            regexp_extract_all(
                text,
                '(?:^|[^\p{L}\p{M}\p{N}])((?:'
                || trim(regexp_replace(strip_accents(lower(query)), '[^\p{L}\p{M}\p{N}]+', '|', 'g'), '|')
                || ')[\p{L}\p{M}\p{N}]*)',
                1
            ),
            '  '
        ) || ' ' END AS text_words,
        -- The first phrase is looked for by a pattern: most documents have its words, but not in a row.
        CASE
            WHEN is_hit AND len(phrases) > 0 AND regexp_matches(
                title || ' ' || text,
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
            ) THEN ' ' || regexp_replace(title || ' ' || text, '[^\p{L}\p{M}\p{N}]+', ' ', 'g')
            ELSE ''
        END AS spaced
    FROM sifted
),
-- How often each word of the query stands in title and text; a longer word that begins so counts for half.
counted AS MATERIALIZED (
    SELECT
        site,
        kind,
        id,
        words_in_text,
        bytes_in_title,
        held,
        is_hit AND coalesce(list_bool_and([contains(spaced, p) FOR p IN phrases]), TRUE) AS is_hit,
        CASE WHEN is_hit THEN [
            CASE
                WHEN w.is_anywhere THEN (strlen(title) - strlen(replace(title, w.word, ''))) / strlen(w.word)
                ELSE 0.5 * (
                    (strlen(title_words) - strlen(replace(title_words, ' ' || w.word, ''))) / (strlen(w.word) + 1)
                    + (strlen(title_words) - strlen(replace(title_words, ' ' || w.word || ' ', ''))) / (strlen(w.word) + 2)
                )
            END
            FOR w IN words
        ] END AS in_title,
        CASE WHEN is_hit THEN [
            CASE
                WHEN w.is_anywhere THEN (strlen(text) - strlen(replace(text, w.word, ''))) / strlen(w.word)
                ELSE 0.5 * (
                    (strlen(text_words) - strlen(replace(text_words, ' ' || w.word, ''))) / (strlen(w.word) + 1)
                    + (strlen(text_words) - strlen(replace(text_words, ' ' || w.word || ' ', ''))) / (strlen(w.word) + 2)
                )
            END
            FOR w IN words
        ] END AS in_text
    FROM spelt
),
corpus AS (
    SELECT
        count(*) AS documents,
        greatest(avg(words_in_text), 1) AS mean_words,
        greatest(avg(bytes_in_title), 1) AS mean_bytes
    FROM counted
),
-- The fewer documents hold a word, the more it tells.
weights AS (
    SELECT list(ln(1 + (c.documents - h.documents + 0.5) / (h.documents + 0.5)) ORDER BY h.place) AS idf
    FROM (
        SELECT place, count(*) FILTER (WHERE is_held) AS documents
        FROM (SELECT unnest(held) AS is_held, generate_subscripts(held, 1) AS place FROM counted)
        GROUP BY place
    ) AS h
    CROSS JOIN corpus AS c
),
scored AS (
    SELECT
        h.site,
        h.kind,
        h.id,
        -- BM25 with the usual k1 = 1.2 and b = 0.75 for text, 0.5 for titles; in a document of middle length, a word in
        -- the title weighs as much as five in the text.
        [
            5 * h.in_title[i] / (0.5 + 0.5 * h.bytes_in_title / c.mean_bytes)
            + h.in_text[i] / (0.25 + 0.75 * h.words_in_text / c.mean_words)
            FOR i IN range(1, len(h.in_text) + 1)
        ] AS tf,
        list_sum([w.idf[i] * tf[i] * 2.2 / (tf[i] + 1.2) FOR i IN range(1, len(tf) + 1)]) AS score
    FROM counted AS h
    CROSS JOIN weights AS w
    CROSS JOIN corpus AS c
    WHERE h.is_hit AND list_bool_and([h.in_title[i] + h.in_text[i] > 0 FOR i IN range(1, len(h.in_text) + 1)])
)
SELECT round(r.score, 3) AS score, d.site, d.kind, d.id, d.title, d.published_at, d.url, d.text
FROM scored AS r
INNER JOIN documents AS d USING (site, kind, id)
ORDER BY r.score DESC, d.published_at DESC NULLS LAST, d.site, d.kind, d.id
