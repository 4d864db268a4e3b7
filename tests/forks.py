"""``lockstep`` as processes of their own that need no time to start: forks of one that has imported everything.

A command costs a second of CPU before it does anything, a console two, and the faults and terminals start some four
hundred. Such a child differs from ``python -m tui`` only in that: it has its own session, streams, environment and
signals, it runs `tui.__main__.main`, and the interpreter ends as it always does. What starting alone brings about is
tested where programs are started as such: test_cli, test_cli_start, test_demo, test_house.
"""

import atexit
import contextlib
import fcntl
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile

ROOT = Path(__file__).resolve().parents[1]


class Fork:
    """One such process, with what the tests need of `subprocess.Popen`."""

    def __init__(self, told: int) -> None:
        self._told = told
        self.returncode: int | None = None
        self.pid = int(self._line())

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            more = os.read(self._told, 1)
            assert more, "the process that forks is gone"
            line += more
        return line

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, or minus the signal that killed it. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("lockstep", timeout or 0)
            self.returncode = int(self._line())
            os.close(self._told)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            # It may have ended since, and nobody has its number yet: then there is nobody to tell.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class _Forker:
    """The process that has imported everything; it ends when this one does."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=os.environ | {"LC_ALL": "C.UTF-8", "PYTHONFAULTHANDLER": "1"},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        atexit.register(self._stop)

    def _stop(self) -> None:
        self._requests.close()
        self._process.wait()

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], streams: Sequence[int]) -> Fork:
        told, tell = os.pipe()
        request = json.dumps([list(arguments), dict(environment), str(Path.cwd())]).encode() + b"\n"
        sent = socket.send_fds(self._requests, [request], [*streams, tell])
        self._requests.sendall(request[sent:])
        os.close(tell)
        return Fork(told)


_forker = cache(_Forker)
_one = threading.Lock()


def start(arguments: Sequence[str], environment: Mapping[str, str], stdin: int, stdout: int, stderr: int) -> Fork:
    """Starts ``lockstep`` with these arguments; the streams are open files, which stay the caller's."""
    with _one:
        return _forker().start(arguments, environment, (stdin, stdout, stderr))


def run(*arguments: str, stdin: str = "", timeout: float = 60) -> "subprocess.CompletedProcess[str]":
    """Runs it to its end, as `subprocess.run` does with ``capture_output``."""
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        process = start(arguments, os.environ, given.fileno(), out.fileno(), err.fileno())
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, code, out.read().decode(), err.read().decode())


# The other side, which runs this file as a program


def _serve(requests: socket.socket) -> list[str]:
    """Forks for every request; comes back in the fork alone, with its arguments."""
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, 65536, 4)
        while request and not request.endswith(b"\n"):
            request += requests.recv(65536)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG if request else 0)[0]:
                pass
        if not request:
            os._exit(0)
        if os.fork() == 0:
            return _keep(json.loads(request), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _keep(request: tuple[list[str], dict[str, str], str], descriptors: list[int]) -> list[str]:
    """Forks once more, and tells how that one ends: only a parent hears of it."""
    *streams, tell = descriptors
    pid = os.fork()
    if pid == 0:
        return _become(*request, streams)
    try:
        for descriptor in streams:
            os.close(descriptor)
        os.write(tell, b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        os.write(tell, b"%d\n" % os.waitstatus_to_exitcode(status))
    finally:
        os._exit(0)


def _become(arguments: list[str], environment: dict[str, str], directory: str, streams: list[int]) -> list[str]:
    os.setsid()
    os.chdir(directory)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    os.closerange(3, 256)
    if os.isatty(0):
        # As a login does it: the terminal becomes that of the session.
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    if sys.platform != "linux":
        # Elsewhere the system's own libraries do not bear a fork that goes on.
        os.execve(sys.executable, [sys.executable, "-m", "tui", *arguments], environment)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        new = open(number, old.mode, encoding=old.encoding, errors=old.errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    return arguments


def _prepare() -> None:
    sys.path[0] = str(ROOT)
    import tui

    for module in pkgutil.walk_packages(tui.__path__, "tui."):
        if module.name != "tui.__main__":
            importlib.import_module(module.name)
    gc.freeze()


if __name__ == "__main__":
    _prepare()
    sys.argv[1:] = _serve(socket.socket(fileno=int(sys.argv[1])))
    from tui.__main__ import main

    main()
