-- Categories, tags and custom terms as the site shows them now. One row per term of a site.
SELECT *
FROM lake.terms
WHERE deleted_at IS NULL
