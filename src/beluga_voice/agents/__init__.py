"""Agents: instructions, tools and hand-offs."""
