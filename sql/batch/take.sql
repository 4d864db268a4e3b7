INSERT INTO pg_temp.batch ({columns})
SELECT {columns} FROM {table}
WHERE (
{where}
)
ORDER BY {order}
LIMIT %(size)s
