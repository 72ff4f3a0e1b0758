"""Remember sessions across a restart."""
