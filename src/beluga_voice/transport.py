"""Makes transports by name."""

from __future__ import annotations

from beluga_voice.config import TransportConfig
from beluga_voice.interfaces import Transport
from beluga_voice.registry import registry_for

__all__ = ["names", "new"]


def new(name: str, config: TransportConfig) -> Transport:
    """Makes the transport ``name``; nothing is connected before its first ``recv`` or ``send``.

    Raises:
        ConfigError: ``provider_not_found``, ``missing_extra`` or ``invalid_config``.
    """
    made: Transport = registry_for("transport").create(name, config)
    return made


def names() -> list[str]:
    """All transports that can be made, sorted."""
    return registry_for("transport").names()
