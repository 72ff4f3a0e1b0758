"""Where ``livekit-server`` is, and how to build the version this package is tested with.

The build needs Go 1.21 or newer and the Go module proxy; ``livekit_module/`` pins the server and everything in it by
checksum. `scripts/livekit` of the repository uses the same files.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from beluga_voice.errors import BackendError, ConfigError, ConnectError

__all__ = ["build_livekit_server", "cached_livekit_server", "find_livekit_server", "user_cache"]

PACKAGE = "github.com/livekit/livekit-server/cmd/server"
_INSTALL = (
    "install one (https://docs.livekit.io/home/self-hosting/local/), or Go 1.21 or newer (https://go.dev/dl/) to have "
    "it built, or set LIVEKIT_SERVER to its path"
)
_BUILD_DEADLINE = 1800.0
_CHECKOUT = Path(__file__).parents[3] / ".cache" / "livekit"  # where scripts/livekit puts it
_OTHER_PLACES = ("/usr/local/go/bin/go",)  # go.dev's installer, which leaves PATH alone


def find_livekit_server() -> Path:
    """The program: ``LIVEKIT_SERVER``, one on the PATH, or one that was built here before.

    Raises:
        ConfigError: ``invalid_config`` with what to do, if there is none.
    """
    named = os.environ.get("LIVEKIT_SERVER")
    if named:
        if not os.access(named, os.X_OK) or not Path(named).is_file():
            raise _no_server(f"LIVEKIT_SERVER={named} is no program")
        return Path(named)
    installed = shutil.which("livekit-server")
    if installed:
        return Path(installed)
    for built in (_CHECKOUT / _name(), cached_livekit_server()):
        if os.access(built, os.X_OK):
            return built
    raise _no_server(f"no livekit-server found: run `beluga-voice livekit dev`, {_INSTALL}")


def cached_livekit_server() -> Path:
    """Where `build_livekit_server` puts the program of this user, there or not."""
    return user_cache() / "livekit" / _name()


def user_cache() -> Path:
    """This user's folder for what can be made again."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "beluga-voice"


async def build_livekit_server(progress: Callable[[str, int, int], None]) -> Path:
    """Builds the pinned server with the Go of this machine into the user's cache and returns the program.

    Takes about two minutes on two cores, once the modules (100 MB) are there.

    Args:
        progress: called with what is being done (``"downloading"``, ``"compiling"``), how many packages are done and
            how many there are (0 while that is not known).

    Raises:
        ConfigError: ``invalid_config`` with what to install, if Go is missing or too old.
        ConnectError: ``connection_failed`` if a download or the compiler fails, with the last line it said.
    """
    go = await _find_go()
    target = cached_livekit_server()
    target.parent.mkdir(parents=True, exist_ok=True)
    # A copy, because Go writes beside go.mod and the package may be in a folder that is not ours.
    with tempfile.TemporaryDirectory() as folder:
        for name in ("go.mod", "go.sum"):
            (Path(folder) / name).write_text(_module(name), encoding="utf-8")
        progress("downloading", 0, 0)
        total = len(await _run(go, folder, "list", "-deps", PACKAGE))
        done = 0

        def compiled(_: str) -> None:
            nonlocal done
            done += 1
            progress("compiling", min(done, total), total)

        progress("compiling", 0, total)
        made = Path(folder) / target.name
        await _run(
            go, folder, "build", "-v", "-trimpath", "-ldflags", "-s -w", "-o", made, PACKAGE, line=compiled
        )
        # Two builders may finish together: each moves a whole file into place.
        arrived = target.with_suffix(f".{os.getpid()}")
        await asyncio.to_thread(shutil.move, made, arrived)
        arrived.replace(target)
    return target


async def _find_go() -> Path:
    seen = ""
    for candidate in (shutil.which("go"), *_OTHER_PLACES):
        if candidate and os.access(candidate, os.X_OK):
            said = await _run(Path(candidate), tempfile.gettempdir(), "env", "GOVERSION", toolchain="local")
            version = re.match(r"go1\.(\d+)", said[0] if said else "")
            if version and int(version[1]) >= 21:
                return Path(candidate)
            seen = f"{candidate} is {said[0] if said else 'broken'}, too old to build livekit-server"
    raise _no_server(f"{seen or 'neither livekit-server nor Go is here'}: {_INSTALL}")


async def _run(
    go: Path,
    folder: str,
    *words: str | Path,
    line: Callable[[str], None] | None = None,
    toolchain: str = "auto",
) -> list[str]:
    """The lines ``go …`` prints; those of standard error go to ``line`` as they come.

    ``toolchain="auto"`` lets Go 1.21 and later fetch the version that go.mod asks for.
    """
    process = await asyncio.create_subprocess_exec(
        go,
        *words,
        cwd=folder,
        env={**os.environ, "GOFLAGS": "", "GOWORK": "off", "GOTOOLCHAIN": toolchain, "CGO_ENABLED": "0"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    last = ""

    async def listen(reader: asyncio.StreamReader) -> None:
        nonlocal last
        async for raw in reader:
            last = raw.decode(errors="replace").strip()
            if line is not None:
                line(last)

    try:
        async with asyncio.timeout(_BUILD_DEADLINE):
            out, _ = await asyncio.gather(process.stdout.read(), listen(process.stderr))
            status = await process.wait()
    except TimeoutError as error:
        raise _build_failed(f"not finished in {_BUILD_DEADLINE:g} s") from error
    finally:
        await _end(process)
    if status:
        raise _build_failed(f"go {words[0]} failed: {last[:300]}")
    return out.decode(errors="replace").split()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Go takes its temporary files away when it is interrupted, not when it is killed."""
    gently = signal.SIGTERM if sys.platform == "win32" else signal.SIGINT
    for send in (lambda: process.send_signal(gently), process.kill):
        if process.returncode is not None:
            return
        send()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 5.0)


def _name() -> str:
    """The program's file name, with the version that go.mod pins."""
    found = re.search(r"github\.com/livekit/livekit-server v(\S+)", _module("go.mod"))
    return f"livekit-server-{found[1] if found else 'unknown'}" + (".exe" if sys.platform == "win32" else "")


def _module(file: str) -> str:
    return files("beluga_voice.testing").joinpath("livekit_module", file).read_text(encoding="utf-8")


def _no_server(message: str) -> BackendError:
    return ConfigError("find_livekit_server", "invalid_config", message)


def _build_failed(message: str) -> BackendError:
    return ConnectError("build_livekit_server", "connection_failed", message)
