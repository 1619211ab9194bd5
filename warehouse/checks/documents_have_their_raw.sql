-- Every document version names a raw record that is in the lake.
SELECT
    d.site,
    d.kind,
    d.id,
    d.document_version,
    d._raw_sha256
FROM lake.documents AS d
ANTI JOIN lake.raw AS r ON d.site = r.site AND d._raw_sha256 = r.raw_sha256
