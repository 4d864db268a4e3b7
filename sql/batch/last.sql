SELECT {texts} FROM pg_temp.batch ORDER BY {descending} LIMIT 1
