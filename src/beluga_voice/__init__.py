"""Production voice agents: a backend makes sessions, a session joins a person and an agent.

Names are loaded when first used (PEP 562), so that importing the package costs little.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "beluga_voice.agents.agent": ("Agent",),
    "beluga_voice.agents.callback": ("speculable",),
    "beluga_voice.agents.tools": ("Tool", "tool"),
    "beluga_voice.backends": ("new_backend",),
    "beluga_voice.backends.base": ("Backend",),
    "beluga_voice.config": ("Config", "GroupConfig", "SessionConfig", "TransportConfig", "TurnConfig"),
    "beluga_voice.errors": (
        "AgentError",
        "AuthError",
        "BackendError",
        "CapacityError",
        "ConfigError",
        "ConnectError",
        "FormatError",
        "PipelineError",
        "SessionError",
    ),
    "beluga_voice.frames": ("AudioFrame",),
    "beluga_voice.hooks": ("AuthHook", "AuthResult", "DataRetentionHook", "RateLimiter", "TelephonyHook"),
    "beluga_voice.interfaces": (
        "Capabilities",
        "ChatDelta",
        "ChatMessage",
        "Context",
        "HealthStatus",
        "Participant",
        "UserTurn",
    ),
    "beluga_voice.registry": ("Registry", "get_registry", "registry_for"),
    "beluga_voice.session.floor": ("Candidate", "Floor", "FloorLine", "FloorTurn", "Moderator"),
    "beluga_voice.session.session": ("Session",),
    "beluga_voice.worker.context": ("JobContext",),
    "beluga_voice.worker.jobs": ("JobRequest",),
    "beluga_voice.worker.worker": ("Worker",),
}
_MODULES = ("events", "transport", "transports")
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Agent",
    "AgentError",
    "AudioFrame",
    "AuthError",
    "AuthHook",
    "AuthResult",
    "Backend",
    "BackendError",
    "Candidate",
    "Capabilities",
    "CapacityError",
    "ChatDelta",
    "ChatMessage",
    "Config",
    "ConfigError",
    "ConnectError",
    "Context",
    "DataRetentionHook",
    "Floor",
    "FloorLine",
    "FloorTurn",
    "FormatError",
    "GroupConfig",
    "HealthStatus",
    "JobContext",
    "JobRequest",
    "Moderator",
    "Participant",
    "PipelineError",
    "RateLimiter",
    "Registry",
    "Session",
    "SessionConfig",
    "SessionError",
    "TelephonyHook",
    "Tool",
    "TransportConfig",
    "TurnConfig",
    "UserTurn",
    "Worker",
    "__version__",
    "events",
    "get_registry",
    "new_backend",
    "registry_for",
    "speculable",
    "tool",
    "transport",
    "transports",
]

if TYPE_CHECKING:
    from beluga_voice import events, transport, transports
    from beluga_voice.agents.agent import Agent
    from beluga_voice.agents.callback import speculable
    from beluga_voice.agents.tools import Tool, tool
    from beluga_voice.backends import new_backend
    from beluga_voice.backends.base import Backend
    from beluga_voice.config import Config, GroupConfig, SessionConfig, TransportConfig, TurnConfig
    from beluga_voice.errors import (
        AgentError,
        AuthError,
        BackendError,
        CapacityError,
        ConfigError,
        ConnectError,
        FormatError,
        PipelineError,
        SessionError,
    )
    from beluga_voice.frames import AudioFrame
    from beluga_voice.hooks import AuthHook, AuthResult, DataRetentionHook, RateLimiter, TelephonyHook
    from beluga_voice.interfaces import (
        Capabilities,
        ChatDelta,
        ChatMessage,
        Context,
        HealthStatus,
        Participant,
        UserTurn,
    )
    from beluga_voice.registry import Registry, get_registry, registry_for
    from beluga_voice.session.floor import Candidate, Floor, FloorLine, FloorTurn, Moderator
    from beluga_voice.session.session import Session
    from beluga_voice.worker.context import JobContext
    from beluga_voice.worker.jobs import JobRequest
    from beluga_voice.worker.worker import Worker


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    elif name in _MODULES:
        value = import_module(f"beluga_voice.{name}")
    else:
        raise AttributeError(f"module 'beluga_voice' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
