"""``python -m tui`` and the command ``lockstep``."""

import sys


def main() -> None:
    """Runs the command line; the process ends with its exit code."""
    from tui.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
