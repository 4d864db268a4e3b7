"""A run without a screen: the same acts, in the order in which an operator would do them."""

from .gates import ENDS, LATE
from .run import Run
from .state import NextAct, VerificationStatus
from .work import GateClosed

FAILED = 1
"""The exit code where a step or a verification failed."""


async def tick(run: Run, items: tuple[str, ...], everything: bool) -> None:
    """Ticks these human items and runs these commands; ``everything``: all that gate a step.

    Raises KeyError for an unknown id.
    """
    for wanted in items:
        run.state.item(wanted)
    for item in run.state.items:
        plan = item.plan
        if plan.by == "probe" or item.done or not (plan.id in items or (everything and plan.phase != "after")):
            continue
        if plan.by == "human":
            await run.tick(plan.id, True)
        else:
            await run.probe(plan.id)


async def accept_changes(run: Run, reason: str) -> None:
    """Goes past every file that changed after it was applied. ValueError without a reason."""
    changed = run.state.unaccepted_changes
    if changed:
        await run.override(tuple(change.id for change in changed), reason)


async def run_to(run: Run, last: str | None, *, reason: str | None = None) -> int:
    """Goes on until this step (None: the end) is applied and verified. Raises GateClosed.

    ``reason`` is why to go on past the moment by which going back would still fit into the window, and into a step
    after which there is no way back.
    """
    failed = [v.plan.id for v in run.state.due if v.status is VerificationStatus.FAILED]
    if failed:
        # Whoever starts again after a red verification has mended something: it is asked anew.
        await run.verify(*failed)
    while True:
        act = run.state.next_act()
        if act.kind in ("finished", "resolve"):
            return run.state.exit_code
        if act.kind == "busy":
            # Nobody is at work but us: something ended without its word, and going round would never end.
            return run.state.exit_code or FAILED
        if act.kind == "run_step" and last is not None and last in run.state.applied:
            return run.state.exit_code
        if act.kind == "confirm_production":
            raise GateClosed(NextAct(act.kind, gates=("the production database's name is not confirmed",)))
        if any(v.status is VerificationStatus.FAILED for v in run.state.due):
            return FAILED
        before = run.state.applied
        try:
            await run.go_on()
        except GateClosed as closed:
            only_time = all(gate.startswith((LATE, ENDS)) for gate in closed.act.gate_ids)
            if reason is None or not closed.act.gate_ids or not only_time:
                raise
            await run.override(closed.act.gate_ids, reason)
            continue
        if (act.kind in ("run_step", "repair") and run.state.applied == before) or (
            act.kind == "run_verifications" and run.state.uncompared
        ):
            return run.state.exit_code or FAILED
