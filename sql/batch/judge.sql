-- Plans the condition and reads nothing: is it one, on this table?
SELECT FROM {table} WHERE (
{where}
) LIMIT %(none)s
