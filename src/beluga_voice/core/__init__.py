"""Decides: no clock, no waiting, no chance, no I/O. Time is an argument, effects are commands."""
