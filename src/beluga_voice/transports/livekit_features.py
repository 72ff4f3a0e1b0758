"""The room features every LiveKit transport has unless it is told otherwise."""

from __future__ import annotations

from beluga_voice.config import TransportConfig
from beluga_voice.transports.livekit_captions import Captions
from beluga_voice.transports.livekit_chat import Chat
from beluga_voice.transports.livekit_feature import RoomFeature
from beluga_voice.transports.livekit_preconnect import PreConnectAudio
from beluga_voice.transports.livekit_rpc import Rpc

__all__ = ["default_features"]


def default_features(config: TransportConfig) -> tuple[RoomFeature, ...]:
    """New features for one transport.

    Args:
        config: of the transport.
    """
    listens_to = str(config.extra.get("participant", "")) or None
    return Captions(listens_to), Chat(), Rpc(), PreConnectAudio()
