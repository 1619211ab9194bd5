-- What every run did and what it could not do. One row per stream of a run.
SELECT *
FROM lake.runs
