-- Links in the text of the current documents. One row per link.
SELECT
    d.site,
    d.kind,
    d.id,
    link.url AS url, -- Where the link leads, absolute.
    lower(regexp_extract(link.url, '^[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/@]*@)?(?:www\.)?([^/:?#]+)', 1)) AS domain, -- Host it leads to, without www.
    link.text AS text, -- Words of the link.
    link.rel AS rel, -- rel attribute, e.g. nofollow.
    link.is_internal AS is_internal, -- Whether it stays on the same host.
    d.published_at
FROM lake.documents AS d
ANTI JOIN lake.superseded AS s USING (site, kind, id, document_version),
UNNEST(d.links) AS entry(link)
WHERE d.deleted_at IS NULL
