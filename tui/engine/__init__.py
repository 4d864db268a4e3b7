"""Makes it happen: runner, ledger, journal, guard, sampler. Knows no screen."""
