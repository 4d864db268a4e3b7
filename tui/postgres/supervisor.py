"""Owns one private PostgreSQL server for the process that asked for it, and outlives that process just long
enough to stop the server.

Started as a script by `tui.postgres.embedded`, in a session of its own, so that neither Ctrl-C nor a closing
terminal reaches it; with the standard library alone, so that it starts in a few hundredths of a second.

It speaks JSON lines. The first on stdin says what to run (``bin``, ``wheel``, ``superuser``, ``settings``,
``keep``), later ones are ``{"do": …}`` with ``start``, ``save``, ``restore``, ``halt`` and its ``mode``, or ``offer``
and its ``files``. Each is answered on stdout by ``{"directory": …, "pid": …}`` (pid null: halted) or
``{"error": …}``. The end of stdin means that the owner is gone or done: the server is stopped and, unless ``keep``,
its directory removed. What a supervisor leaves that was itself killed, the next one takes away.
"""

import fcntl
import json
import os
import pwd
import select
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO, Final

PORT: Final = 5432
# sockaddr_un.sun_path has 104 bytes on macOS and 108 on Linux, with the closing zero.
SOCKET_PATH_MAX: Final = 103
START_SECONDS: Final = 60.0
HALT_SECONDS: Final = 10.0
PREFIX: Final = "lockstep-"
OWNED: Final = "owner.lock"
"""A file that its supervisor keeps locked: where the lock is free, the directory has lost its owner."""
SIGNALS: Final = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
    "kill": signal.SIGKILL,
}
# The owner's environment may hold secrets and PG* settings: only what a server needs is handed on.
ENVIRONMENT: Final = ("PATH", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class Failure(Exception):
    """Why the server could not be made or started; the text is for the operator."""


class Server:
    """The directory of one server (0700: data, log and socket) and its postmaster."""

    def __init__(
        self,
        binaries: Path,
        *,
        wheel: bool,
        settings: Mapping[str, str],
        keep: bool,
        superuser: str = "postgres",
    ) -> None:
        self._superuser = superuser
        self.keep = keep
        self._bin = binaries
        self._postmaster: subprocess.Popen[bytes] | None = None
        self._user = _server_user()
        self._environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ} | {"LC_ALL": "C"}
        uid = self._user.pw_uid if self._user else os.geteuid()
        for parent in _parents():
            _sweep(parent, uid)
        self.directory = _private_directory(for_another_user=self._user is not None)
        self._owned = None if keep else _own(self.directory)
        self._data = self.directory / "data"
        self._saved = self.directory / "saved"
        self._log: BinaryIO = (self.directory / "server.log").open("x+b", buffering=0)
        try:
            self._create(wheel, settings)
        except BaseException:
            self.keep = False
            self.close()
            raise

    def _create(self, wheel: bool, settings: Mapping[str, str]) -> None:
        if self._user:
            os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)
        if self._user and not self._runs(self._bin / "postgres"):
            if not wheel:
                raise Failure(f"user {self._user.pw_name} is not permitted to run {self._bin / 'postgres'}")
            self._bin = self._copy_wheel()
        initdb: list[str | Path] = [
            self._bin / "initdb",
            "--pgdata",
            self._data,
            f"--username={self._superuser}",
            "--auth=trust",
            "--encoding=UTF8",
        ]
        self._run([*initdb, "--locale=C", "--no-sync", "--no-instructions"])
        ours = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_permissions": "0700",
            "cluster_name": "lockstep",
        }
        ours["unix_socket_directories"] = '"' + str(self.directory).replace('"', '""') + '"'
        lines = "".join(f"{name} = {_quoted(value)}\n" for name, value in {**settings, **ours}.items())
        # Written by the server's user: root must not follow a link that this user could have laid.
        self._run(["/bin/sh", "-c", 'cat >> "$1"', "sh", self._data / "postgresql.conf"], text=lines)

    def start(self) -> int:
        """Start the postmaster and wait until it accepts connections; return its process id."""
        if self._postmaster and self._postmaster.poll() is None:
            raise Failure("the server is already running")
        deadline = time.monotonic() + START_SECONDS
        while True:
            before = self._log.tell()
            self._postmaster = self._spawn([self._bin / "postgres", "-D", self._data])
            while self._postmaster.poll() is None and time.monotonic() < deadline:
                if self._ready(self._postmaster.pid):
                    return self._postmaster.pid
                time.sleep(0.01)
            # By what is open already: at its name the server's user may have laid anything.
            length = os.fstat(self._log.fileno()).st_size - before
            said = os.pread(self._log.fileno(), length, before).decode(errors="replace")[-2000:].strip()
            # After kill -9 of the postmaster its backends hold the shared memory for a moment.
            if self._postmaster.poll() is None or "is still in use" not in said or time.monotonic() > deadline:
                self.halt("immediate")
                raise Failure(f"the server did not start: {said or 'it wrote nothing to its log'}")
            time.sleep(0.05)

    def halt(self, mode: str) -> None:
        """Stop the postmaster by the signal of `mode`, harder when it is not gone after 10 seconds."""
        if self._postmaster is None:
            return
        for number in (SIGNALS[mode], signal.SIGQUIT, signal.SIGKILL):
            if self._postmaster.poll() is None:
                self._postmaster.send_signal(number)
                try:
                    self._postmaster.wait(HALT_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
        self._postmaster = None

    def save(self) -> None:
        """Stop the server, and put what it is away for `restore`."""
        self.halt("fast")
        # By the server's user here and below, for the same reason as its settings are written by it.
        self._run(["mv", self._data, self._saved])

    def restore(self) -> int:
        """Start the server as it was saved; what came since is gone. Return its process id."""
        self.halt("immediate")
        self._run(["rm", "-rf", self._data])
        self._run(["cp", "-Rp", self._saved, self._data])
        return self.start()

    def offer(self, files: Mapping[str, str]) -> int | None:
        """Lay these texts, by name, where extensions of ours are looked for. Return the postmaster's process id."""
        there = self.directory / "offered" / "extension"
        self._run(["mkdir", "-p", there])
        for name, text in files.items():
            self._run(["/bin/sh", "-c", 'cat > "$1"', "sh", there / name], text=text)
        return self._postmaster.pid if self._postmaster else None

    def close(self) -> None:
        """Stop the server; remove what it leaves behind, but for data and log when they are to be kept."""
        # A server whose data is thrown away needs no shutdown checkpoint.
        self.halt("fast" if self.keep else "immediate")
        self._log.close()
        doomed = self.directory / "install" if self.keep else self.directory
        for _ in range(50):
            shutil.rmtree(doomed, ignore_errors=True)
            if not doomed.exists():
                return
            time.sleep(0.1)  # a backend orphaned by kill -9 of its postmaster may still be writing

    def _ready(self, pid: int) -> bool:
        # The postmaster's own sign, which pg_ctl waits for too: line 1 is its pid, line 8 its status.
        try:
            lines = _read(self._data / "postmaster.pid").splitlines()
        except (OSError, UnicodeDecodeError):
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _runs(self, program: Path) -> bool:
        try:
            self._run([program, "--version"])
        except (OSError, Failure):
            return False
        return True

    def _copy_wheel(self) -> Path:
        """Copy what the server needs of a wheel that its user cannot reach; give the copy's bin directory."""
        assert self._user is not None
        prefix = self._bin.parent
        package = prefix.parent
        install = self.directory / "install"
        for part in ("lib", "share"):
            target = install / package.name / prefix.name / part
            skipped = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig")
            shutil.copytree(prefix / part, target, symlinks=True, ignore=skipped)
        target = install / package.name / prefix.name / "bin"
        target.mkdir()
        for program in ("initdb", "postgres"):
            shutil.copy(self._bin / program, target)
        # Where a wheel keeps its shared libraries: auditwheel beside the package, delocate inside it.
        for libraries in (package.with_name(package.name + ".libs"), package / ".dylibs"):
            if libraries.is_dir():
                shutil.copytree(libraries, install / libraries.relative_to(package.parent), symlinks=True)
        for path in (install, *install.rglob("*")):
            os.chown(path, self._user.pw_uid, self._user.pw_gid, follow_symlinks=False)
        return target

    def _spawn(self, command: list[str | Path], **more: Any) -> subprocess.Popen[bytes]:
        if self._user:
            more |= {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        plumbing = {"stdin": subprocess.DEVNULL, "stdout": self._log, "stderr": self._log, **more}
        return subprocess.Popen(  # noqa: S603
            list(map(str, command)), cwd=self.directory, env=self._environment, umask=0o077, **plumbing
        )

    def _run(self, command: list[str | Path], text: str = "") -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        with self._spawn(command, **pipes) as process:
            try:
                said, _ = process.communicate(text.encode())
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise Failure(f"{Path(command[0]).name} failed: {said.decode(errors='replace').strip()}")


def _server_user() -> pwd.struct_passwd | None:
    """The user to run the server as when we are root, which PostgreSQL refuses; else None: ourselves."""
    if os.geteuid() != 0:
        return None
    # Never postgres: what a dump brings along must not run as the one who is superuser of the machine's own servers.
    with suppress(KeyError):
        return pwd.getpwnam("nobody")
    raise Failure("PostgreSQL refuses to run as root, and there is no user nobody to run it as")


def _parents() -> tuple[Path, ...]:
    """Where our directories may lie, the best place first."""
    return tuple(dict.fromkeys((Path(tempfile.gettempdir()).resolve(), Path("/tmp").resolve())))  # noqa: S108


def _private_directory(*, for_another_user: bool) -> Path:
    for parent in _parents():
        fits = len(os.fsencode(parent / f"{PREFIX}12345678" / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_MAX
        if fits and (not for_another_user or all(p.stat().st_mode & 0o001 for p in (parent, *parent.parents))):
            return Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    raise Failure("there is no directory for temporary files that the server's user can reach")


def _own(directory: Path) -> int:
    """Marks the directory as this process's, for as long as it lives; gives the mark's file descriptor."""
    mark, path = tempfile.mkstemp(dir=directory)
    # Locked before it has its name, so that nobody ever finds it free.
    fcntl.flock(mark, fcntl.LOCK_EX)
    Path(path).rename(directory / OWNED)
    return mark


def _read(path: str | Path, directory: int | None = None) -> str:
    """The text of a small file in somebody else's hands: no link is followed, and nothing but a file is opened."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(f"{path} is not a file")
        return os.read(file, 65536).decode()
    finally:
        os.close(file)


def _sweep(parent: Path, uid: int) -> None:
    """Stops and removes the servers below ``parent`` that have lost their owner, of this user alone."""
    for path in parent.glob(f"{PREFIX}*"):
        # No mark (a kept server, somebody else's directory), another user's mark, a living owner: not ours to touch.
        with suppress(OSError):
            # Opened once, and never named again: its user may put something else in its place meanwhile.
            directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(directory).st_uid == uid:
                    _sweep_one(path, directory, uid)
            finally:
                os.close(directory)


def _sweep_one(path: Path, directory: int, uid: int) -> None:
    mark = os.open(OWNED, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    try:
        found = os.fstat(mark)
        if found.st_uid == os.geteuid() and stat.S_ISREG(found.st_mode):
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(path, directory, uid)
    finally:
        os.close(mark)


def _remove(path: Path, directory: int, uid: int) -> None:
    # Where there is no ps, the server itself ends within a minute, when it finds its directory gone.
    with suppress(OSError, ValueError):
        _stop_orphan(path / "data", directory, uid)
    for name in os.listdir(directory):
        # The mark goes last: whoever comes after a sweep that was interrupted still knows the directory as ours.
        if stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            shutil.rmtree(name, ignore_errors=True, dir_fd=directory)
        elif name != OWNED:
            os.unlink(name, dir_fd=directory)
    if os.listdir(directory) == [OWNED]:
        os.unlink(OWNED, dir_fd=directory)
        # An empty directory at most, whatever lies there now.
        path.rmdir()


def _stop_orphan(data: Path, directory: int, uid: int) -> None:
    """Stops the postmaster that a killed supervisor left on this data directory, if it is there and really that one."""
    opened = os.open("data", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
    try:
        pid = _read("postmaster.pid", opened).split("\n", 1)[0]
    finally:
        os.close(opened)
    ask = ["ps", "-ww", "-o", "uid=,args=", "-p", str(int(pid))]
    for number in (signal.SIGQUIT, signal.SIGKILL):
        deadline = time.monotonic() + HALT_SECONDS / 2
        sent = False
        while time.monotonic() < deadline:
            said = subprocess.run(ask, capture_output=True, text=True, check=False).stdout.split(maxsplit=1)  # noqa: S603
            if len(said) < 2 or int(said[0]) != uid or str(data) not in said[1]:
                return
            if not sent:
                os.kill(int(pid), number)
                sent = True
            time.sleep(0.02)


def _quoted(value: str) -> str:
    """A value of postgresql.conf, quoted as guc-file.l reads it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n") + "'"


def _requests() -> Iterator[dict[str, Any]]:
    """What the owner asks, until its end of the pipe is closed or it is gone."""
    owner = os.getppid()
    buffer = b""
    while True:
        # A forked child of the owner may hold the pipe open, so the owner's death is looked at as well.
        if not select.select([0], [], [], 1.0)[0]:
            if os.getppid() != owner:
                return
            continue
        if not (piece := os.read(0, 65536)):
            return
        *lines, buffer = (buffer + piece).split(b"\n")
        yield from map(json.loads, lines)


def _answer(message: Mapping[str, object]) -> None:
    with suppress(BrokenPipeError):  # the end of stdin will tell the same
        os.write(1, json.dumps(message).encode() + b"\n")


def _done(server: Server, do: str, mode: str = "", files: Mapping[str, str] | None = None) -> int | None:
    """Does what the owner asks; gives the postmaster's process id while it runs."""
    match do:
        case "start":
            return server.start()
        case "restore":
            return server.restore()
        case "offer":
            return server.offer(files or {})
        case "save":
            server.save()
        case "halt":
            server.halt(mode)
    return None


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGTERM, _leave)
    server: Server | None = None
    try:
        for request in _requests():
            try:
                if server is None:
                    binaries = Path(request.pop("bin"))
                    server = Server(binaries, **request)
                    pid: int | None = server.start()
                else:
                    pid = _done(server, **request)
                _answer({"directory": str(server.directory), "pid": pid})
            except (Failure, OSError) as error:
                _answer({"error": str(error)})
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if server:
            server.close()


if __name__ == "__main__":
    main()
