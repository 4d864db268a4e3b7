-- Only the table's own columns are in sight of the condition, so that no name in it means two.
SELECT count(*) FROM {table}
WHERE ROW({columns}) IN (SELECT {columns} FROM pg_temp.batch) AND (
{where}
)
