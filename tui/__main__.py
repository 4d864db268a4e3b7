"""``python -m tui`` and the command ``lockstep``."""

import os
import sys


def main() -> None:
    """Runs the command line; the process ends with its exit code."""
    from tui.cli import run

    code = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            # A terminal that is gone: the interpreter would flush once more and end with 120 instead of our code.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


if __name__ == "__main__":
    main()
