"""What it costs to take the literals out of queries, against showing them whole.

``python tests/bench/redact.py`` prints the CPU microseconds of one query, new or seen before, and how many times longer
a text of ten times the length takes: 10 is linear.
"""

import time
from collections.abc import Callable
from functools import partial

from tui.postgres.decode import Text, query_text
from tui.postgres.redact import redact

USUAL = (
    "SELECT a.id, a.name, b.total FROM accounts a JOIN bills b ON b.account_id = a.id WHERE a.email = 'somebody@x.org' "
    "AND b.total > 12.50 AND a.created_at > '2026-01-01' ORDER BY a.name LIMIT 50"
)
QUERIES = {
    "usual": USUAL,
    "2,000 bytes of rows": ("INSERT INTO t VALUES " + ", ".join(f"({n}, 'value {n}', {n}.5)" for n in range(90)))[
        :2000
    ],
    "2,000 bytes of names": ("SELECT " + ", ".join(f"t.column_{n}" for n in range(200)))[:2000],
}
WORST = ["'a' ", "'a'\n", "E'\\'' ", "/*a*/ ", "--\n", "$a$ ", '"a" ', "1 ", "\\'", "(", "/*"]
LENGTH = 100_000


def micros(run: Callable[[], object], times: int) -> float:
    """CPU microseconds of one run, the best of five rounds."""
    found = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(times):
            run()
        found.append((time.process_time() - began) / times * 1e6)
    return min(found)


def main() -> None:
    for name, sql in QUERIES.items():
        whole, redacted = (micros(partial(query_text, sql, redacted=redacted), 500) for redacted in (False, True))
        text = Text("utf-8", redacted=True)
        again = micros(partial(text.lines, sql.encode()), 5000)
        ratio = redacted / whole
        print(f"{name}: whole {whole:.1f} µs, redacted {redacted:.1f} µs ({ratio:.1f} times), again {again:.2f} µs")
    for piece in WORST:
        short, long = (piece * (length // len(piece)) for length in (LENGTH // 10, LENGTH))
        ratio = micros(partial(redact, long), 1) / micros(partial(redact, short), 10)
        print(f"{LENGTH:,} characters of {piece!r}: {ratio:.1f} times as long as a tenth of them")


if __name__ == "__main__":
    main()
