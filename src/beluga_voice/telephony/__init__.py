"""Phone facts."""
