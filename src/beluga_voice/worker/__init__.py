"""Many sessions on many processes."""
