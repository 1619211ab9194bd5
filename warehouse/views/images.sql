-- Images in the current documents, the featured one first. One row per image of a document.
SELECT
    d.site,
    d.kind,
    d.id,
    image.url AS url, -- Address of the image.
    image.alt AS alt, -- Alternative text.
    image.caption AS caption, -- Caption as plain text.
    image.is_featured AS is_featured, -- Whether it is the featured image.
    d.published_at
FROM lake.documents AS d
ANTI JOIN lake.superseded AS s USING (site, kind, id, document_version),
UNNEST(
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
) AS entry(image)
WHERE d.deleted_at IS NULL
