-- What became of documents after the lake first saw them. One row per sort of change.
SELECT
    sort,
    count(*) AS changes,
    count(DISTINCT (site, kind, id)) AS documents
FROM gathered_changes
GROUP BY sort
ORDER BY sort
