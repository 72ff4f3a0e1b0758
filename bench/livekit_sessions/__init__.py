"""Many sessions over a real LiveKit server, ours and livekit-agents side by side: `scripts/bench livekit`."""
