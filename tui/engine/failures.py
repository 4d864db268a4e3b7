"""What a server's error means to an operator and what mends it, by its SQLSTATE; the server's words stay beside it.

The codes are those of appendix A of PostgreSQL's manual, "PostgreSQL Error Codes". Names and details are taken from
messages in English, which is what lc_messages mostly is; without them a sentence is only less exact.
"""

import re

from tui.postgres.rows import PgError, safe

_TABLESPACE = re.compile(r"pg_tblspc/(\d+)")
_CONSTRAINT = re.compile(r'(?:constraint|index) "([^"]+)"')
_TABLE = re.compile(r'(?:table|relation) "([^"]+)"')
_COLUMN = re.compile(r'column "([^"]+)"')

_SAFE_AGAIN = "it is safe to run it again"
_FULL = "all connections that the server allows are taken"
_TIMED_OUT = "the server ended our session: "

_PLAIN = {
    "25006": "nothing can be written here: connect to the primary, or switch default_transaction_read_only off",
    "25P03": f"{_TIMED_OUT}its transaction stood idle longer than idle_in_transaction_session_timeout, "
    "which ALTER ROLE … SET changes for a role",
    "25P04": f"{_TIMED_OUT}its transaction took longer than transaction_timeout, "
    "which ALTER ROLE … SET changes for a role",
    "2BP01": "other objects depend on it: take them away first, or write CASCADE and lose them",
    "40P01": f"deadlock: we and another session waited for each other, and the server ended ours; {_SAFE_AGAIN}",
    "53400": "a limit set for this server or role is reached: raise it, or do less at once",
    "54001": "the statement nests too deep: simplify it, or raise max_stack_depth",
    "57P01": f"{_TIMED_OUT}an administrator terminated it, or the server is shutting down; see which, then go on",
    "57P02": f"{_TIMED_OUT}another one crashed and the server recovers; wait until it answers, then go on",
    "57P03": "the server is starting, stopping or recovering: wait until it answers",
    "57P04": f"{_TIMED_OUT}its database was dropped; see that this is the right server",
    "57P05": f"{_TIMED_OUT}it stood idle longer than idle_session_timeout, which ALTER ROLE … SET changes for a role",
}
# How the server words the last message of a connection that it refuses or ends.
_FATAL = {
    "too many clients already": "53300",
    "connection slots are reserved": "53300",
    "too many connections for": "53300",
    "the database system is": "57P03",
    "not yet accepting connections": "57P03",
    "due to idle-in-transaction timeout": "25P03",
    "due to transaction timeout": "25P04",
    "due to idle-session timeout": "57P05",
    "due to administrator command": "57P01",
    "because of crash of another server process": "57P02",
}


def sentence(error: PgError) -> str:
    """One plain sentence, without a full stop: what happened and what mends it.

    It is to stand beside the server's own message; where nothing more is known, it is that message.
    """
    message = safe(error.message)
    match error.sqlstate:
        case code if code in _PLAIN:
            return _PLAIN[code]
        case "40001":
            return _serialization(message)
        case "42501":
            return _privilege(message)
        case "53100":
            return _disk_full(message)
        case "53200":
            return _memory(message)
        case "53300":
            return _connections(message)
        case "55006":
            return _in_use(message)
        case "55P03":
            return _lock(message)
        case "57014":
            return _cancelled(message)
        case "42P04" | "42P06" | "42P07" | "42701" | "42710" | "42723":
            what = _subject(message, " already exists")
            return f"{what} is there already: see who made it, and whether this step was done by hand before"
        case "3D000" | "3F000" | "42P01" | "42703" | "42704" | "42883":
            what = _subject(message, " does not exist")
            return f"{what} is not there: see its name, the search_path, and whether something before was left out"
        case code if code.startswith("23"):
            return _violation(code, message)
        case code if code.startswith("54"):
            return "a limit of PostgreSQL itself is reached: the statement has to be changed"
    return message


def of_connection(message: str) -> str:
    """The sentence for a connection that was refused or ended, by its last words; empty where they tell nothing more.

    libpq hands on the server's text alone, without its SQLSTATE.
    """
    code = next((code for text, code in _FATAL.items() if text in message), None)
    return "" if code is None else sentence(PgError(code, message))


def _serialization(message: str) -> str:
    if "conflict with recovery" in message:
        return "the query was in the way of what this standby replays: run it on the primary"
    return f"another transaction wrote what this one read or wrote, at the same time; {_SAFE_AGAIN}"


def _privilege(message: str) -> str:
    if "must be owner of" in message:
        what = message.partition("must be owner of ")[2]
        return f"only the owner of {what} may do this: connect as its owner or as a member of that role"
    if "permission denied for " in message:
        what = message.partition("permission denied for ")[2]
        return f"our role lacks the right to {what}: GRANT it, or connect as a role that has it"
    return "our role lacks the right to do this: GRANT it, or connect as a role that has it"


def _disk_full(message: str) -> str:
    where = ""
    if "pgsql_tmp" in message:
        where = ", where it wrote a temporary file"
    elif found := _TABLESPACE.search(message):
        where = f" in the tablespace with the oid {found[1]}"
    return f"the server's disk is full{where}: free space there, then run it again"


def _memory(message: str) -> str:
    if "shared memory" in message:
        return "the server's table of locks is full: raise max_locks_per_transaction, or touch fewer tables at once"
    return "the server ran out of memory: lower work_mem or maintenance_work_mem, or end other work, then run it again"


def _connections(message: str) -> str:
    for scope in ("database", "role"):
        if f"too many connections for {scope}" in message:
            mend = f"end some that are not needed, or ALTER {scope.upper()} … CONNECTION LIMIT"
            return f"all connections that this {scope} is allowed are taken: {mend}"
    return f"{_FULL}: end some that are not needed, or raise max_connections, which needs a restart"


def _in_use(message: str) -> str:
    if "pending trigger events" in message:
        return (
            "rows changed before in this transaction still wait for a deferred check: "
            "SET CONSTRAINTS ALL IMMEDIATE after they changed, or make it two steps"
        )
    return "something still uses it: end the sessions that do, then run it again"


def _lock(message: str) -> str:
    if "lock timeout" in message:
        return "a lock did not become free within lock_timeout: see who holds it, then run it again"
    return "another session holds a lock on it: see who does, then run it again"


def _cancelled(message: str) -> str:
    if "statement timeout" in message:
        return "the statement ran longer than its statement_timeout: see why, or raise it in the step's safety"
    if "user request" in message:
        return "the statement was cancelled from outside (pg_cancel_backend): see by whom, then run it again"
    return "the statement was cancelled, by a timeout or from outside: see which, then run it again"


def _violation(code: str, message: str) -> str:
    constraint, tables, column = _CONSTRAINT.search(message), _TABLE.findall(message), _COLUMN.search(message)
    what = f"constraint {constraint[1]}" if constraint else "a constraint"
    table = f" of {tables[0]}" if tables else ""
    mend = "mend them, then run it again"
    match code:
        case "23502":
            name = f"{tables[0]}.{column[1]}" if tables and column else "a NOT NULL column"
            return f"{name} would hold NULL, or does: fill it in all rows, then run it again"
        case "23505":
            name = constraint[1] if constraint else "a unique constraint"
            return f"rows have the same key in {name}, where it must be unique: {mend}"
        case "23P01":
            return f"rows{table} conflict with each other under {what}: {mend}"
        case "23503" | "23001" if len(tables) > 1:
            return f"rows of {tables[1]} still point at rows of {tables[0]} ({what}): {mend}"
        case "23503":
            return f"rows{table} point at rows that are not there ({what}): {mend}"
    return f"rows{table} do not fulfil {what}: {mend}"


def _subject(message: str, verb: str) -> str:
    """``column "c" of relation "t"`` from ``column "c" of relation "t" already exists``."""
    subject, found, _ = message.partition(verb)
    return subject if found else "what the message names"
