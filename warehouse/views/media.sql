-- Media items as the site shows them now. One row per media item of a site.
SELECT *
FROM lake.media
WHERE deleted_at IS NULL
