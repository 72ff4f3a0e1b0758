"""Bytes to frames and back: how audio reaches a person."""
