"""Space on a disk that is kept for the end of what was begun."""

import errno
import os
from pathlib import Path

SIZE = 1 << 20
"""Bytes kept: some 3,000 events of 300 bytes. An act has about four a statement and try, and at most 200 notices
a statement; the whole night of the shipped runbook, every retry included, is 40 kB."""

_PIECE = 1 << 16

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class Reserve:
    """A file that is good for nothing but to be cut shorter when the disk is full."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def fill(self) -> None:
        """Makes it whole, or takes up a left one, and sees that the disk has more room than that.

        Raises OSError, and then it holds what it held before.
        """
        if self._descriptor < 0:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.fchmod(self._descriptor, 0o600)
        held = at = min(os.fstat(self._descriptor).st_size, SIZE)
        try:
            os.lseek(self._descriptor, held, os.SEEK_SET)
            while at < SIZE + _PIECE:
                # Zeros would take no room where the file system compresses or leaves holes.
                at += os.write(self._descriptor, os.urandom(min(_PIECE, SIZE + _PIECE - at)))
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, held)
            raise
        os.ftruncate(self._descriptor, SIZE)

    def give(self) -> bool:
        """Gives a piece of it to the disk; False once there is none. Raises OSError.

        Not all at once: whoever else fills this disk would take it before us.
        """
        held = os.fstat(self._descriptor).st_size if self._descriptor >= 0 else 0
        if not held:
            return False
        os.ftruncate(self._descriptor, max(0, held - _PIECE))
        # A journalling file system has the room only once the cut is on the disk.
        os.fsync(self._descriptor)
        return True

    def remove(self) -> None:
        """Gives all of it back. Raises OSError."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self.path.unlink(missing_ok=True)
