"""What a statement's text tells of the locks that it will take; tests/postgres measures that servers take them."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pglast
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pglast.visitors import Visitor

from tui.runbook.foreseen import MODES, written
from tui.runbook.lock_rules import Rule, foresee
from tui.runbook.names import Name
from tui.runbook.statements import SplitError, split

ROOT = Path(__file__).resolve().parents[2]
SHORT = dict(zip(("AS", "RS", "RE", "SUE", "S", "SRE", "E", "AE"), MODES, strict=True))


def rule(sql: str) -> Rule:
    (statement,) = split(sql)
    return foresee(statement)


def locks(sql: str) -> str:
    """The locks as ``p:AE q:AS``, in the order of their names."""
    short = {mode: word for word, mode in SHORT.items()}
    return " ".join(sorted(f"{lock.relation}:{short[lock.mode]}" for lock in rule(sql).locks))


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("ALTER TABLE users ADD COLUMN x int", "users:AE"),
        ("alter table Users add x int", "users:AE"),
        ('ALTER TABLE "Users" ADD x int', '"Users":AE'),
        ('ALTER TABLE IF EXISTS ONLY dev."Users" * DROP COLUMN x', 'dev."Users":AE'),
        ('ALTER TABLE "user" ADD x int', '"user":AE'),
        ('ALTER TABLE U&"d\\0061t" ADD x int', "dat:AE"),
        ("/* one */ ALTER -- two\n TABLE /* three */ t ADD x int", "t:AE"),
        ("ALTER TABLE db.dev.t ADD x int", "dev.t:AE"),
        ("ALTER TABLE t ALTER a SET STATISTICS 9, SET (fillfactor = 70, autovacuum_enabled = off)", "t:SUE"),
        ("ALTER TABLE t ALTER a SET STATISTICS 9, DISABLE TRIGGER USER", "t:SRE"),
        ("ALTER TABLE t ALTER a SET STATISTICS 9, ALTER b SET DEFAULT f(1, ','), VALIDATE CONSTRAINT c", "t:AE"),
        ("ALTER TABLE t SET (user_catalog_table = true)", "t:AE"),
        ("ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES dev.o (id) ON DELETE SET NULL", "dev.o:SRE t:SRE"),
        ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES o, ADD UNIQUE (b)", "o:SRE t:AE"),
        ("ALTER TABLE t ADD FOREIGN KEY (a, b) REFERENCES t", "t:SRE"),
        ("ALTER TABLE t ADD a int REFERENCES o, ADD b int REFERENCES q (id)", "o:SRE q:SRE t:AE"),
        ("ALTER TABLE dev.t ADD UNIQUE USING INDEX i", "dev.i:SUE dev.t:AE"),
        ("ALTER TABLE t ADD CHECK (a IN (1, 2)), ADD exclude int", "t:AE"),
        ("ALTER TABLE p ATTACH PARTITION dev.c FOR VALUES FROM (1, 2) TO (3, 4)", "dev.c:AE p:SUE"),
        ("ALTER TABLE p DETACH PARTITION c", "c:AE p:AE"),
        ("ALTER TABLE p DETACH PARTITION c CONCURRENTLY", "c:AE p:SUE"),
        ("ALTER TABLE p DETACH PARTITION c FINALIZE", "c:AE p:SUE"),
        ("ALTER TABLE t FROBNICATE (a, b)", "t:AE"),
        ("ALTER INDEX i RENAME TO j", "i:SUE"),
        ("ALTER VIEW v RENAME TO w", "v:AE"),
        ("ALTER FOREIGN TABLE f OPTIONS (SET a 'b')", "f:AE"),
        ("ALTER TYPE mood ADD VALUE 'x' BEFORE 'y'", ""),
        ("CREATE UNIQUE INDEX IF NOT EXISTS i ON ONLY dev.t (lower(a))", "dev.t:S"),
        ("CREATE INDEX CONCURRENTLY ON t (a)", "t:SUE"),
        ("DROP INDEX CONCURRENTLY IF EXISTS dev.i", "dev.i:AE"),
        ("DROP INDEX i, j", "i:AE j:AE"),
        ("REINDEX (VERBOSE, CONCURRENTLY) TABLE t", "t:SUE"),
        ("REINDEX (CONCURRENTLY off) TABLE t", "t:S"),
        ("REINDEX INDEX CONCURRENTLY i", "i:SUE"),
        ("VACUUM t", "t:SUE"),
        ("VACUUM FULL VERBOSE t, dev.o (a, b)", "dev.o:AE t:AE"),
        ("VACUUM (FULL, ANALYZE) t", "t:AE"),
        ("VACUUM (FULL false) t", "t:SUE"),
        ("DROP TABLE IF EXISTS a, dev.b, \"C\" CASCADE", '"C":AE a:AE dev.b:AE'),
        ("CREATE TABLE n (a int REFERENCES o, b int REFERENCES dev.q (id), FOREIGN KEY (c) REFERENCES r)",
         "dev.q:SRE o:SRE r:SRE"),
        ("CREATE TABLE dev.n (id int PRIMARY KEY, up int REFERENCES n)", ""),
        ("CREATE TABLE n (LIKE t INCLUDING ALL, x text CHECK (x LIKE 'a'))", "t:AS"),
        ("CREATE TABLE n PARTITION OF p FOR VALUES IN ('a', 'b')", "p:AE"),
        ("CREATE TABLE n () INHERITS (a, dev.b)", "a:SUE dev.b:SUE"),
        ("CREATE VIEW v AS SELECT * FROM a, b AS x JOIN c USING (id)", "a:AS b:AS c:AS"),
        ("CREATE OR REPLACE VIEW v (x) WITH (security_barrier) AS SELECT nextval('s') FROM a", "a:AS v:AE"),
        ("CREATE TRIGGER t AFTER INSERT OR UPDATE OF a, b ON dev.t FOR EACH ROW EXECUTE FUNCTION f()", "dev.t:SRE"),
        ("CREATE POLICY \"may read\" ON t USING (id IN (SELECT t_id FROM dev.m))", "dev.m:AS t:AE"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ UPDATE t SET a = 1; SELECT 1 FROM o; $$", "o:AS t:RE"),
        ("CREATE FUNCTION f() RETURNS int AS $$ BEGIN DELETE FROM t; END $$ LANGUAGE plpgsql", ""),
        ("SELECT 1", ""),
        ("SELECT x.only FROM ONLY (t) x LEFT OUTER JOIN o ON o.a = x.a, dev.q", "dev.q:AS o:AS t:AS"),
        ("SELECT * FROM ((a CROSS JOIN b) JOIN (SELECT * FROM c) d ON true)", "a:AS b:AS c:AS"),
        ("SELECT * FROM a WHERE x IS NOT DISTINCT FROM y AND extract(day FROM z) > 1 AND trim(both FROM w) = ''",
         "a:AS"),
        ("SELECT DISTINCT a FROM t WHERE EXISTS (SELECT FROM o WHERE o.a = (SELECT max(a) FROM q))", "o:AS q:AS t:AS"),
        ("SELECT * FROM t, generate_series(1, 3) AS g (n), o", "o:AS t:AS"),
        ("SELECT * FROM a JOIN b ON true FOR NO KEY UPDATE OF b SKIP LOCKED", "a:AS b:RS"),
        ("SELECT * FROM a JOIN b ON true FOR KEY SHARE OF a FOR UPDATE OF b", "a:RS b:RS"),
        ("SELECT * FROM (SELECT * FROM a) x FOR UPDATE", "a:RS"),
        ("WITH a AS (SELECT * FROM t), b (x) AS MATERIALIZED (SELECT * FROM a) SELECT * FROM b, dev.a",
         "dev.a:AS t:AS"),
        ("WITH gone AS (DELETE FROM t RETURNING *) INSERT INTO o SELECT * FROM gone", "o:RE t:RE"),
        ("INSERT INTO t (a, b) VALUES (1, (SELECT max(x) FROM o)) ON CONFLICT (a) DO UPDATE SET b = excluded.b",
         "o:AS t:RE"),
        ("INSERT INTO t (SELECT a, b FROM o, q)", "o:AS q:AS t:RE"),
        ("INSERT INTO t DEFAULT VALUES", "t:RE"),
        ("COPY (DELETE FROM t RETURNING a, b) TO STDOUT", "t:RE"),
        ("(SELECT a, b FROM t) UNION ALL (SELECT a, b FROM o, q) ORDER BY 1, 2", "o:AS q:AS t:AS"),
        ("VALUES (1, 2), (3, (SELECT a FROM t))", "t:AS"),
        ("UPDATE ONLY t AS x SET a = o.a FROM o WHERE o.id = x.id", "o:AS t:RE"),
        ("UPDATE t SET a = DEFAULT, (b, c) = (SELECT 1, 2 FROM o) WHERE CURRENT OF cu", "o:AS t:RE"),
        ("DELETE FROM t USING o JOIN q USING (id) WHERE t.id = o.id", "o:AS q:AS t:RE"),
        ("MERGE INTO t AS x USING o ON x.id = o.id WHEN MATCHED THEN DELETE", "o:AS t:RE"),
        ("TABLE t", "t:AS"),
        ("COPY dev.t (a, b) FROM STDIN;\n\\.\n", "dev.t:RE"),
        ("COPY t TO STDOUT", "t:AS"),
        ("COPY (SELECT * FROM t, o) TO STDOUT", "o:AS t:AS"),
        ("TRUNCATE a, ONLY dev.b RESTART IDENTITY", "a:AE dev.b:AE"),
        ("LOCK a, b", "a:AE b:AE"),
        ("LOCK TABLE a IN SHARE UPDATE EXCLUSIVE MODE NOWAIT", "a:SUE"),
        ("SELECT nextval('dev.\"S\"'::regclass), setval('s', (SELECT max(id) FROM t))", 'dev."S":RE s:RE t:AS'),
        ("EXPLAIN ANALYZE UPDATE t SET a = 1", "t:RE"),
        ("GRANT SELECT, UPDATE (a, b) ON TABLE t, dev.o TO x WITH GRANT OPTION", "dev.o:AS t:AS"),
        ("GRANT a, b TO c", ""),
        ("GRANT USAGE ON SCHEMA dev TO x", ""),
        ("GRANT SELECT ON schema TO x", "schema:AS"),
        ("COMMENT ON COLUMN dev.t.a IS 'x'", "dev.t:SUE"),
        ("COMMENT ON CONSTRAINT c ON DOMAIN d IS 'x'", ""),
        ("SET lock_timeout = '3s'", ""),
        ("BEGIN", ""),
    ],
)  # fmt: skip
def test_locks(sql: str, expected: str) -> None:
    assert locks(sql) == expected
    assert rule(sql).source != "unknown"
    if not set("'\"$") & set(sql):
        assert locks(sql.upper()) == expected


@pytest.mark.parametrize(
    ("sql", "rewrites", "scans"),
    [
        ("ALTER TABLE t ADD a int", "no", "no"),
        ("ALTER TABLE t ADD a int NOT NULL DEFAULT 5", "no", "no"),
        ("ALTER TABLE t ADD a int DEFAULT NULL NOT NULL", "no", "yes"),
        ("ALTER TABLE t ADD a timestamptz DEFAULT now(), ADD b int", "no", "no"),
        ("ALTER TABLE t ADD a timestamptz DEFAULT (clock_timestamp())", "yes", "yes"),
        ("ALTER TABLE t ADD a uuid DEFAULT pg_catalog.gen_random_uuid()", "yes", "yes"),
        ("ALTER TABLE t ADD a uuid DEFAULT dev.uuid()", "depends", "depends"),
        ("ALTER TABLE t ADD a text DEFAULT 'random()'", "no", "no"),
        ("ALTER TABLE t ADD a text DEFAULT 'x'::varchar(5) CHECK (random() > 0)", "no", "yes"),
        ("ALTER TABLE t ADD a bigserial PRIMARY KEY", "yes", "yes"),
        ("ALTER TABLE t ADD a int GENERATED BY DEFAULT AS IDENTITY (START 5)", "yes", "yes"),
        ("ALTER TABLE t ADD a int GENERATED ALWAYS AS (b + 1) STORED", "yes", "yes"),
        ("ALTER TABLE t ADD a int GENERATED ALWAYS AS (b + 1)", "no", "no"),
        ("ALTER TABLE t ADD a mood", "depends", "depends"),
        ("ALTER TABLE t ADD a double precision, ADD b time with time zone, ADD c text[]", "no", "no"),
        ("ALTER TABLE t ADD a int REFERENCES o", "no", "no"),
        ("ALTER TABLE t ADD a int DEFAULT 1 REFERENCES o", "no", "yes"),
        ("ALTER TABLE t ALTER a TYPE bigint", "depends", "depends"),
        ("ALTER TABLE t ALTER a TYPE text USING a::text", "depends", "depends"),
        ("ALTER TABLE t ALTER a TYPE text USING (cast(a AS varchar(5))::text)", "depends", "depends"),
        ("ALTER TABLE t ALTER a TYPE text USING upper(a)", "yes", "yes"),
        ("ALTER TABLE t ALTER a TYPE text USING b", "yes", "yes"),
        ("ALTER TABLE t ALTER a SET NOT NULL", "no", "depends"),
        ("ALTER TABLE t ADD CHECK (a > 0)", "no", "yes"),
        ("ALTER TABLE t ADD CHECK (a > 0) NOT VALID", "no", "no"),
        ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES o NOT VALID, VALIDATE CONSTRAINT c", "no", "yes"),
        ("ALTER TABLE t SET UNLOGGED", "depends", "depends"),
        ("CREATE INDEX i ON t (a)", "no", "yes"),
        ("CLUSTER t USING i", "yes", "yes"),
        ("VACUUM FULL t", "yes", "yes"),
        ("REFRESH MATERIALIZED VIEW m", "yes", "yes"),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY m", "no", "yes"),
        ("TRUNCATE t", "no", "no"),
        ("UPDATE t SET a = 1", "no", "yes"),
        ("UPDATE t SET a = 1 WHERE id = 2", "no", "depends"),
        ("EXPLAIN UPDATE t SET a = 1", "no", "no"),
        ("INSERT INTO t VALUES (1)", "no", "no"),
        ("CREATE TABLE n AS SELECT * FROM t", "no", "depends"),
        ("CREATE VIEW v AS SELECT * FROM t", "no", "no"),
    ],
)
def test_work(sql: str, rewrites: str, scans: str) -> None:
    assert (rule(sql).rewrites, rule(sql).scans) == (rewrites, scans)


@pytest.mark.parametrize(
    "sql",
    [
        "DO $$BEGIN DROP TABLE t; END$$",
        "CALL p()",
        "EXECUTE q(1)",
        "SELECT dev.move_everything()",
        "SELECT move_everything()",
        "VACUUM",
        "CLUSTER",
        "REINDEX DATABASE d",
        "DROP SCHEMA dev CASCADE",
        "DROP OWNED BY x",
        "ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b",
        "FROBNICATE t",
        "ALTER TABLE",
        "SELECT * FROM",
        "CREATE INDEX ON",
    ],
)
def test_what_is_not_known_is_said(sql: str) -> None:
    assert rule(sql).source == "unknown"
    assert rule(sql).why


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("ALTER TABLE t DROP CONSTRAINT c", "the table that it references"),
        ("DROP INDEX i", "also ACCESS EXCLUSIVE on its table"),
        ("DROP TABLE t", "the tables that its foreign keys reference"),
        ("CREATE TABLE n PARTITION OF p DEFAULT", "the default partition"),
        ("GRANT SELECT ON t TO x", "no lock before PostgreSQL 18"),
        ("ALTER TABLE t ALTER a TYPE text", "binary compatible"),
        ("UPDATE t SET a = dev.f(b)", "what f() locks is not known"),
        ("ALTER TABLE t ADD a dev.mail", "if mail is a domain with constraints"),
        ("ALTER TABLE t ADD a int DEFAULT mine()", "if mine() is volatile"),
        ("CREATE INDEX CONCURRENTLY i ON t (a)", "waits for every transaction"),
    ],
)
def test_what_the_text_cannot_tell(sql: str, words: str) -> None:
    assert words in rule(sql).why


@pytest.mark.parametrize(
    ("sql", "source"),
    [
        ("ALTER TABLE t ADD a int", "measured"),
        ("ALTER TABLE t ADD a int, INHERIT o", "extended"),
        ("CREATE INDEX i ON t (a)", "measured"),
        ("CREATE INDEX CONCURRENTLY i ON t (a)", "extended"),
        ("ALTER TABLE t ADD PRIMARY KEY (a)", "extended"),
        ("DO 'x'", "unknown"),
    ],
)
def test_source(sql: str, source: str) -> None:
    assert rule(sql).source == source


class Tables(Visitor):
    """The tables that the server's own parser finds."""

    def __init__(self) -> None:
        self.named: Counter[Name] = Counter()
        self.ctes: set[Name] = set()

    def visit_RangeVar(self, _: object, node: Any) -> None:
        self.named[Name(node.schemaname, node.relname)] += 1

    def visit_LockingClause(self, _: object, node: Any) -> None:
        # What follows FOR SHARE OF is an alias, and no table once more.
        self.named.subtract(Name(one.schemaname, one.relname) for one in node.lockedRels or ())

    def visit_CommonTableExpr(self, _: object, node: Any) -> None:
        self.ctes.add(Name(None, node.ctename))


def test_the_tables_of_queries_are_those_of_the_servers_own_parser() -> None:
    files = [*(ROOT / "sql" / "runbooks").rglob("*.sql"), *(ROOT / "sql" / "monitor").glob("*.sql")]
    read = 0
    for file in files:
        # What psql includes has a file of its own.
        text = re.sub(r"(?m)^\\.*$", "", file.read_text(encoding="utf-8"))
        for statement in split(re.sub(r"%\(\w+\)s", "'{}'", text)):
            if re.match(r"(?i)(select|with|insert|update|delete|create policy|alter policy)\b", statement.text):
                tables = Tables()
                tables(pglast.parse_sql(statement.text))
                expected = {written(name) for name in set(+tables.named) - tables.ctes}
                found = foresee(statement)
                assert {lock.relation for lock in found.locks} == expected, statement.text
                read += 1
    assert read > 50


def test_a_plain_statement_has_no_caveat() -> None:
    assert rule("ALTER TABLE t ADD a int").why == ""
    assert rule("CREATE TABLE n (a int REFERENCES o)").why == ""


def test_a_deep_statement_is_not_understood_and_no_more() -> None:
    assert rule("SELECT " + "(" * 20_000 + "1" + ")" * 20_000).source == "unknown"


WORDS = """
ALTER TABLE ADD COLUMN t int DEFAULT ( ) , . ; 'x' "Y" CREATE INDEX ON SELECT FROM WITH AS JOIN USING FOR UPDATE OF
REFERENCES CONSTRAINT TYPE SET DROP VIEW :: [ ] 1 ONLY * NOT NULL VALID INSERT INTO DELETE VALUES POLICY FUNCTION
LANGUAGE sql BEGIN ATOMIC GRANT TO COMMENT IS COPY LOCK IN MODE EXPLAIN ANALYZE PARTITION U&"z" nextval
"""


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(WORDS.split()), min_size=1, max_size=25))
def test_whatever_is_written_has_a_rule(words: list[str]) -> None:
    try:
        statements = split(" ".join(words))
    except SplitError:
        return
    for statement in statements:
        found = foresee(statement)
        assert found.source != "unknown" or found.why
        assert all(lock.relation and lock.mode in MODES for lock in found.locks)
