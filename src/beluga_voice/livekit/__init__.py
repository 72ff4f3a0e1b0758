"""LiveKit as a platform: tokens, server APIs and webhooks. Audio is in `beluga_voice.transports.livekit`.

Names are loaded when first used; without the extra that is a ``missing_extra`` error with the install command.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOMES = {
    "beluga_voice.livekit.client": ("LiveKitApi",),
    "beluga_voice.livekit.records": (
        "AgentJob",
        "AgentRequest",
        "DispatchInfo",
        "ParticipantInfo",
        "Permissions",
        "RoomInfo",
        "TrackInfo",
    ),
    "beluga_voice.livekit.sip_records": ("DispatchRule", "InboundTrunk", "OutboundTrunk", "SipCall"),
    "beluga_voice.livekit.tokens": ("ApiKey", "RoomSettings", "agent_token", "check_token", "room_token"),
    "beluga_voice.livekit.webhook_endpoint": ("livekit_webhook_endpoint",),
    "beluga_voice.livekit.webhook_events": (
        "AgentJobEvent",
        "EgressEvent",
        "IngressEvent",
        "ParticipantEvent",
        "RoomEvent",
        "TrackEvent",
        "WebhookEvent",
    ),
    "beluga_voice.livekit.webhooks": ("WebhookReceiver",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AgentJob",
    "AgentJobEvent",
    "AgentRequest",
    "ApiKey",
    "DispatchInfo",
    "DispatchRule",
    "EgressEvent",
    "InboundTrunk",
    "IngressEvent",
    "LiveKitApi",
    "OutboundTrunk",
    "ParticipantEvent",
    "ParticipantInfo",
    "Permissions",
    "RoomEvent",
    "RoomInfo",
    "RoomSettings",
    "SipCall",
    "TrackEvent",
    "TrackInfo",
    "WebhookEvent",
    "WebhookReceiver",
    "agent_token",
    "check_token",
    "livekit_webhook_endpoint",
    "room_token",
]

if TYPE_CHECKING:
    from beluga_voice.livekit.client import LiveKitApi
    from beluga_voice.livekit.records import (
        AgentJob,
        AgentRequest,
        DispatchInfo,
        ParticipantInfo,
        Permissions,
        RoomInfo,
        TrackInfo,
    )
    from beluga_voice.livekit.sip_records import DispatchRule, InboundTrunk, OutboundTrunk, SipCall
    from beluga_voice.livekit.tokens import ApiKey, RoomSettings, agent_token, check_token, room_token
    from beluga_voice.livekit.webhook_endpoint import livekit_webhook_endpoint
    from beluga_voice.livekit.webhook_events import (
        AgentJobEvent,
        EgressEvent,
        IngressEvent,
        ParticipantEvent,
        RoomEvent,
        TrackEvent,
        WebhookEvent,
    )
    from beluga_voice.livekit.webhooks import WebhookReceiver


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'beluga_voice.livekit' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
