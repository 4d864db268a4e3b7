-- How often each table of the user's was scanned from end to end, as far as the statistics have heard of it.
SELECT relid, seq_scan FROM pg_stat_user_tables
