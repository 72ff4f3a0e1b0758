"""LiveKit's own browser library, found or fetched once, so that the page can be served with it."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path

from beluga_voice.errors import ConfigError

__all__ = ["CLIENT_VERSION", "find_livekit_client"]

log = logging.getLogger(__name__)

CLIENT_VERSION = "2.23.0"
_FILE = "livekit-client.esm.mjs"
_FETCH_DEADLINE = 60.0


@cache
def _cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "beluga-voice"


async def find_livekit_client() -> Path:
    """LiveKit's browser library (Apache-2.0): ``LIVEKIT_CLIENT_JS``, ``node_modules`` here, or fetched once with npm.

    Raises:
        ConfigError: ``invalid_config`` with what to install, if it cannot be had.
    """
    cached = _cache_dir() / f"livekit-client-{CLIENT_VERSION}.mjs"
    named = os.environ.get("LIVEKIT_CLIENT_JS")
    installed = Path("node_modules/livekit-client/dist") / _FILE
    for candidate in (Path(named) if named else None, installed, cached):
        if candidate is not None and candidate.is_file():
            return candidate
    if shutil.which("npm"):
        try:
            return await asyncio.to_thread(_fetch, cached)
        except (OSError, subprocess.SubprocessError, tarfile.TarError, KeyError) as error:
            log.warning("npm could not fetch livekit-client: %s", type(error).__name__)
    raise ConfigError(
        "livekit_client",
        "invalid_config",
        "LiveKit's browser library is missing: run `npm install livekit-client` in this folder, or set "
        f"LIVEKIT_CLIENT_JS to its dist/{_FILE}",
    )


def _fetch(target: Path) -> Path:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "npm",
            "pack",
            f"livekit-client@{CLIENT_VERSION}",
            "--silent",
            "--pack-destination",
            folder,
        ]
        subprocess.run(
            command,
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=_FETCH_DEADLINE,
            stdin=subprocess.DEVNULL,
        )
        package = next(Path(folder).glob("*.tgz"))
        with tarfile.open(package) as archive:
            file = archive.extractfile(f"package/dist/{_FILE}")
            if file is None:
                raise KeyError(_FILE)
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_suffix(".tmp")
            partial.write_bytes(file.read())
    partial.replace(target)
    return target
