"""Noise filters."""
