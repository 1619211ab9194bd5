-- The newest state of every document ever seen, deleted ones included. One row per document.
SELECT
    d.*,
    NULL::TIMESTAMP WITH TIME ZONE AS valid_to, -- Always null here: this is the newest state.
    TRUE AS is_current -- Always true here; see document_versions for the others.
FROM lake.newest AS d
