-- as_of(ts): Documents as the lake knew them at a moment, with the columns of document_versions. One row per document public then.
SELECT
    d.* EXCLUDE (_file, _row),
    s.valid_to,
    s.valid_to IS NULL AS is_current
FROM lake.documents AS d
LEFT JOIN lake.superseded AS s USING (_file, _row)
WHERE d.valid_from <= ts::TIMESTAMP WITH TIME ZONE
    AND (s.valid_to IS NULL OR s.valid_to > ts::TIMESTAMP WITH TIME ZONE)
    AND (d.deleted_at IS NULL)
