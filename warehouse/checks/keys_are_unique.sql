-- Entities have one row per key, raw records one per state, rejections one per run.
SELECT 'authors' AS in_table, site, NULL AS kind, id, count(*) AS rows FROM lake.authors GROUP BY site, id HAVING count(*) > 1
UNION ALL
SELECT 'terms', site, taxonomy, id, count(*) FROM lake.terms GROUP BY site, taxonomy, id HAVING count(*) > 1
UNION ALL
SELECT 'media', site, NULL, id, count(*) FROM lake.media GROUP BY site, id HAVING count(*) > 1
UNION ALL
SELECT 'comments', site, NULL, id, count(*) FROM lake.comments GROUP BY site, id HAVING count(*) > 1
UNION ALL
SELECT 'raw', site, kind, id, count(*) FROM lake.raw GROUP BY site, kind, id, raw_sha256 HAVING count(*) > 1
UNION ALL
SELECT 'quarantine', site, kind, id, count(*) FROM lake.quarantine GROUP BY run_id, site, kind, id HAVING count(*) > 1
UNION ALL
SELECT 'runs', site, stream, run_id, count(*) FROM lake.runs GROUP BY run_id, site, stream HAVING count(*) > 1
