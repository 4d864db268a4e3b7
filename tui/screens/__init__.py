"""What the operator sees, one screen a file."""
