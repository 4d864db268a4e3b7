"""What the static rules foresee for a statement is what real servers lock, rewrite and scan."""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import class_row
from sessions import Stage

from tui.runbook.foreseen import MODES, written
from tui.runbook.lock_rules import foresee
from tui.runbook.names import Name
from tui.runbook.statements import split

GROUND = """
CREATE SCHEMA other;
CREATE TYPE en AS ENUM ('a', 'b');
CREATE TYPE pair AS (x int, y int);
CREATE DOMAIN dom AS text;
CREATE DOMAIN domc AS text CHECK (value <> 'z');
CREATE TABLE p (
    id int PRIMARY KEY, a int NOT NULL, b text, v varchar(10), n numeric(10, 2), g int, u int NOT NULL, ts timestamp,
    tz timestamptz, e en, gen int GENERATED ALWAYS AS (id * 2) STORED, CONSTRAINT nnv CHECK (g IS NOT NULL)
);
ALTER TABLE p ADD CONSTRAINT chk_nv CHECK (a > -1) NOT VALID;
CREATE INDEX p_a ON p (a);
CREATE UNIQUE INDEX p_u ON p (u);
CREATE INDEX p_v ON p (v);
CREATE STATISTICS st ON a, g FROM p;
CREATE TABLE q (id int PRIMARY KEY, a int);
CREATE TABLE "Odd Name" (id int PRIMARY KEY, "user" int);
CREATE TABLE other.w (id int PRIMARY KEY, a int);
CREATE TABLE c (id int PRIMARY KEY, p_id int, k int, CONSTRAINT fk_free FOREIGN KEY (k) REFERENCES q);
CREATE TABLE c2 (id int PRIMARY KEY, p_id int REFERENCES p);
CREATE TABLE dd (x domc);
CREATE TABLE like_p (LIKE p);
CREATE TABLE base (id int, a int);
CREATE TABLE kid () INHERITS (base);
CREATE TABLE orphan (LIKE base);
CREATE TABLE pt (id int, d int) PARTITION BY RANGE (d);
CREATE TABLE pt1 PARTITION OF pt FOR VALUES FROM (0) TO (10);
CREATE TABLE ptd PARTITION OF pt DEFAULT;
CREATE TABLE pt2 (id int, d int);
CREATE TABLE pt3 (id int, d int NOT NULL, CHECK (d >= 20 AND d < 30));
CREATE TABLE twelve (s serial, x int);
CREATE INDEX pt_i ON ONLY pt (id);
CREATE INDEX pt1_i ON pt1 (id);
CREATE UNIQUE INDEX o_u ON orphan (id);
CREATE VIEW vw AS SELECT id, a FROM p;
CREATE VIEW easy AS SELECT id, a FROM q;
CREATE MATERIALIZED VIEW mv AS SELECT id, a FROM p;
CREATE UNIQUE INDEX mv_i ON mv (id);
CREATE SEQUENCE sq;
CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN new; END$$;
CREATE FUNCTION own() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TRIGGER tg BEFORE INSERT ON p FOR EACH ROW EXECUTE FUNCTION tf();
CREATE POLICY pol ON q USING (true);
CREATE RULE ru AS ON DELETE TO q DO ALSO NOTHING;
CREATE PUBLICATION pub FOR TABLE q;
CREATE ROLE {role};
INSERT INTO p SELECT i, i, 'b' || i, 'v' || i, i, 1, i, now(), now(), 'a' FROM generate_series(1, 500) i;
INSERT INTO q SELECT i, i FROM generate_series(1, 500) i;
INSERT INTO c SELECT i, i, i FROM generate_series(1, 400) i;
INSERT INTO c2 SELECT i, i FROM generate_series(1, 100) i;
INSERT INTO like_p (id, a, b, v, n, g, u) SELECT id, a, b, v, n, g, u FROM p;
INSERT INTO other.w SELECT id, a FROM q;
INSERT INTO "Odd Name" SELECT id, a FROM q;
INSERT INTO kid SELECT i, i FROM generate_series(1001, 1100) i;
INSERT INTO dd VALUES ('k');
INSERT INTO pt SELECT i, i FROM generate_series(1, 9) i;
INSERT INTO pt SELECT i, i FROM generate_series(100, 200) i;
INSERT INTO pt2 SELECT i, i FROM generate_series(10, 19) i;
INSERT INTO pt3 SELECT i, i FROM generate_series(20, 29) i;
ALTER TABLE c ADD CONSTRAINT fk_nv FOREIGN KEY (p_id) REFERENCES p NOT VALID;
REFRESH MATERIALIZED VIEW mv;
ANALYZE;
"""

# The forms of the lock matrix that run in a transaction; those that failed there, on tables that let them pass.
MATRIX = """
alter table p add column x int
alter table p add column x int not null default 5
alter table p add column x timestamptz default now()
alter table p add column x timestamptz default clock_timestamp()
alter table p add column x uuid default gen_random_uuid()
alter table p add column x serial
alter table p add column x int generated always as identity
alter table p add column x int generated always as (a+1) stored
alter table p add column x int generated always as (a+1) virtual
alter table p add column x dom
alter table p add column x domc
alter table p add column x domc default 'ok'
alter table p add column x int check (x>0)
alter table p add column x int unique
alter table p add column x int references c(id)
alter table p drop column b
alter table p rename column b to bb
alter table p rename to p_new
alter table p alter b set default 'k'
alter table p alter a drop not null
alter table like_p alter b set not null
alter table p alter b set not null
alter table p alter g set not null
alter table p add constraint nn_b not null b not valid
alter table p add constraint nn_b not null b
alter table p alter v type varchar(20)
alter table p alter v type varchar(5)
alter table p alter v type text
alter table p alter b type varchar
alter table p alter b type varchar(50)
alter table p alter n type numeric(12,2)
alter table p alter n type numeric(12,3)
alter table p alter n type numeric
drop view vw; drop materialized view mv; alter table p alter a type bigint
alter table p alter v type varchar(20) using v||''
set local timezone='UTC'; alter table p alter ts type timestamptz
set local timezone='Europe/Oslo'; alter table p alter ts type timestamptz
alter table p alter tz type timestamptz(3)
alter table p alter b type dom
alter table p alter b type domc
alter table p alter v type text collate "C"
alter table p add constraint k check (a>0)
alter table p add constraint k check (a>0) not valid
alter table p validate constraint chk_nv
alter table p drop constraint nnv
alter table c add constraint fk foreign key (p_id) references p(id)
alter table c add constraint fk foreign key (p_id) references p(id) not valid
alter table c validate constraint fk_nv
alter table c drop constraint fk_nv
alter table c2 drop constraint c2_p_id_fkey
alter table p add constraint uq unique(a)
alter table p add constraint uq unique using index p_u
alter table c drop constraint c_pkey
alter table p add constraint ex exclude using btree (a with =)
alter table p drop constraint p_pkey cascade
alter table p add constraint pk2 unique (id,a)
create index ix on p(b)
create unique index ix on p(b)
drop index p_a
alter index p_a rename to p_aa
reindex index p_a
reindex table p
cluster p using p_a
create index ix on pt(id)
create index ix on only pt(id)
alter table p set (fillfactor=70)
alter table p set (autovacuum_enabled=off)
alter table p alter a set statistics 500
alter table p alter b set storage external
alter table twelve set unlogged
alter table p set tablespace pg_default
alter table p set access method heap
alter table p enable row level security
create policy pol on p using (true)
create policy pol on p using (true); drop policy if exists pol on p
create trigger tg2 before insert on p for each row execute function tf()
drop trigger tg on p
alter table p disable trigger tg
alter table p disable trigger all
alter trigger tg on p rename to tg9
create or replace view vw as select id,a,1 as z from p
drop view vw
refresh materialized view mv
refresh materialized view concurrently mv
create table n(like p including all)
create table n(id int references p(id))
create table n as select * from p
create table ptn partition of pt for values from (10) to (20)
alter table pt attach partition pt2 for values from (10) to (20)
alter table pt attach partition pt3 for values from (20) to (30)
alter table pt detach partition pt1
drop table pt1
alter table p owner to postgres
grant select on p to public
comment on table p is 'x'
comment on column p.a is 'x'
analyze p
truncate p cascade
drop table c
drop table c2
lock table p
alter type en add value 'c'
alter type en rename value 'a' to 'aa'
alter domain domc add constraint dck check (value<>'q')
alter table p replica identity full
alter table orphan inherit base
alter sequence sq increment 2
select nextval('sq')
create statistics st2 on a,b from p
alter statistics st set statistics 100
create rule r as on insert to p do also nothing
update p set a=a+1 where id=1
select * from p where id=1 for update
insert into c values (9999,1,1)
delete from c where id=199
create publication pub2 for table p
alter table p alter a add generated always as identity
alter table c alter constraint fk_nv deferrable
alter table c alter constraint fk_nv not deferrable
alter table p alter column a set (n_distinct=5)
alter table p alter column b set compression pglz
alter table p cluster on p_a
alter table p rename constraint nnv to nnv2
alter table like_p add primary key (id, u)
alter table orphan add constraint pkk primary key using index o_u
alter table p alter u set not null
alter table pt3 add primary key (d)
alter table p alter b drop default
alter table p alter gen drop expression
alter table other.w alter id set data type bigint
alter table c2 alter p_id type bigint
alter table p drop column u
alter table p drop column id cascade
alter table p add column x int default null
alter table p add column x varchar(5) default 'k' not null
alter table dd add column x2 int primary key default 1
alter table p alter ts type timestamp(3)
alter table p alter b type varchar(50) using b
alter table p alter e type text
alter table p alter b type en using 'a'::en
alter table other.w alter a type numeric
alter table p set schema other
alter index p_a set (fillfactor=80)
alter index p_a set tablespace pg_default
alter view vw rename to vww
alter materialized view mv rename to mvv
create or replace function tf() returns trigger language plpgsql as $$begin return null; end$$
drop function tf() cascade
create extension if not exists plpgsql
alter table pt add column zz int
alter table pt add column zz int default 5 not null
alter table pt alter id set not null
alter table pt add constraint kk check (id>0) not valid
alter table pt add constraint kk check (id>-1)
alter table pt add primary key (d)
create unique index on pt(d)
alter table pt add foreign key (d) references p(id) not valid
alter table pt add foreign key (id) references p(id)
alter table pt drop column id
truncate pt1
"""

# What migrations do beyond the matrix, and its forms as people write them.
BEYOND = """
ALTER TABLE IF EXISTS ONLY public.p ADD x int, ADD COLUMN IF NOT EXISTS y text NOT NULL DEFAULT 'x'
alter table "Odd Name" add column x int, add constraint f foreign key ("user") references q (id) not valid
alter table c /* a, comment */ validate constraint fk_nv -- and one more
alter table c add constraint f foreign key (k) references other.w, alter k set statistics 10
alter table p alter a set statistics 10, set (fillfactor = 50), alter b set default 'a,b'
alter table p alter a set statistics 10, enable trigger tg
alter table only q rename column a to z
alter table orphan add column y int not null
alter table p add column x timestamptz not null default (now() at time zone 'utc')
alter table p add column x point not null default point(1, 2), add column k int[] default array[1, 2]
alter table p add column x double precision default random()
alter table p add column x text default 'a,b' check (x <> 'not null'), drop column n
alter table p add column x numeric(10, 2) default round(1.5, 1)
alter table p add column x int default own()
alter table p add column x int references other.w (id) default 1 not null
alter table p add x public.en default 'a'
alter table q add column boss int references q
alter table other.w alter a type bigint
alter table other.w alter column a type text using a::text
alter table other.w alter a type int using (a)
alter table other.w alter a type int using a + 1
alter table p alter column e type text using cast(e as text)
alter table orphan set logged
alter table orphan set unlogged
alter table q set without cluster
alter table q reset (fillfactor)
alter table q set (toast.autovacuum_enabled = off, user_catalog_table = true)
alter table q owner to {role}
alter table q force row level security
alter table q disable row level security
alter table q disable rule ru
alter table p enable always trigger tg
alter table q replica identity using index q_pkey
alter table kid no inherit base
alter table p disable trigger user, add column x int
alter table p alter gen drop expression if exists
alter table p alter gen set expression as (id * 3)
alter table dd add column i int generated by default as identity
alter table twelve alter s drop default
alter table twelve alter x set not null
alter table q drop column if exists nothing, drop constraint if exists nothing
alter table easy rename to easier
alter view easy alter a set default 5
alter view easy set (security_barrier)
alter view easy owner to {role}
alter view easy set schema other
alter view easy rename column a to z
alter materialized view mv set schema other
alter materialized view mv owner to {role}
alter materialized view mv cluster on mv_i
alter index mv_i set (fillfactor = 60)
alter index pt_i attach partition pt1_i
alter sequence sq rename to sq2
alter sequence sq owner to {role}
alter sequence sq set schema other
alter sequence sq restart with 5
alter sequence twelve_s_seq owned by none
alter sequence sq owned by q.a
create sequence s2 owned by public.q.id
create sequence s2
drop sequence sq
drop sequence if exists sq, nothing
drop table if exists q, other.w, "Odd Name" cascade
drop table dd, like_p
drop view easy cascade
drop materialized view if exists mv
drop index if exists p_a, p_v
drop trigger if exists tg on public.p
drop rule ru on q
drop policy pol on q
alter policy pol on q using (exists (select 1 from other.w where w.id = q.id))
alter policy pol on q rename to pol2
create policy deny on q for update to public using (id in (select id from "Odd Name")) with check (true)
alter rule ru on q rename to ru2
create rule r2 as on update to easy do instead (insert into other.w values (1); update dd set x = 'c')
create or replace rule ru as on delete to q do also delete from c where k = old.id
create trigger t3 after update on q referencing old table as o new table as n2 for each statement
    execute function tf()
create constraint trigger t4 after insert on c from q deferrable for each row execute function tf()
create or replace trigger tg after insert or update on p for each row when (new.a > 1) execute function tf()
create view v2 as select p.id from p join q using (id) left join other.w as x on x.id = q.id where exists (
    select from "Odd Name" o where o.id = p.id)
create or replace view easy as with x as (select id, a from q) select id, a from x
create materialized view m2 as select id from q where a > 3
create materialized view m2 as select id from q with no data
refresh materialized view mv with no data
create table n (a int, b int references q on delete cascade, foreign key (a) references other.w (id))
create table n (a int) inherits (q)
create table n (like "Odd Name", like dd including defaults)
create table if not exists q (id int)
create table n (id int primary key, up int references n)
create table n as with x as (select 1) select * from x, q
create temp table n on commit drop as table q
create unlogged table n as select count(*) from p, lateral (select 1 from q where q.id = p.id) x
create table n (a int, b int) partition by range (a)
create table n of pair
select * into n from q
select q.id from q, other.w as x where x.id = q.id for update of x
select * from (select id from q where a > 1) y join p on true for no key update
select extract(year from p.ts), substring(b from 1 for 2) from p where a is distinct from g
select (select max(id) from q), array(select id from other.w) from c
select id from p union all (select id from q) order by 1 limit 5
(select id from p) union select id from q
select count(*) from easy
select currval('sq') from (select nextval('public.sq')) x
select setval('sq', (select max(id) from q))
select 1
select * from generate_series(1, 3) g(i) join q on q.id = i
table q
values (1)
with moved as (delete from c returning *), kept as (select id from q) insert into c2 select 9000 + id, null from kept
with recursive t (n) as (select 1 union all select n + 1 from t where n < 5) select * from t join q on q.id = t.n
insert into other.w (id, a) select id, a from q on conflict (id) do update set a = excluded.a
insert into q (id) values (9001), (9002) returning id
insert into c (id, p_id, k) (select 9001, 1, 1)
insert into orphan as t default values on conflict do nothing
update q set a = x.a from other.w as x where x.id = q.id
update only q set a = (select min(c.k) from c2 join c on c.id = c2.id)
update "Odd Name" as o set "user" = 5
delete from other.w using q x join c on c.id = x.id where w.id = x.id
delete from c2
merge into other.w t using (select id, a from q) s on s.id = t.id when matched then update set a = s.a
    when not matched then insert values (s.id, s.a)
explain select * from q
explain (costs off) update q set a = 1
prepare z as select * from q
declare cu cursor for select * from q for update
copy q to stdout
copy (select id from other.w) to stdout
truncate table only q, other.w restart identity cascade
truncate dd
lock q, other.w in share row exclusive mode
lock table only q in access share mode nowait
lock table q in row exclusive mode
lock table easy in share mode
analyze q (a), other.w
analyze verbose q
cluster p_a on p
reindex (verbose) table q
alter type en rename to en2
alter type pair add attribute z int
alter type pair rename attribute x to xx
alter type en owner to {role}
drop type en cascade
create type fresh as enum ('a')
alter domain domc set not null
alter domain domc drop constraint domc_check
alter domain domc add check (value <> 'y') not valid
alter domain domc set default 'q'
create domain d2 as text check (value <> '')
drop domain domc cascade
create function f2() returns bigint language sql as $$ select count(*) from q join other.w using (id) $$
create or replace function f2() returns setof q language 'sql' as 'insert into q values (1) returning *; '
create function f2() returns bigint begin atomic select count(*) from other.w; end
create function f2() returns int language plpgsql as $$begin delete from q; return 1; end$$
create function f2() returns bigint return (select count(*) from q)
create procedure p2() language plpgsql as 'begin null; end'
alter function own() owner to {role}
drop function if exists own()
drop procedure if exists nothing
create schema fresh
drop schema if exists nothing
create role {role}_b
grant select, update (a) on table q, other.w to {role}
grant all on schema other to {role}
grant usage on sequence sq to {role}
grant execute on function own() to public
revoke all on q from {role}
grant select on all tables in schema public to {role}
alter default privileges in schema public grant select on tables to {role}
comment on view easy is 'x'
comment on index q_pkey is 'x'
comment on sequence sq is 'x'
comment on materialized view mv is 'x'
comment on function own() is 'x'
comment on constraint nnv on p is 'x'
comment on trigger tg on p is 'x'
comment on policy pol on q is null
comment on type en is 'x'
comment on schema other is 'x'
create publication pub2 for table only q (id), other.w where (id > 1)
create publication pub2 for table q, other.w with (publish = 'insert')
create publication pub2 for tables in schema other
alter publication pub add table other.w
alter publication pub set table q, other.w
alter publication pub drop table q
drop publication pub
create statistics s9 (ndistinct) on a, b from public.p
drop statistics st
set local work_mem = '1MB'
set constraints all immediate
show work_mem
savepoint s
"""

# The first major that has the form; 99 is none of ours.
SINCE = {
    "virtual": 18,
    "nn_b": 18,
    "d) references p(id) not valid": 18,
    "set expression": 17,
    "merge into": 15,
    "tables in schema": 15,
    "other.w where": 15,
}
# Its words are a constraint's name too, which goes by the same name as an index.
CONSTRAINT = re.compile(r"drop constraint \w+")
NAME = re.compile(r'(?:(?:public|other)\.)?(?:"[^"]+"|[a-z_][a-z_0-9]*)', re.IGNORECASE)
RELATIONS = """
SELECT c.oid, CASE WHEN n.nspname <> 'public' THEN n.nspname || '.' ELSE '' END || quote_ident(c.relname) AS name,
    c.relkind AS kind, pg_relation_filenode(c.oid) AS file, pg_stat_get_xact_tuples_returned(c.oid) AS rows,
    pg_stat_get_xact_numscans(c.oid) AS scans
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'other')
"""
LOCKS = "SELECT relation, mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'"


class Relation(NamedTuple):
    oid: int
    name: str
    kind: str
    file: int | None
    rows: int
    scans: int


@dataclass(frozen=True)
class Measured:
    """What statements did to the relations that were there before, by name."""

    kinds: dict[str, str]
    locks: dict[str, str]
    rewritten: set[str]
    scanned: set[str]
    read: set[str]


def forms(text: str) -> list[str]:
    """One a line; an indented line goes on with the one before."""
    return text.strip().replace("\n    ", " ").splitlines()


def measure(connection: psycopg.Connection[Any], sqls: list[str]) -> Measured:
    """Runs statements in a transaction, looks at what it holds and did, and rolls it back."""
    with connection.transaction(force_rollback=True), connection.cursor(row_factory=class_row(Relation)) as cursor:
        before = {one.oid: one for one in cursor.execute(RELATIONS)}
        mine = set(connection.execute(LOCKS))
        for sql in sqls:
            if sql.startswith("copy"):
                with connection.cursor().copy(sql.encode()) as copy:
                    for _ in copy:
                        pass
            else:
                connection.execute(sql.encode())
        locks: dict[str, str] = {}
        for oid, mode in set(connection.execute(LOCKS)) - mine:
            if oid in before:
                name = before[oid].name
                locks[name] = max(mode, locks.get(name, mode), key=MODES.index)
        after = [one for one in cursor.execute(RELATIONS) if one.oid in before and one.kind in "rm"]
    return Measured(
        {one.name: one.kind for one in before.values()},
        locks,
        {before[one.oid].name for one in after if one.file != before[one.oid].file},
        {before[one.oid].name for one in after if one.scans > before[one.oid].scans},
        {before[one.oid].name for one in after if one.rows > before[one.oid].rows},
    )


def differences(sqls: list[str], measured: Measured, major: int) -> list[str]:
    """Where the rules of these statements are not what was measured."""
    rules = [foresee(statement) for sql in sqls for statement in split(sql)]
    foreseen: dict[str, str] = {}
    for lock in [lock for rule in rules for lock in rule.locks]:
        name = lock.relation.removeprefix("public.")
        foreseen[name] = max(lock.mode, foreseen.get(name, lock.mode), key=MODES.index)
    why = "; ".join(rule.why for rule in rules)
    named = set()
    for sql in sqls:
        named |= {name.removeprefix("public.") for name in NAME.findall(CONSTRAINT.sub("", sql))}
    found = []
    for name in sorted((named | set(foreseen)) & set(measured.kinds)):
        wanted, taken = foreseen.get(name), measured.locks.get(name)
        if wanted != taken and not (major < 18 and "no lock before PostgreSQL 18" in why and taken is None):
            found.append(f"{name}: foreseen {wanted}, measured {taken}")
    for name, mode in measured.locks.items():
        # The tables under a view and the partitions of a table are known to nobody but the server.
        known = name in foreseen or measured.kinds[name] not in "rpm" or {"pt", "easy"} & named
        if not known and "also" not in why:
            found.append(f"{name}: measured {mode}, and not a word of it")
    rewrites, scans = {rule.rewrites for rule in rules}, {rule.scans for rule in rules}
    if rewrites == {"no"} and measured.rewritten and not re.search("truncate|with no data", sqls[-1]):
        found.append(f"rewritten: {measured.rewritten}")
    if "yes" in rewrites and not measured.rewritten:
        found.append("foreseen to be rewritten, and was not")
    if scans == {"no"} and measured.read:
        found.append(f"scanned: {measured.read}")
    if "yes" in scans and not measured.scanned:
        found.append("foreseen to be scanned, and was not")
    if any(rule.source == "unknown" for rule in rules):
        found.append(f"no rule: {why}")
    return found


@pytest.mark.parametrize("text", [MATRIX, BEYOND], ids=["the forms of the matrix", "beyond"])
def test_what_is_foreseen_is_what_happens(database_each: str, text: str) -> None:
    role = f"role_{uuid4().hex}"
    wrong = []
    with psycopg.connect(database_each, autocommit=True) as connection:
        major = connection.info.server_version // 10000
        connection.execute(GROUND.replace("{role}", role).encode())
        try:
            for form in forms(text):
                if any(major < since for words, since in SINCE.items() if words in form):
                    continue
                sqls = [statement.text for statement in split(form.replace("{role}", role))]
                wrong += [f"{form}: {one}" for one in differences(sqls, measure(connection, sqls), major)]
        finally:
            connection.execute(f"DROP OWNED BY {role} CASCADE".encode())
            connection.execute(f"DROP ROLE {role}".encode())
    assert wrong == []


@pytest.mark.parametrize(
    ("blocker", "sql"),
    [
        ("LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE", "VACUUM t"),
        ("SELECT FROM t", "VACUUM FULL t"),
        ("INSERT INTO t VALUES (2)", "CREATE INDEX CONCURRENTLY ON t (a)"),
        ("INSERT INTO t VALUES (2)", "REINDEX INDEX CONCURRENTLY t_a"),
        ("INSERT INTO t VALUES (2)", "REINDEX TABLE CONCURRENTLY t"),
        ("SELECT FROM t", "DROP INDEX CONCURRENTLY t_a"),
        ("SELECT FROM pt1", "ALTER TABLE pt DETACH PARTITION pt1 CONCURRENTLY"),
    ],
)
async def test_what_no_transaction_may_hold(database_each: str, blocker: str, sql: str) -> None:
    """Held up half-way, such a statement holds or waits for what was foreseen."""
    async with Stage(database_each) as stage:
        await stage.app("setup", "CREATE TABLE t (a int)", "CREATE INDEX t_a ON t (a)")
        await stage.app("setup", "CREATE TABLE pt (d int) PARTITION BY LIST (d)")
        await stage.app("setup", "CREATE TABLE pt1 PARTITION OF pt FOR VALUES IN (1)")
        await stage.app("web", "BEGIN", blocker)
        us = await stage.waiter("us", sql)

        async def ask(connection: psycopg.AsyncConnection[Any]) -> list[tuple[str, str]]:
            answer = await connection.execute(
                "SELECT relation::regclass::text, mode FROM pg_locks WHERE pid = %s AND locktype = 'relation'", [us.pid]
            )
            return await answer.fetchall()

        measured: dict[str, str] = {}
        for name, mode in await stage.really(ask):
            measured[name] = max(mode, measured.get(name, mode), key=MODES.index)
        (statement,) = split(sql)
        foreseen = {lock.relation: lock.mode for lock in foresee(statement).locks}
        if sql.startswith("DROP INDEX"):
            # The last moment of it cannot be held up: nobody uses the index any more.
            assert foreseen.pop("t_a") == MODES[-1]
            assert measured["t_a"] == "ShareUpdateExclusiveLock"
        assert {name: measured.get(name) for name in foreseen} == foreseen


def test_the_relations_are_quoted_as_the_server_quotes_them(database: str) -> None:
    with psycopg.connect(database) as connection:
        words = [word for (word,) in connection.execute("SELECT word FROM pg_get_keywords()")]
        words += ["plain", "_x1", "Upper", "a b", 'a"b', "1a", "a$", "é", "über"]
        for word in words:
            ((wanted,),) = connection.execute("SELECT quote_ident(%s)", [word])
            assert written(Name(None, word)) == wanted
