"""The SQL that ships, by name and server version."""

import re
from functools import cache
from pathlib import Path

from tui.paths import sql_root

_PARAMETER = re.compile(rb"%\(\w+\)s")
_PLAIN_PERCENT = re.compile(rb"%(?!\(\w+\)s)")


@cache
def load(name: str, server_version: int | None = None) -> bytes:
    """The text of ``sql/NAME.sql``, or of ``sql/NAME@MAJOR.sql`` with the highest major the server has reached.

    ``server_version`` is server_version_num (160014); without it there are no variants. The files are plain SQL
    but for psycopg's ``%(name)s``: where one has such a parameter, every other ``%`` is doubled for psycopg.
    Raises FileNotFoundError.
    """
    text = _variant(sql_root() / f"{name}.sql", server_version).read_bytes()
    return _PLAIN_PERCENT.sub(b"%%", text) if _PARAMETER.search(text) else text


def _variant(plain: Path, server_version: int | None) -> Path:
    if server_version is None:
        return plain
    best, chosen = 0, plain
    for path in plain.parent.glob(f"{plain.stem}@*.sql"):
        major = int(path.stem.rpartition("@")[2])
        if best < major <= server_version // 10000:
            best, chosen = major, path
    return chosen
