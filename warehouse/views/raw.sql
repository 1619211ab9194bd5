-- Everything fetched, exactly as received. One row per fetched state of one record.
SELECT *
FROM lake.raw
