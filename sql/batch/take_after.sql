INSERT INTO pg_temp.batch ({columns})
SELECT {columns} FROM {table}
WHERE ROW({order}) {greater} ROW({after}) AND (
{where}
)
ORDER BY {order}
LIMIT %(size)s
