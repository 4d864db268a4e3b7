"""Who we are, and on which machine."""

import getpass
import os
import socket

from tui.postgres.rows import safe


def client() -> str:
    """This machine's name, as the record calls it."""
    return safe(socket.gethostname())


def login() -> str:
    """The user's name on this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user often has a number and no name.
        return f"uid {os.getuid()}"
