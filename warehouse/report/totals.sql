-- The public documents as a whole. One row.
SELECT
    count(*) AS documents,
    count(DISTINCT site) AS sites,
    coalesce(sum(word_count), 0)::BIGINT AS words,
    count(*) FILTER (WHERE published_at IS NULL) AS undated,
    min(published_at) AS oldest,
    max(published_at) AS newest
FROM gathered_documents
WHERE deleted_at IS NULL
