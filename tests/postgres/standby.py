"""A standby of an embedded server: copied by pg_basebackup, fed by streaming, ready to be promoted."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tui.postgres import supervisor
from tui.postgres.embedded import EmbeddedServer

PORT = 5433


class Standby(supervisor.Server):
    """In a directory of its own, with its socket there. ``hot``: it lets read-only sessions in.

    Its cluster_name, if it is among the ``options``, is what the primary calls it.
    """

    def __init__(self, primary: EmbeddedServer, *, port: int, hot: bool, options: Mapping[str, str]) -> None:
        self._primary = primary
        own = {"port": str(port), "hot_standby": ("off", "on")[hot], "primary_conninfo": primary.dsn()}
        self._options = own | dict(options)
        self.port = port
        super().__init__(primary.bin, wheel=primary.installation.source == "wheel", settings={}, keep=False)

    def dsn(self, dbname: str = "postgres") -> str:
        return f"postgresql://postgres@/{dbname}?host={self.directory}&port={self.port}"

    def promote(self) -> None:
        """From now on it is a primary: returns when it is."""
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")

    def _create(self, wheel: bool, settings: Mapping[str, str]) -> None:
        program = str(self._bin / "pg_basebackup")
        copied = ["--pgdata", str(self._data), "--dbname", self._primary.dsn(), "--checkpoint=fast", "--no-sync"]
        subprocess.run([program, *copied], check=True, capture_output=True, text=True)
        (self._data / "standby.signal").touch()
        options = self._options | {"unix_socket_directories": str(self.directory)}
        with (self._data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in options.items())
        if self._user:
            for path in (self.directory, *self.directory.rglob("*")):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
            if not self._runs(self._bin / "postgres"):
                self._bin = self._copy_wheel()

    def _ready(self, pid: int) -> bool:
        # One that is not hot never says that it is ready.
        lines = self._status()
        return super()._ready(pid) or (len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "standby")

    def _status(self) -> list[str]:
        path: Path = self._data / "postmaster.pid"
        return path.read_text().splitlines() if path.exists() else []


@contextmanager
def standby(
    primary: EmbeddedServer, *, port: int = PORT, hot: bool = True, options: Mapping[str, str] | None = None
) -> Iterator[Standby]:
    """A standby of this server, up and streaming, gone after the block."""
    server = Standby(primary, port=port, hot=hot, options=options or {})
    try:
        server.start()
        yield server
    finally:
        server.close()
