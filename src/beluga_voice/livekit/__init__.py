"""LiveKit as a platform: tokens, server APIs and webhooks. Audio is in `beluga_voice.transports.livekit`."""
