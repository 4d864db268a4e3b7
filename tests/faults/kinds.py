"""What the faults hit: a runbook of three steps for each kind of script, and where its moments are.

In each the second script is the subject. What it does to the rows cannot be done twice unseen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from proxy import When
from runbooks import write

Moment = Literal["before", "in_statement", "between", "commit_before", "commit_after", "after"]
MOMENTS: dict[Moment, str] = {
    "before": "before it",
    "in_statement": "in a statement",
    "between": "between statements",
    "commit_before": "at COMMIT, before it reaches the server",
    "commit_after": "at COMMIT, its answer not seen",
    "after": "after it",
}
BASE = """
CREATE TABLE accounts (id int PRIMARY KEY, email text NOT NULL, email_lower text, balance int NOT NULL DEFAULT 0);
INSERT INTO accounts (id, email) SELECT g, 'User' || g || '@Example.com' FROM generate_series(1, 200) AS g;
CREATE TABLE trail (n int NOT NULL, what text NOT NULL);
"""
_SAFETY = """\
[safety]
lock_timeout = "20s"
lock_retries = 3
statement_timeout = "30s"
max_blocked_for = "30s"
"""
_VERIFIED = """
[[verification]]
id = "trail"
title = "A trail of every step"
sql = "SELECT count(*) > 1 FROM trail"
after = "end"
expect = { value = true }
"""
_SHARE = "LOCK TABLE accounts IN SHARE MODE"
_MARK, _RAISE, _AUDIT = "INSERT INTO trail VALUES (2, 'subject')", "UPDATE accounts SET balance", "CREATE TABLE audit"
_INDEX = "CREATE INDEX CONCURRENTLY"
_NEXT = r"INSERT INTO trail VALUES \(3"
_HAS_MARK = "EXISTS (SELECT FROM trail WHERE n = 2)"
_HAS_RAISE = "(SELECT min(balance) = 1 FROM accounts)"
_HAS_AUDIT = "to_regclass('audit') IS NOT NULL"
_HAS_INDEX = "EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('accounts_email') AND indisvalid)"

_HAS_SOME = "(SELECT count(*) > 0 FROM accounts WHERE balance > 0 OR email_lower IS NOT NULL)"
_HAS_ALL = "(SELECT count(*) = 200 FROM accounts WHERE balance = 1 AND email_lower = lower(email))"


@dataclass(frozen=True, slots=True)
class At:
    """A moment as the proxy finds it: a statement, after these others on the same connection."""

    statement: str
    when: When = "before"
    seen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """``moments``: where they are, or why there is none. ``lock``: what makes the subject's statement last.

    ``effects``: one SQL condition for each thing that the subject makes, in order (for a rollback: takes away).
    """

    title: str
    script: str
    back: str
    lock: str
    effects: tuple[str, ...]
    moments: Mapping[Moment, At | str]
    keys: str = ""
    rollback: bool = False
    whole: bool = True
    """All of it is committed at once."""

    @property
    def command(self) -> str:
        return "rollback" if self.rollback else "run"

    @property
    def direction(self) -> str:
        """As the ledger calls it."""
        return "back" if self.rollback else "forward"

    def write(self, directory: Path) -> Path:
        steps = {"1": _trail(1, "first"), "2": self.script, "3": _trail(3, "last")}
        back = {"1": _no_trail(1), "2": self.back, "3": _no_trail(3)}
        return write(directory, steps, back, keys={"2": self.keys}, safety=_SAFETY, more=_VERIFIED)


def _trail(n: int, what: str) -> str:
    return f"INSERT INTO trail VALUES ({n}, '{what}');\n"


def _no_trail(n: int) -> str:
    return f"DELETE FROM trail WHERE n = {n};\n"


_BEFORE = At(".", "before", (r"INSERT INTO trail VALUES \(1", "^COMMIT"))
_AFTER = At(_NEXT, "before")
_WHOLE = f"{_MARK};\n{_RAISE} = balance + 1;\n{_AUDIT} (id int PRIMARY KEY);\n"
_WHOLE_BACK = "DELETE FROM trail WHERE n = 2;\nUPDATE accounts SET balance = balance - 1;\nDROP TABLE audit;\n"
_WHOLE_EFFECTS = (_HAS_MARK, _HAS_RAISE, _HAS_AUDIT)
_CHUNK = "UPDATE accounts AS a SET"
_BATCH = f"""\
CREATE TEMPORARY TABLE IF NOT EXISTS batch AS SELECT id FROM accounts WHERE email_lower IS NULL;
{_CHUNK} email_lower = lower(a.email), balance = balance + 1 FROM batch WHERE a.id = batch.id;
"""

KINDS: dict[str, Kind] = {
    "transactional": Kind(
        "transactional step",
        _WHOLE,
        _WHOLE_BACK,
        _SHARE,
        _WHOLE_EFFECTS,
        {
            "before": _BEFORE,
            "in_statement": At(_RAISE, "passed"),
            "between": At(_AUDIT),
            "commit_before": At("^COMMIT", "before", (_AUDIT,)),
            "commit_after": At("^COMMIT", "after", (_AUDIT,)),
            "after": _AFTER,
        },
    ),
    "statements": Kind(
        "non-transactional step: statements",
        f"{_WHOLE}{_INDEX} accounts_email ON accounts (email);\n",
        f"DROP INDEX CONCURRENTLY IF EXISTS accounts_email;\n{_WHOLE_BACK}",
        _SHARE,
        (*_WHOLE_EFFECTS, _HAS_INDEX),
        {
            "before": _BEFORE,
            "in_statement": At(_RAISE, "passed"),
            "between": At(_AUDIT),
            "commit_before": At("^COMMIT", "before", (_RAISE,)),
            "commit_after": At("^COMMIT", "after", (_RAISE,)),
            "after": _AFTER,
        },
        keys="transaction = false",
        whole=False,
    ),
    "concurrently": Kind(
        "non-transactional step: CONCURRENTLY",
        f"{_MARK};\n{_INDEX} accounts_email ON accounts (email);\n{_RAISE} = balance + 1;\n",
        "UPDATE accounts SET balance = balance - 1;\nDROP INDEX CONCURRENTLY accounts_email;\n" + _no_trail(2),
        "LOCK TABLE accounts IN ROW EXCLUSIVE MODE",
        (_HAS_MARK, _HAS_INDEX, _HAS_RAISE),
        {
            "before": _BEFORE,
            "in_statement": At(_INDEX, "passed"),
            "between": At(_INDEX),
            "commit_before": "CONCURRENTLY commits by itself: no COMMIT is sent for it",
            "commit_after": At(_INDEX, "after"),
            "after": _AFTER,
        },
        keys="transaction = false",
        whole=False,
    ),
    "batch": Kind(
        "batch",
        _BATCH,
        "UPDATE accounts SET email_lower = NULL, balance = balance - 1;\n",
        "SELECT FROM accounts WHERE id = 25 FOR UPDATE",
        (_HAS_SOME, _HAS_ALL),
        {
            "before": _BEFORE,
            "in_statement": At(_CHUNK, "passed", (_CHUNK, "^COMMIT")),
            "between": At(".", "before", (_CHUNK, "^COMMIT")),
            "commit_before": At("^COMMIT", "before", (_CHUNK, "^COMMIT", _CHUNK)),
            "commit_after": At("^COMMIT", "after", (_CHUNK, "^COMMIT", _CHUNK)),
            "after": _AFTER,
        },
        keys='batch = { table = "accounts", key = ["id"], where = "email_lower IS NULL", size = 20, target = "1s" }',
        whole=False,
    ),
    "rollback": Kind(
        "rollback",
        _WHOLE,
        _WHOLE_BACK,
        _SHARE,
        _WHOLE_EFFECTS,
        {
            "before": At(".", "before", ("DELETE FROM trail WHERE n = 3", "^COMMIT")),
            "in_statement": At(_RAISE, "passed"),
            "between": At("DROP TABLE audit"),
            "commit_before": At("^COMMIT", "before", ("DROP TABLE audit",)),
            "commit_after": At("^COMMIT", "after", ("DROP TABLE audit",)),
            "after": At("DELETE FROM trail WHERE n = 1", "before"),
        },
        rollback=True,
    ),
    "rollback_statements": Kind(
        "rollback of a non-transactional step",
        f"{_MARK};\n{_RAISE} = balance + 1;\n{_INDEX} accounts_email ON accounts (email);\n",
        f"{_no_trail(2)}{_RAISE} = balance - 1;\nDROP INDEX CONCURRENTLY accounts_email;\n",
        _SHARE,
        (_HAS_MARK, _HAS_RAISE, _HAS_INDEX),
        {
            "before": At(".", "before", ("DELETE FROM trail WHERE n = 3", "^COMMIT")),
            "in_statement": At(_RAISE, "passed"),
            "between": At("DROP INDEX"),
            "commit_before": At("^COMMIT", "before", (_RAISE,)),
            "commit_after": At("DROP INDEX", "after"),
            "after": At("DELETE FROM trail WHERE n = 1", "before"),
        },
        keys="transaction = false",
        rollback=True,
        whole=False,
    ),
}
