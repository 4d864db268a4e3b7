-- Every progress view of this server. Done and total are those of the phase in hand, null where it counts nothing;
-- parts are of the whole command. What only newer servers tell is read by its name: on the others it is null.
SELECT
    p.pid,
    coalesce(p.command, 'CREATE INDEX or REINDEX') AS command,
    p.datid,
    p.relid,
    p.index_relid AS part_relid,
    p.phase,
    c.done,
    nullif(c.total, 0) AS total,
    c.unit,
    nullif(p.current_locker_pid, 0)::int AS waits_for_pid,
    CASE WHEN p.partitions_total > 0 THEN p.partitions_done END AS parts_done,
    nullif(p.partitions_total, 0) AS parts_total,
    'partitions' AS parts,
    NULL::bigint AS skipped,
    NULL::float8 AS slept_seconds
FROM pg_stat_progress_create_index p
LEFT JOIN LATERAL (
    VALUES
        (p.phase LIKE 'waiting for %', 'sessions', p.lockers_done, p.lockers_total),
        (p.phase LIKE '%: scanning %', 'blocks', p.blocks_done, p.blocks_total),
        (p.phase LIKE '%: loading tuples in tree', 'rows', p.tuples_done, p.tuples_total),
        -- Other access methods than btree name no part of it: they read the table, then some count rows.
        (p.phase = 'building index' AND p.tuples_total = 0, 'blocks', p.blocks_done, p.blocks_total),
        (p.phase = 'building index' AND p.tuples_total > 0, 'rows', p.tuples_done, p.tuples_total)
) c (counts, unit, done, total) ON c.counts
UNION ALL
SELECT
    p.pid,
    coalesce(p.command, 'CLUSTER or VACUUM FULL'),
    p.datid,
    p.relid,
    p.cluster_index_relid,
    p.phase,
    c.done,
    nullif(c.total, 0),
    c.unit,
    NULL,
    NULL,
    NULL,
    '',
    NULL,
    NULL
FROM pg_stat_progress_cluster p
LEFT JOIN LATERAL (
    VALUES
        ('seq scanning heap', 'blocks', p.heap_blks_scanned, p.heap_blks_total),
        ('index scanning heap', 'rows', p.heap_tuples_scanned, NULL),
        ('writing new heap', 'rows', p.heap_tuples_written, p.heap_tuples_scanned),
        ('rebuilding index', 'indexes', p.index_rebuild_count, (
            SELECT count(*)
            FROM pg_index i, pg_database d
            WHERE i.indrelid = p.relid AND i.indislive AND d.oid = p.datid AND d.datname = current_database()
        ))
) c (phase, unit, done, total) ON c.phase = p.phase
UNION ALL
SELECT
    p.pid,
    'VACUUM',
    p.datid,
    p.relid,
    NULL,
    p.phase,
    c.done,
    nullif(c.total, 0),
    c.unit,
    NULL,
    nullif(p.index_vacuum_count, 0),
    NULL,
    'index vacuum cycles',
    NULL,
    (to_jsonb(p) ->> 'delay_time')::float8 / 1000
FROM pg_stat_progress_vacuum p
LEFT JOIN LATERAL (
    VALUES
        ('scanning heap', 'blocks', p.heap_blks_scanned, p.heap_blks_total),
        -- Only what has been scanned so far can be vacuumed in this cycle.
        ('vacuuming heap', 'blocks', p.heap_blks_vacuumed, p.heap_blks_scanned),
        (
            CASE WHEN p.phase IN ('vacuuming indexes', 'cleaning up indexes') THEN p.phase END,
            'indexes',
            (to_jsonb(p) ->> 'indexes_processed')::bigint,
            (to_jsonb(p) ->> 'indexes_total')::bigint
        )
) c (phase, unit, done, total) ON c.phase = p.phase
UNION ALL
SELECT
    p.pid,
    'ANALYZE',
    p.datid,
    p.relid,
    p.current_child_table_relid,
    p.phase,
    c.done,
    nullif(c.total, 0),
    c.unit,
    NULL,
    CASE WHEN p.child_tables_total > 0 THEN p.child_tables_done END,
    nullif(p.child_tables_total, 0),
    'child tables',
    NULL,
    (to_jsonb(p) ->> 'delay_time')::float8 / 1000
FROM pg_stat_progress_analyze p
LEFT JOIN LATERAL (
    VALUES
        ('acquiring sample rows', 'blocks', p.sample_blks_scanned, p.sample_blks_total),
        ('acquiring inherited sample rows', 'blocks', p.sample_blks_scanned, p.sample_blks_total),
        ('computing extended statistics', 'statistics', p.ext_stats_computed, p.ext_stats_total)
) c (phase, unit, done, total) ON c.phase = p.phase
UNION ALL
SELECT
    p.pid,
    coalesce(p.command, 'COPY'),
    p.datid,
    p.relid,
    NULL,
    lower(p.type),
    c.done,
    nullif(c.total, 0),
    c.unit,
    NULL,
    c.parts_done,
    NULL,
    c.parts,
    (to_jsonb(p) ->> 'tuples_skipped')::bigint,
    NULL
FROM pg_stat_progress_copy p
LEFT JOIN LATERAL (
    VALUES
        (p.bytes_total > 0, 'bytes', p.bytes_processed, p.bytes_total, p.tuples_processed, 'rows'),
        (p.bytes_total = 0, 'rows', p.tuples_processed, NULL, p.bytes_processed, 'bytes')
) c (counts, unit, done, total, parts_done, parts) ON c.counts
UNION ALL
SELECT
    p.pid,
    'BASE BACKUP',
    NULL,
    NULL,
    NULL,
    p.phase,
    c.done,
    nullif(c.total, 0),
    c.unit,
    NULL,
    CASE WHEN p.tablespaces_total > 0 THEN p.tablespaces_streamed END,
    nullif(p.tablespaces_total, 0),
    'tablespaces',
    NULL,
    NULL
FROM pg_stat_progress_basebackup p
LEFT JOIN LATERAL (
    VALUES
        ('streaming database files', 'bytes', p.backup_streamed, p.backup_total),
        -- By then the total is no more than what was streamed.
        ('transferring wal files', 'bytes', p.backup_streamed, NULL)
) c (phase, unit, done, total) ON c.phase = p.phase
