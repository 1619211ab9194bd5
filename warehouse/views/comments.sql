-- Comments as the site shows them now. One row per comment.
SELECT *
FROM lake.comments
WHERE deleted_at IS NULL
