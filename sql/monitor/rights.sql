-- What our role may see and do: a member of pg_monitor reads all statistics, too.
SELECT
    current_user AS role,
    pg_has_role('pg_read_all_stats', 'USAGE') AS reads_all,
    pg_has_role('pg_signal_backend', 'USAGE') AS signals
