-- Included by the steps. What an earlier way back kept of a table (keep.sql) goes in again. It is called before the
-- table's triggers are made, so that nothing is stamped or counted anew. A row whose parent is gone since then, as a
-- user whose account was deleted, stays in openinfo_kept.rows and is told of; a reference that would have been set to
-- null by the parent's deletion is. orphan: what makes a row r one where the key itself is not there yet.
CREATE FUNCTION pg_temp.put_back(name text, orphan text DEFAULT 'false') RETURNS void
  LANGUAGE plpgsql
  AS $$
DECLARE
  target regclass := format('public.%I', name)::regclass;
  columns text;
  key record;
  kept bigint;
  put bigint;
BEGIN
  IF to_regclass('openinfo_kept.rows') IS NULL THEN
    RETURN;
  END IF;
  EXECUTE 'SELECT count(*) FROM openinfo_kept.rows WHERE name = $1' INTO kept USING name;
  IF kept = 0 THEN
    RETURN;
  END IF;
  -- Without the generated columns, which nobody may write.
  SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
  FROM pg_attribute WHERE attrelid = target AND attnum > 0 AND NOT attisdropped AND attgenerated = '';

  FOR key IN
    SELECT k.confdeltype, k.confrelid::regclass AS parent, min(a.attname) AS only_column,
      string_agg(format('p.%I = r.%I', pa.attname, a.attname), ' AND ') AS joined,
      string_agg(format('r.%I IS NOT NULL', a.attname), ' AND ') AS filled
    FROM pg_constraint AS k
    CROSS JOIN LATERAL unnest(k.conkey, k.confkey) AS c (child, parent)
    JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = c.child
    JOIN pg_attribute AS pa ON pa.attrelid = k.confrelid AND pa.attnum = c.parent
    WHERE k.conrelid = target AND k.contype = 'f'
    GROUP BY k.oid, k.confdeltype, k.confrelid
  LOOP
    IF key.confdeltype = 'n' THEN
      EXECUTE format(
        'UPDATE openinfo_kept.rows AS k SET content = k.content || jsonb_build_object(%L, NULL)
         FROM openinfo_kept.rows AS o, jsonb_populate_record(NULL::%s, o.content) AS r
         WHERE k.name = %L AND (o.name, o.id) = (k.name, k.id) AND %s AND NOT EXISTS (SELECT FROM %s AS p WHERE %s)',
        key.only_column, target, name, key.filled, key.parent, key.joined);
    ELSE
      orphan := orphan || format(' OR (%s AND NOT EXISTS (SELECT FROM %s AS p WHERE %s))', key.filled, key.parent, key.joined);
    END IF;
  END LOOP;

  EXECUTE format(
    'WITH back AS (
       DELETE FROM openinfo_kept.rows AS k
       USING openinfo_kept.rows AS o, jsonb_populate_record(NULL::%s, o.content) AS r
       WHERE k.name = %L AND (o.name, o.id) = (k.name, k.id) AND NOT (%s)
       RETURNING k.content
     )
     INSERT INTO %s (%s) SELECT %s FROM back, jsonb_populate_record(NULL::%s, back.content)',
    target, name, orphan, target, columns, columns, target);
  GET DIAGNOSTICS put = ROW_COUNT;
  RAISE NOTICE '% of % kept rows of public.% are back', put, kept, name;
END;
$$;
