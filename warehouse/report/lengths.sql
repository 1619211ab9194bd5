-- Public documents by length: none, below 50 words, then classes that double. One row per class that has any.
SELECT
    CASE
        WHEN word_count <= 0 THEN 0
        WHEN word_count < 50 THEN 1
        ELSE least(2 + floor(log2(word_count / 50.0)), 12)
    END::INT AS class, -- 2: 50 to 99 words, 3: 100 to 199, and so on; 12: 51,200 and more.
    count(*) AS documents
FROM gathered_documents
WHERE deleted_at IS NULL AND word_count IS NOT NULL
GROUP BY class
ORDER BY class
