-- Images in the current documents, the featured one first. One row per image of a document.
SELECT
    site,
    kind,
    id, -- Id of the document within site and kind.
    image.url AS url, -- Address of the image.
    image.alt AS alt, -- Alternative text.
    image.caption AS caption, -- Caption as plain text.
    image.is_featured AS is_featured, -- Whether it is the featured image.
    published_at -- Publication time of the document.
-- Unnested where it is selected, as in links.
FROM (
    SELECT
        d.site,
        d.kind,
        d.id,
        d.published_at,
        unnest(
            list_concat(
                CASE
                    WHEN d.featured_image.url IS NOT NULL THEN [{
                        'url': d.featured_image.url,
                        'alt': d.featured_image.alt,
                        'caption': d.featured_image.caption,
                        'is_featured': TRUE
                    }]
                    ELSE []
                END,
                [
                    {'url': i.url, 'alt': i.alt, 'caption': i.caption, 'is_featured': FALSE}
                    FOR i IN d.images
                ]
            )
        ) AS image
    FROM lake.newest AS d
    WHERE d.deleted_at IS NULL
)
