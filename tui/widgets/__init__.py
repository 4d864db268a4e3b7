"""The parts of a screen, by region."""
