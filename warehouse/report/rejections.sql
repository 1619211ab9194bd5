-- Rejections by reason, most first. One row per reason.
SELECT
    reason,
    count(*) AS rejections,
    count(DISTINCT (site, kind, id)) AS records,
    count(DISTINCT site) AS sites,
    max(rejected_at) AT TIME ZONE 'UTC' AS newest,
    arg_min(message, (rejected_at, site, kind, id)) AS example
FROM quarantine
GROUP BY reason
ORDER BY rejections DESC, reason
