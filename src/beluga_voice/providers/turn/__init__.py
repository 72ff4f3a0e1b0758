"""Judges of complete turns."""
