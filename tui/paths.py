"""Where things lie: the SQL that ships, and the directory of this user's runs."""

import os
from pathlib import Path

import platformdirs

_PACKAGE = Path(__file__).resolve().parent


def sql_root() -> Path:
    """The directory of the SQL that ships: inside the package in a wheel, beside it in a checkout."""
    packaged = _PACKAGE / "sql"
    return packaged if packaged.is_dir() else _PACKAGE.parent / "sql"


def shipped_runbooks() -> Path:
    """The directory that holds the runbooks that ship, one directory each."""
    return sql_root() / "runbooks"


def state_root() -> Path:
    """The directory of the local journals: ``LOCKSTEP_STATE``, else the platform's state directory."""
    override = os.environ.get("LOCKSTEP_STATE")
    return Path(override) if override else Path(platformdirs.user_state_dir("lockstep"))
