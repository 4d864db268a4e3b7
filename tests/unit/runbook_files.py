"""A sound runbook to be spoiled, and what it takes to write it down and read it."""

from collections.abc import Mapping
from pathlib import Path

from tui.runbook.load import load

TOML = """\
name = "accounts to users"
window = "60min"
requires = { server = ">=14", extensions = ["pgcrypto"] }
production = ["*prod*"]

[safety]
lock_timeout = "3s"
lock_retries = 10

[[checklist]]
id = "backup"
phase = "before"
title = "Full backup taken"

[[checklist]]
id = "prepared"
phase = "before"
title = "No prepared transaction"
sql = "checks/prepared.sql"
expect = { value = 0 }

[[checklist]]
id = "deploy"
phase = "during"
title = "Deploy the new version"
command = "true"
step = "005"

[[step]]
id = "004"
title = "Roles"
sql = "steps/004.sql"
rollback = "rollback/004.sql"
expected = ["10s", "20s"]
safety = { max_blocked_for = "30s" }

[[step]]
id = "005"
title = "Rename"
sql = "steps/005.sql"

[[step]]
id = "006"
title = "Index"
sql = "steps/006.sql"
rollback = "rollback/006.sql"
transaction = false

[[verification]]
id = "orphans"
title = "No orphan"
sql = '''
SELECT count(*)
  FROM users
'''
after = "005"
expect = { equals = [["a", 1], ["b", 2]] }

[[verification]]
id = "same"
title = "Schema as before"
sql = "verify/same.sql"
after = "end"
expect = { same_as_before = true }

[[rollback]]
id = "008"
title = "Back to accounts"
undoes = ["004", "005"]
sql = "rollback/008.sql"
"""

FILES: dict[str, str | bytes] = {
    "runbook.toml": TOML,
    "checks/prepared.sql": "SELECT count(*) FROM pg_prepared_xacts;\n",
    "steps/004.sql": "-- roles\nBEGIN;\nUPDATE accounts SET role = 'user';\n"
    "ALTER TABLE accounts ADD note text;\nCOMMIT;\n",
    "steps/005.sql": "ALTER TABLE accounts RENAME TO users;\n",
    "steps/006.sql": "CREATE INDEX CONCURRENTLY users_role ON users (role);\nVACUUM users;\n",
    "rollback/004.sql": "UPDATE accounts SET role = 'account';\n",
    "rollback/006.sql": "DROP INDEX CONCURRENTLY users_role;\n",
    "rollback/008.sql": "ALTER TABLE users RENAME TO accounts;\nUPDATE accounts SET role = 'account';\n",
    "verify/same.sql": "SELECT relname FROM pg_class ORDER BY relname;\n",
}


def write(root: Path, changes: Mapping[str, str | bytes | None] | None = None) -> Path:
    """Write the sound runbook with these files changed, added, or (None) left out; gives its directory."""
    for name, content in {**FILES, **(changes or {})}.items():
        if content is not None:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def edited(*edits: tuple[str, str]) -> str:
    """The sound runbook.toml with each first text, which stands in it once, replaced by the second."""
    text = TOML
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the runbook"
        text = text.replace(old, new)
    return text


def told(root: Path) -> list[str]:
    """What is wrong with that runbook, one line for each finding."""
    return [str(finding) for finding in load(root).findings]
