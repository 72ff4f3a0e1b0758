"""From a name to an object: one literal table of what is built in, and entry points for the rest.

Nothing is imported until it is asked for by name, so a broken plug-in breaks only itself and start-up stays
fast. Third parties add entry points in the groups ``beluga_voice.<kind>`` with the value
``package.module:factory``; a name that is built in cannot be taken by a plug-in.

A factory takes a `Config` (backends), a `TransportConfig` (transports) or a mapping of settings (the rest).
Beside the factory its module may have ``CAPABILITIES`` (a `Capabilities`) and ``SettingsModel`` (a
`beluga_voice.config.Settings` class), which the registry reads without creating anything.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from pydantic import BaseModel

from beluga_voice.errors import BackendError, ConfigError, missing_extra
from beluga_voice.interfaces import Capabilities

__all__ = ["KINDS", "Registry", "get_registry", "registry_for"]

_P = "beluga_voice.providers"
_BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "backend": {
        "embedded": "beluga_voice.backends.embedded:create",
        "livekit": "beluga_voice.backends.livekit:create",
    },
    "transport": {
        "livekit": "beluga_voice.transports.livekit:create",
        "local": "beluga_voice.transports.local:create",
        "memory": "beluga_voice.transports.memory:create",
        "webrtc": "beluga_voice.transports.webrtc:create",
        "websocket": "beluga_voice.transports.websocket:create",
    },
    "stt": {"pocketsphinx": f"{_P}.stt.pocketsphinx:create"},
    "tts": {"hibari": f"{_P}.tts.hibari:create"},
    "llm": {"openai": f"{_P}.llm.openai:create"},
    "s2s": {
        "nova_sonic": f"{_P}.s2s.nova_sonic:create",
        "openai_realtime": f"{_P}.s2s.openai_realtime:create",
        "scripted": "beluga_voice.testing.scripted_realtime:create",
    },
    "vad": {"energy": f"{_P}.vad.energy:create", "silero": f"{_P}.vad.silero:create"},
    "turn": {
        "melody": f"{_P}.turn.melody:create",
        "smart_turn": f"{_P}.turn.smart_turn:create",
    },
    "noise": {"webrtc_apm": f"{_P}.noise.webrtc_apm:create"},
    "store": {"memory": "beluga_voice.stores.memory:create"},
}
KINDS: tuple[str, ...] = tuple(_BUILT_IN)

# Modules that belong to an extra, so that a missing one can name its install command.
_EXTRAS: Mapping[str, str] = {
    "aiortc": "webrtc",
    "av": "webrtc",
    "httpx2": "llm",
    "mcp": "mcp",
    "sounddevice": "local",
    "livekit": "livekit",
    "aws_sdk_bedrock_runtime": "nova",
    "smithy_http": "nova",
    "awscrt": "nova",
}

Factory = Callable[[Any], Any]


class Registry:
    """The names of one kind of part.

    Args:
        kind: one of `KINDS`.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._factories: dict[str, Factory] = {}

    def register(self, name: str, factory: Factory, *, override: bool = False) -> None:
        """Adds a part of your own under ``name``.

        Raises:
            ConfigError: ``invalid_config`` if the name is empty or taken (and ``override`` is False), or the
                factory cannot be called.
        """
        if not name or not callable(factory):
            raise self._error("invalid_config", f"register needs a name and a callable, got {name!r}")
        if not override and (name in self._factories or name in _BUILT_IN[self.kind]):
            raise self._error("invalid_config", f"{name!r} is taken; pass override=True to replace it")
        self._factories[name] = factory

    def unregister(self, name: str) -> None:
        """Takes back a `register`; unknown names are fine."""
        self._factories.pop(name, None)

    def is_registered(self, name: str) -> bool:
        """Whether `create` would find ``name``."""
        return name in self._factories or name in _BUILT_IN[self.kind] or name in self._entry_points()

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted({*self._factories, *_BUILT_IN[self.kind], *self._entry_points()})

    def create(self, name: str, config: Any = None) -> Any:
        """Makes the part.

        Args:
            name: registered name.
            config: what its factory takes.

        Raises:
            ConfigError: ``provider_not_found``, ``missing_extra`` (with the install command) or
                ``invalid_config`` (with the field).
        """
        factory = self.factory(name)
        try:
            return factory({} if config is None else config)
        except BackendError:
            raise
        except ImportError as error:
            raise self._missing(name, error) from error

    def factory(self, name: str) -> Factory:
        """The factory behind ``name``; errors as in `create`."""
        if name in self._factories:
            return self._factories[name]
        target = _BUILT_IN[self.kind].get(name)
        if target is not None:
            module, attribute = target.split(":")
            try:
                return cast("Factory", getattr(importlib.import_module(module), attribute))
            except ImportError as error:
                raise self._missing(name, error) from error
        point = self._entry_points().get(name)
        if point is None:
            known = ", ".join(self.names()) or "none"
            raise self._error(
                "provider_not_found", f"voice {self.kind} provider '{name}' not found; registered: {known}"
            )
        try:
            return cast("Factory", point.load())
        except Exception as error:
            raise self._error(
                "invalid_config", f"plug-in {name!r} ({point.value}) could not be loaded: {error}"
            ) from error

    def capabilities(self, name: str) -> Capabilities:
        """What ``name`` can do, read from its module without creating it."""
        found = self._beside(name, "CAPABILITIES")
        return found if isinstance(found, Capabilities) else Capabilities()

    def config_schema(self, name: str) -> dict[str, Any]:
        """JSON Schema of the settings of ``name``; an empty object schema if it takes none."""
        model = self._beside(name, "SettingsModel")
        if isinstance(model, type) and issubclass(model, BaseModel):
            return model.model_json_schema()
        return {"type": "object", "properties": {}}

    def _beside(self, name: str, attribute: str) -> Any:
        factory = self.factory(name)
        found = getattr(factory, attribute, None)
        if found is None and getattr(factory, "__module__", None):
            found = getattr(importlib.import_module(factory.__module__), attribute, None)
        return found

    def _entry_points(self) -> dict[str, EntryPoint]:
        points = entry_points(group=f"beluga_voice.{self.kind}")
        return {p.name: p for p in points if p.name not in _BUILT_IN[self.kind]}

    def _missing(self, name: str, error: ImportError) -> ConfigError:
        top = (error.name or "").split(".")[0]
        if top in _EXTRAS:
            return missing_extra(f"create_{self.kind}", f"{name} (module {top})", _EXTRAS[top])
        return self._error("invalid_config", f"{name!r} could not be imported: {error}")

    def _error(self, code: str, message: str) -> ConfigError:
        return ConfigError(f"{self.kind}_registry", code, message, {"kind": self.kind})


_registries: dict[str, Registry] = {kind: Registry(kind) for kind in KINDS}


def registry_for(kind: str) -> Registry:
    """The registry of one kind of part, one of `KINDS`."""
    return _registries[kind]


def get_registry() -> Registry:
    """The registry of backends."""
    return _registries["backend"]
