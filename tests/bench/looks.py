"""``lockstep`` as it is, but that it notes when each look at the server began and ended.

``python tests/bench/looks.py FILE ARGUMENT …`` writes a line of two monotonic moments in seconds for each look.
"""

import sys
import time
from pathlib import Path
from typing import Any

from tui.__main__ import main


def note(path: Path) -> None:
    # Only here: the program's own start imports it when it needs it.
    from tui.postgres.monitor import Monitor
    from tui.postgres.rows import Look

    file = path.open("a", buffering=1)
    look = Monitor.look

    async def noted(self: Monitor, *given: Any, **named: Any) -> Look:
        began = time.monotonic()
        found = await look(self, *given, **named)
        file.write(f"{began:.6f} {time.monotonic():.6f}\n")
        return found

    Monitor.look = noted  # type: ignore[method-assign]


if __name__ == "__main__":
    note(Path(sys.argv[1]))
    del sys.argv[1]
    main()
