"""One driver per framework, each run by the Python of an environment of its own. See `bench.peers.harness`."""
