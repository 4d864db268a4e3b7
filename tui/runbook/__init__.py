"""What should happen: the runbook, read from files and from nothing else."""
