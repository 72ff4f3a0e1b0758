"""One conversation from start to stop."""
