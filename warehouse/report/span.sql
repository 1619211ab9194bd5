-- When the public documents were published, and where all but half a percent at either end lie. One row.
SELECT
    count(published_at) AS documents,
    min(published_at) AS oldest,
    max(published_at) AS newest,
    quantile_disc(published_at, 0.005) AS early,
    quantile_disc(published_at, 0.995) AS late
FROM gathered_documents
WHERE deleted_at IS NULL
