-- Every progress view of this server; done and total are those of the phase in hand, null where it counts nothing.
SELECT
    p.pid,
    p.command,
    p.datid,
    p.relid,
    p.phase,
    CASE
        WHEN p.phase LIKE 'waiting for %' THEN p.lockers_done
        WHEN p.phase LIKE '%: loading tuples in tree' THEN p.tuples_done
        WHEN p.phase LIKE '%: sorting %' THEN NULL
        WHEN p.blocks_total > 0 THEN p.blocks_done
        ELSE p.tuples_done
    END AS done,
    CASE
        WHEN p.phase LIKE 'waiting for %' THEN p.lockers_total
        WHEN p.phase LIKE '%: loading tuples in tree' THEN p.tuples_total
        WHEN p.phase LIKE '%: sorting %' THEN NULL
        WHEN p.blocks_total > 0 THEN p.blocks_total
        ELSE p.tuples_total
    END AS total,
    CASE
        WHEN p.phase LIKE 'waiting for %' THEN 'sessions'
        WHEN p.phase LIKE '%: loading tuples in tree' THEN 'rows'
        WHEN p.phase LIKE '%: sorting %' THEN ''
        WHEN p.blocks_total > 0 THEN 'blocks'
        ELSE 'rows'
    END AS unit,
    nullif(p.current_locker_pid, 0)::int AS waits_for_pid
FROM pg_stat_progress_create_index p
UNION ALL
SELECT
    p.pid,
    p.command,
    p.datid,
    p.relid,
    p.phase,
    CASE p.phase
        WHEN 'seq scanning heap' THEN p.heap_blks_scanned
        WHEN 'index scanning heap' THEN p.heap_tuples_scanned
        WHEN 'writing new heap' THEN p.heap_tuples_written
        WHEN 'rebuilding index' THEN p.index_rebuild_count
    END,
    CASE p.phase
        WHEN 'seq scanning heap' THEN p.heap_blks_total
        WHEN 'writing new heap' THEN p.heap_tuples_scanned
    END,
    CASE p.phase
        WHEN 'seq scanning heap' THEN 'blocks'
        WHEN 'rebuilding index' THEN 'indexes'
        ELSE 'rows'
    END,
    NULL
FROM pg_stat_progress_cluster p
UNION ALL
SELECT
    p.pid,
    'VACUUM',
    p.datid,
    p.relid,
    p.phase,
    CASE p.phase
        WHEN 'vacuuming heap' THEN p.heap_blks_vacuumed
        WHEN 'vacuuming indexes' THEN p.indexes_processed
        WHEN 'cleaning up indexes' THEN p.indexes_processed
        ELSE p.heap_blks_scanned
    END,
    CASE
        WHEN p.phase IN ('vacuuming indexes', 'cleaning up indexes') THEN p.indexes_total
        ELSE p.heap_blks_total
    END,
    CASE WHEN p.phase IN ('vacuuming indexes', 'cleaning up indexes') THEN 'indexes' ELSE 'blocks' END,
    NULL
FROM pg_stat_progress_vacuum p
UNION ALL
SELECT
    p.pid,
    'ANALYZE',
    p.datid,
    p.relid,
    p.phase,
    CASE
        WHEN p.phase LIKE 'acquiring %' THEN p.sample_blks_scanned
        WHEN p.phase = 'computing extended statistics' THEN p.ext_stats_computed
    END,
    CASE
        WHEN p.phase LIKE 'acquiring %' THEN p.sample_blks_total
        WHEN p.phase = 'computing extended statistics' THEN p.ext_stats_total
    END,
    CASE
        WHEN p.phase LIKE 'acquiring %' THEN 'blocks'
        WHEN p.phase = 'computing extended statistics' THEN 'statistics'
        ELSE ''
    END,
    NULL
FROM pg_stat_progress_analyze p
UNION ALL
SELECT
    p.pid,
    p.command,
    p.datid,
    p.relid,
    lower(p.type),
    CASE WHEN p.bytes_total > 0 THEN p.bytes_processed ELSE p.tuples_processed END,
    CASE WHEN p.bytes_total > 0 THEN p.bytes_total END,
    CASE WHEN p.bytes_total > 0 THEN 'bytes' ELSE 'rows' END,
    NULL
FROM pg_stat_progress_copy p
UNION ALL
SELECT
    p.pid,
    'BASE BACKUP',
    NULL,
    NULL,
    p.phase,
    p.backup_streamed,
    p.backup_total,
    'bytes',
    NULL
FROM pg_stat_progress_basebackup p
