"""``livekit dev`` and ``livekit token``: a server of your own, and ways into its rooms."""

from __future__ import annotations

import asyncio
import contextlib
import json as jsonlib
import os
import secrets
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from cyclopts import Parameter, validators
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from beluga_voice.errors import ConfigError, ConnectError
from beluga_voice.livekit import ApiKey, RoomSettings, room_token
from beluga_voice.testing.livekit_program import build_livekit_server, find_livekit_server, user_cache
from beluga_voice.testing.livekit_server import LiveKitServer

__all__ = ["dev", "token"]

Port = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65_535))]
Seconds = Annotated[float, Parameter(validator=validators.Number(gt=0))]

_DAY = 86_400.0


def dev(
    *,
    port: Port = 7880,
    room: str = "demo",
    identity: str = "visitor",
    agent: tuple[str, ...] = (),
    redis: str = "",
    webhook: str = "",
    json: bool = False,
) -> int:
    """Run a LiveKit server on this machine; Ctrl-C ends it.

    The program is LIVEKIT_SERVER, or livekit-server on the PATH, or one built before. Where there is none it is built
    with Go, once. It listens on 127.0.0.1 only. The secret stays the same from one run to the next.

    Args:
        port: of the API and of signalling; 0 chooses a free one.
        room: the room of the token that is printed.
        identity: the name of who joins with it.
        agent: a worker the token brings into the room; may be given several times.
        redis: host:port of a Redis server, which phone lines need.
        webhook: a URL that is told of rooms and participants.
        json: print one line of JSON when it is ready.
    """
    console = Console(stderr=json)

    async def main() -> None:
        program = await _program(console)
        server = _server(program, port, redis, webhook)
        async with server:
            link = _link(
                server.url, server.token(identity, room, ttl=_DAY, room_settings=RoomSettings(agent))
            )
            facts = {
                "url": server.url,
                "http_url": server.http_url,
                "api_key": server.api_key,
                "api_secret": server.api_secret,
                "room": room,
                "identity": identity,
                **link,
                "pid": server.pid,
                "program": str(program),
                "log": str(_log(port)),
            }
            _say(facts, console, as_json=json)
            await server.wait()
        raise ConnectError(
            "livekit_dev", "connection_failed", f"livekit-server ended by itself; see {_log(port)}"
        )

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
    return 0


def token(
    *,
    identity: str,
    room: str,
    name: str = "",
    ttl: Seconds = 3600.0,
    agent: tuple[str, ...] = (),
    metadata: str = "",
    listen_only: bool = False,
    admin: bool = False,
    json: bool = False,
) -> int:
    """Print a token to join a room; the key is LIVEKIT_API_KEY and LIVEKIT_API_SECRET, the server LIVEKIT_URL.

    Args:
        identity: who joins; unique in the room.
        room: its name.
        name: for people to read.
        ttl: seconds until it can no longer be used to join.
        agent: a worker it brings into the room, if it makes the room; may be given several times.
        metadata: free text others may read.
        listen_only: it allows neither sound nor messages.
        admin: it allows to mute and remove others.
        json: print JSON.
    """
    made = room_token(
        ApiKey.from_environment(),
        identity,
        room,
        name=name,
        metadata=metadata,
        ttl=ttl,
        room_settings=RoomSettings(agent) if agent else None,
        can_publish=not listen_only,
        can_publish_data=not listen_only,
        room_admin=admin,
    )
    url = os.environ.get("LIVEKIT_URL", "")
    link = _link(url, made)
    if json:
        facts = {"url": url, "room": room, "identity": identity, **link}
        sys.stdout.write(jsonlib.dumps(facts) + "\n")
        return 0
    sys.stdout.write(made + "\n")
    if url and sys.stdout.isatty():
        Console(stderr=True).print(f"\nIn a browser: {link['join_url']}", soft_wrap=True, highlight=False)
    return 0


async def _program(console: Console) -> Path:
    try:
        return find_livekit_server()
    except ConfigError:
        if os.environ.get("LIVEKIT_SERVER"):  # a wrong path is said, not built around
            raise
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task("looking for Go …", total=None)

        def progress(what: str, done: int, total: int) -> None:
            text = f"{what} livekit-server (about two minutes, once) …"
            shown.update(task, description=text, completed=done, total=total or None)

        program = await build_livekit_server(progress)
    console.print(f"built {program}", highlight=False, soft_wrap=True)
    return program


def _server(program: Path, port: int, redis: str, webhook: str) -> LiveKitServer:
    host, _, number = redis.rpartition(":")
    if redis and not (host and number.isdigit()):
        raise ConfigError("livekit_dev", "invalid_config", f"--redis {redis!r}: write host:port")
    if webhook and not webhook.startswith(("http://", "https://")):
        raise ConfigError(
            "livekit_dev", "invalid_config", f"--webhook {webhook!r}: write http://… or https://…"
        )
    log = _log(port)
    log.unlink(missing_ok=True)
    return LiveKitServer(program, port=port, api_secret=_secret(), redis=redis, webhook_url=webhook, log=log)


def _log(port: int) -> Path:
    folder = user_cache() / "livekit"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"dev-{port}.log"


def _secret() -> str:
    """The same at every start, so that what other terminals have exported stays right; only this user can read it."""
    path = user_cache() / "livekit" / "dev-secret"
    with contextlib.suppress(OSError):
        kept = path.read_text(encoding="ascii").strip()
        if len(kept) >= 32:
            return kept
    made = secrets.token_urlsafe(32)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(made + "\n")
    return made


def _link(url: str, made: str) -> dict[str, str]:
    """The token, and LiveKit's own page to try a room with it; the page talks to the server from your browser."""
    query = urlencode({"liveKitUrl": url, "token": made})
    return {"token": made, "join_url": f"https://meet.livekit.io/custom?{query}" if url else ""}


def _say(facts: dict[str, Any], console: Console, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(jsonlib.dumps(facts) + "\n")
        sys.stdout.flush()
        return
    table = Table.grid(padding=(0, 2))
    for name, value in (
        ("LIVEKIT_URL", facts["url"]),
        ("LIVEKIT_API_KEY", facts["api_key"]),
        ("LIVEKIT_API_SECRET", facts["api_secret"]),
        ("log", facts["log"]),
    ):
        table.add_row(f"[dim]{name}[/]", value)
    console.print(
        Panel(table, title="LiveKit server", subtitle="Ctrl-C ends", border_style="cyan", expand=False)
    )
    # Not in the panel: a frame would break what is to be copied.
    for line in (
        f"Join room [bold]{facts['room']}[/] as [bold]{facts['identity']}[/] in a browser:",
        f"[link={facts['join_url']}]{facts['join_url']}[/link]",
        "",
        "or with the token:",
        facts["token"],
    ):
        console.print(line, soft_wrap=True, highlight=False)
