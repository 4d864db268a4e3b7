"""What may stand in a check: statements that only ask."""

import pytest

from tui.runbook.query import not_a_query
from tui.runbook.statements import split

ASKS = [
    "SELECT 1",
    "(SELECT 1) UNION (SELECT 2)",
    "((SELECT 1))",
    "VALUES (1)",
    "TABLE users",
    "SHOW server_version",
    "with recursive x as (select 1 union all select 2) select * from x",
    "WITH delete AS (SELECT 1) SELECT * FROM delete",
    "WITH x AS (SELECT 1 AS update) SELECT count(*) update FROM x",
    "WITH x AS (SELECT 1) SELECT (update), max(update) update, 1 FROM x",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE VERBOSE SELECT 1",
    "EXPLAIN (ANALYZE, FORMAT json) WITH x AS (SELECT 1) TABLE x",
    "EXPLAIN (SELECT 1)",
    "SELECT t.into, 1 AS into FROM t",
    "SELECT 'DELETE FROM t', \"into\", $$INSERT INTO t$$ -- FOR UPDATE",
    "SELECT substring(name FOR 3) FROM t",
]
CHANGES = {
    "INSERT INTO t VALUES (1)": "is INSERT",
    "delete FROM t": "is DELETE",
    "CREATE TABLE t ()": "is CREATE",
    "DO $$ $$": "is DO",
    "CALL p()": "is CALL",
    "SET x = 1": "is SET",
    "COPY t TO stdout": "is COPY",
    "EXECUTE x": "is EXECUTE",
    "'x'": "is no command",
    "WITH x AS (DELETE FROM t RETURNING *) SELECT count(*) FROM x": "holds DELETE",
    "WITH x AS NOT MATERIALIZED (UPDATE t SET a = 1 RETURNING *) TABLE x": "holds UPDATE",
    "WITH x AS (INSERT INTO t VALUES (1)) SELECT 1": "writes INTO a table",
    "WITH x AS (SELECT 1) MERGE INTO t USING x ON true WHEN MATCHED THEN DELETE": "writes INTO a table",
    "WITH x AS (SELECT 1) INSERT INTO t TABLE x": "writes INTO a table",
    "WITH x AS (SELECT 1) DELETE FROM t": "is DELETE",
    "WITH x AS (SELECT 1) UPDATE ONLY t SET a = 1": "is UPDATE",
    'WITH x AS (SELECT 1) UPDATE "t" SET a = 1': "is UPDATE",
    "WITH x AS (WITH y AS (SELECT 1) DELETE FROM t RETURNING *) TABLE x": "is DELETE",
    "SELECT * INTO x FROM t": "writes INTO a table",
    "SELECT * FROM t FOR UPDATE": "locks rows FOR UPDATE",
    "SELECT * FROM t FOR NO KEY UPDATE SKIP LOCKED": "locks rows FOR NO KEY UPDATE",
    "SELECT * FROM t FOR KEY SHARE": "locks rows FOR KEY SHARE",
    "EXPLAIN ANALYZE DELETE FROM t": "is DELETE",
    "EXPLAIN (ANALYZE) UPDATE t SET a = 1": "is UPDATE",
    "EXPLAIN": "is no command",
}


@pytest.mark.parametrize("sql", ASKS)
def test_asks(sql: str) -> None:
    (statement,) = split(sql)
    assert not_a_query(statement) is None


@pytest.mark.parametrize(("sql", "why"), CHANGES.items())
def test_changes(sql: str, why: str) -> None:
    (statement,) = split(sql)
    assert not_a_query(statement) == why
