"""Ours and the peers side by side: the same speech, the same fakes, one run. `scripts/bench` is this."""
