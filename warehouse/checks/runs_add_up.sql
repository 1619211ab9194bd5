-- What a stream of a run fetched is what it found new, changed, unchanged or rejected.
SELECT
    run_id,
    site,
    stream,
    fetched,
    new,
    changed,
    unchanged,
    rejected
FROM lake.runs
WHERE fetched <> new + changed + unchanged + rejected
