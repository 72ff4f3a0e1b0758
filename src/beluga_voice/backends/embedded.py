"""The default platform: this process. No keys, no network, no other program.

Silero VAD, pocketsphinx, hibari and the turn core; sessions reach people by WebRTC, WebSocket, a local microphone
or by hand.
"""

from __future__ import annotations

from beluga_voice.backends.base import Backend
from beluga_voice.config import Config, Settings
from beluga_voice.errors import ConfigError
from beluga_voice.interfaces import Capabilities

__all__ = ["CAPABILITIES", "EmbeddedBackend", "SettingsModel", "create"]

CAPABILITIES = Capabilities(
    s2s=True,
    multi_user=False,
    session_persistence=True,
    min_latency=0.3,
    supported_codecs=("pcm", "opus"),
)


class SettingsModel(Settings):
    """``provider_config`` of the embedded backend: it has none; the parts have their own ``…_config``."""


class EmbeddedBackend(Backend):
    """Everything in this process."""

    def __init__(self, config: Config) -> None:
        SettingsModel(**config.provider_config)
        super().__init__("embedded", config, CAPABILITIES)


def create(config: Config) -> EmbeddedBackend:
    """Makes the backend.

    Raises:
        ConfigError: ``invalid_config`` if ``config`` is not a `Config`.
    """
    if not isinstance(config, Config):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(
            "new_backend", "invalid_config", "pass a beluga_voice.Config, e.g. Config(provider='embedded')"
        )
    return EmbeddedBackend(config)
