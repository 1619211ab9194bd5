-- Every known state of every document, deletions included. One row per document version.
SELECT
    d.* EXCLUDE (_file, _row),
    s.valid_to,            -- When a newer state replaced this one; null while it is the newest.
    s.valid_to IS NULL AS is_current -- Whether this is the newest state.
FROM lake.documents AS d
LEFT JOIN lake.superseded AS s USING (_file, _row)
