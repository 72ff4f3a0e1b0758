"""Performs what the turn core decides: owns the tasks, the bounded channels and the providers' streams."""
