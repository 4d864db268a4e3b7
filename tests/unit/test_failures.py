"""What an operator reads at 01:30 beside the server's own words."""

import pytest

from tui.engine.failures import of_connection, sentence
from tui.postgres.rows import PgError

# Messages as PostgreSQL 15 to 18 word them.
CASES = [
    ("57014", "canceling statement due to statement timeout", "ran longer than its statement_timeout"),
    ("57014", "canceling statement due to user request", "cancelled from outside"),
    ("57014", "annulation de la requête", "by a timeout or from outside"),
    ("53300", "sorry, too many clients already", "raise max_connections"),
    (
        "53300",
        "remaining connection slots are reserved for roles with the SUPERUSER attribute",
        "all connections that the server allows are taken",
    ),
    ("53300", 'too many connections for role "app"', "ALTER ROLE … CONNECTION LIMIT"),
    ("53300", 'too many connections for database "app"', "ALTER DATABASE … CONNECTION LIMIT"),
    (
        "53100",
        'could not extend file "pg_tblspc/16389/PG_18_202506291/5/16390": No space left on device',
        "full in the tablespace with the oid 16389: free space",
    ),
    ("53100", 'could not extend file "base/5/16390": No space left on device', "disk is full: free space there"),
    ("53100", 'could not write to file "base/pgsql_tmp/pgsql_tmp1.0": No space left on device', "a temporary file"),
    ("53200", "out of memory", "lower work_mem"),
    ("53200", "out of shared memory", "max_locks_per_transaction"),
    ("53400", 'temporary file size exceeds "temp_file_limit" (1kB)', "a limit set for this server or role"),
    ("54000", 'index row size 2712 exceeds btree version 4 maximum 2704 for index "i"', "a limit of PostgreSQL"),
    ("54001", "stack depth limit exceeded", "max_stack_depth"),
    ("54011", "tables can have at most 1600 columns", "a limit of PostgreSQL itself"),
    ("40P01", "deadlock detected", "safe to run it again"),
    ("40001", "could not serialize access due to concurrent update", "safe to run it again"),
    ("40001", "canceling statement due to conflict with recovery", "run it on the primary"),
    ("25P03", "terminating connection due to idle-in-transaction timeout", "idle_in_transaction_session_timeout"),
    ("25P04", "terminating connection due to transaction timeout", "transaction_timeout"),
    ("57P05", "terminating connection due to idle-session timeout", "idle_session_timeout"),
    ("42501", "permission denied for table users", "lacks the right to table users: GRANT it"),
    ("42501", "must be owner of table users", "only the owner of table users may do this"),
    ("42501", "must be superuser to do this", "GRANT it"),
    ("57P01", "terminating connection due to administrator command", "an administrator terminated it"),
    ("57P02", "terminating connection because of crash of another server process", "another one crashed"),
    ("57P03", "the database system is starting up", "wait until it answers"),
    ("57P04", 'database "app" was dropped', "its database was dropped"),
    ("55P03", "canceling statement due to lock timeout", "within lock_timeout"),
    ("55P03", 'could not obtain lock on relation "users"', "another session holds a lock"),
    ("55006", 'database "app" is being accessed by other users', "end the sessions that do"),
    ("55006", 'cannot ALTER TABLE "t" because it has pending trigger events', "SET CONSTRAINTS ALL IMMEDIATE"),
    ("25006", "cannot execute CREATE TABLE in a read-only transaction", "connect to the primary"),
    ("2BP01", "cannot drop table a because other objects depend on it", "CASCADE"),
    ("23502", 'null value in column "b" of relation "t" violates not-null constraint', "t.b would hold NULL"),
    ("23502", 'column "b" of relation "t" contains null values', "t.b would hold NULL, or does"),
    (
        "23503",
        'insert or update on table "child" violates foreign key constraint "child_fkey"',
        "rows of child point at rows that are not there (constraint child_fkey)",
    ),
    (
        "23503",
        'update or delete on table "parent" violates foreign key constraint "child_fkey" on table "child"',
        "rows of child still point at rows of parent (constraint child_fkey)",
    ),
    (
        "23001",
        'update or delete on table "parent" violates RESTRICT setting of foreign key constraint "f" on table "child"',
        "rows of child still point at rows of parent (constraint f)",
    ),
    ("23505", 'duplicate key value violates unique constraint "users_pkey"', "the same key in users_pkey"),
    ("23505", 'could not create unique index "users_email_idx"', "the same key in users_email_idx"),
    ("23514", 'new row for relation "t" violates check constraint "c"', "rows of t do not fulfil constraint c"),
    ("23514", 'check constraint "c" of relation "t" is violated by some row', "rows of t do not fulfil constraint c"),
    ("23514", 'no partition of relation "t" found for row', "rows of t do not fulfil a constraint"),
    ("23P01", 'conflicting key value violates exclusion constraint "c"', "conflict with each other under constraint c"),
    ("42P07", 'relation "users" already exists', 'relation "users" is there already'),
    ("42701", 'column "a" of relation "t" already exists', 'column "a" of relation "t" is there already'),
    ("42710", 'type "mood" already exists', 'type "mood" is there already'),
    ("42710", "Typ »mood« existiert bereits", "what the message names is there already"),
    ("42P01", 'relation "users" does not exist', 'relation "users" is not there'),
    ("42703", "column t.a does not exist", "column t.a is not there"),
    ("42704", 'type "mood" does not exist', 'type "mood" is not there'),
    ("42883", "function f(integer) does not exist", "function f(integer) is not there"),
]


@pytest.mark.parametrize(("sqlstate", "message", "part"), CASES)
def test_the_sentence(sqlstate: str, message: str, part: str) -> None:
    told = sentence(PgError(sqlstate, message))
    assert part in told
    assert told != message
    assert "\n" not in told
    assert not told.endswith(".")
    assert len(told) < 200


@pytest.mark.parametrize("sqlstate", ["", "22012", "P0001", "XX000"])
def test_where_nothing_more_is_known_the_server_speaks(sqlstate: str) -> None:
    assert sentence(PgError(sqlstate, "division by zero")) == "division by zero"


@pytest.mark.parametrize("sqlstate", ["22012", "23514", "42P07", "42501", "57014"])
def test_a_message_cannot_drive_the_terminal(sqlstate: str) -> None:
    message = (
        'new row for relation "t\x1b[2J" violates check constraint "c\nd": permission denied for \u202ex already exists'
    )
    assert sentence(PgError(sqlstate, message)).isprintable()


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ('connection to server at "db1", port 5432 failed: FATAL:  sorry, too many clients already', "max_connections"),
        ('connection failed: FATAL:  too many connections for role "app"', "this role is allowed"),
        ("FATAL:  the database system is shutting down", "wait until it answers"),
        ("FATAL:  the database system is in recovery mode", "wait until it answers"),
        ("terminating connection due to idle-in-transaction timeout", "idle_in_transaction_session_timeout"),
        ("terminating connection due to transaction timeout", "transaction_timeout"),
        ("terminating connection due to administrator command\nSSL connection has been closed", "an administrator"),
        ("terminating connection because of crash of another server process", "crashed"),
    ],
)
def test_a_connection_that_was_refused_or_ended(message: str, part: str) -> None:
    assert part in of_connection(message)


def test_a_connection_that_is_only_gone() -> None:
    assert of_connection("server closed the connection unexpectedly") == ""
    assert of_connection('database "the system" does not exist') == ""
