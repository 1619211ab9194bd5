-- Authors as the site shows them now. One row per author of a site.
SELECT *
FROM lake.authors
WHERE deleted_at IS NULL
