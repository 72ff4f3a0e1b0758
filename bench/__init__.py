"""Measures the embedded backend: ``scripts/bench``. Each file measures one thing, in a process of its own."""
