"""``serve``: the server without the page, for your own clients."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, validators
from pydantic import SecretStr
from rich.console import Console

from beluga_voice.cli.json_lines import JsonLines
from beluga_voice.cli.loading import DEFAULT_AGENT, agent_factory, load_backend, started
from beluga_voice.config import SessionConfig
from beluga_voice.interfaces import Transport
from beluga_voice.observe.otlp import exported_if_asked
from beluga_voice.server.app import create_app
from beluga_voice.server.limits import Limits
from beluga_voice.server.run import loop_factory
from beluga_voice.server.run import serve as run_server

__all__ = ["serve"]

Port = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65_535))]

log = logging.getLogger("beluga_voice")


def serve(
    *,
    agent: str = DEFAULT_AGENT,
    port: Port = 8080,
    host: str = "0.0.0.0",
    provider: str | None = None,
    config: Path | None = None,
    max_sessions: int | None = None,
    allowed_origin: tuple[str, ...] = (),
    page: bool = False,
) -> int:
    """Serve conversations over WebRTC (POST /rtc/offer) and WebSocket (/ws); logs are JSON lines.

    Args:
        agent: who answers, as module:attribute.
        port: 0 chooses a free one.
        host: address to listen on.
        provider: the backend; embedded unless the configuration says otherwise.
        config: a YAML or TOML file.
        max_sessions: conversations at once.
        allowed_origin: a web origin whose pages may connect; may be given several times.
        page: also serve the demo page.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    make_agent = agent_factory(agent)

    def session_config(transport: Transport | None, token: str, metadata: Mapping[str, Any]) -> SessionConfig:
        return SessionConfig(
            user_id="visitor",
            transport=transport,
            token=SecretStr(token),
            metadata=dict(metadata),
            **make_agent(),
        )

    async def main() -> None:
        backend = load_backend(config, provider, max_concurrent_sessions=max_sessions)
        limits = Limits(max_connections=backend.config.max_concurrent_sessions or 10_000)
        async with started(backend, Console(stderr=True, quiet=True)):
            app = create_app(
                backend, session_config, limits=limits, allowed_origins=allowed_origin, static=page
            )
            await run_server(app, host, port, ready=lambda url: log.info("ready at %s", url))

    with (
        exported_if_asked(),
        contextlib.suppress(KeyboardInterrupt),
        asyncio.Runner(loop_factory=loop_factory()) as runner,
    ):
        runner.run(main())
    return 0
