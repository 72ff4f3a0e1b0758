"""Whole voice platforms behind one interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beluga_voice.registry import get_registry

if TYPE_CHECKING:
    from beluga_voice.backends.base import Backend
    from beluga_voice.config import Config

__all__ = ["new_backend"]


def new_backend(name: str, config: Config) -> Backend:
    """Makes the backend ``name``; nothing is loaded or connected before its ``start``.

    Raises:
        ConfigError: ``provider_not_found`` (with the names there are), ``missing_extra`` or ``invalid_config``.
    """
    backend: Backend = get_registry().create(name, config)
    return backend
