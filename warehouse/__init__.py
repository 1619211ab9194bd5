"""The lake: disks, commits and SQL. No network of its own, no Prefect.

Reading order: ``lake`` (where the tables live), ``heads`` (what is known of a batch's keys), ``commit`` (the one
write path), ``ledger`` (runs and watermarks), ``catalog`` (the views analysts open), ``query`` (read-only SQL).
"""
