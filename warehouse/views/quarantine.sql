-- Records that did not become documents, and why. One row per rejection.
SELECT *
FROM lake.quarantine
