import asyncio
import psycopg
from runbooks import one, write
from tui.app import LockstepApp
from tui.engine.run import Run
from tui.postgres.session import Dsn
from tui.runbook.load import load_or_refuse
from tui.screens.held import HeldKey
from tui.widgets.frame import KeyBar

def dump(app, what):
    print("=====", what)
    rows = ["".join(s.text for s in strip).rstrip() for strip in app.screen._compositor.render_strips()]
    print("\n".join(r for r in rows if r.strip(" │")))

async def until(pilot, app, text):
    for _ in range(300):
        rows = "\n".join("".join(s.text for s in strip) for strip in app.screen._compositor.render_strips())
        if text in rows: return
        await pilot.pause(0.1)
    dump(app, "NOT SEEN "+text); assert False

async def test_it(tmp_path, database):
    with psycopg.connect(database, autocommit=True) as c:
        c.execute("CREATE TABLE t (a int primary key, b int, d int); INSERT INTO t SELECT n, n % 100000, NULL FROM generate_series(1, 200000) n")
    path = write(tmp_path / "small", {"1": "CREATE UNIQUE INDEX CONCURRENTLY u ON t (b)",
      "2": "CREATE TEMPORARY TABLE IF NOT EXISTS batch AS SELECT a FROM t WHERE d IS NULL;\nUPDATE t SET d = t.b FROM batch WHERE t.a = batch.a;"},
      {"1": "DROP INDEX u", "2": "SELECT 1"}, keys={"1": "transaction = false", "2": 'batch = { table = "t", key = "a", where = "d IS NULL", size = 500, target = "100ms", max_size = 2000 }'})
    rb, f = load_or_refuse(path)
    app = LockstepApp(Run(rb, Dsn(database), operator_name="dba1"), held=HeldKey(0.0))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, app, "Open the window")
        await pilot.press("enter")
        await until(pilot, app, "enter Run 1")
        await pilot.press("enter")
        await until(pilot, app, "enter Repair 1")
        dump(app, "leftover")
        with psycopg.connect(database, autocommit=True) as c:
            c.execute("UPDATE t SET b = a")
        await pilot.press("enter"); await until(pilot, app, "Repair and go on with 1?")
        dump(app, "dialog")
        await pilot.press("right"); await pilot.press("enter")
        await until(pilot, app, "enter Run 2")
        dump(app, "repaired")
        await pilot.press("enter")
        await until(pilot, app, "rows/s")
        await pilot.pause(1.5)
        dump(app, "batch")
        await pilot.press("p")
        await until(pilot, app, "p lets it go on")
        await pilot.pause(0.5)
        dump(app, "paused")
        await pilot.press("c"); await pilot.pause(0.3)
        dump(app, "cancel?")
        await pilot.press("right"); await pilot.press("enter")
        await until(pilot, app, "Go on with 2")
        dump(app, "cancelled")
        await pilot.press("p"); await pilot.pause(0.3); await pilot.press("enter")
        await until(pilot, app, "is done")
        dump(app, "done")
        await pilot.press("R"); await until(pilot, app, "Roll back to before")
        dump(app, "R")
        await pilot.press("escape"); await pilot.press("q"); await pilot.pause(0.5)
    print(app.return_code, app.failure)
