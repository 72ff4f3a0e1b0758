"""Tools of servers that speak the Model Context Protocol, started as a process or reached over HTTP.

Needs the extra ``mcp``. Checked 2026-11 with the ``mcp`` SDK 2.3 (specification 2025-11-25 and 2026-07-28), over
stdio and streamable HTTP.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

from beluga_voice.agents.tools import RunnableTool, ToolOutcome
from beluga_voice.errors import BackendError, ConfigError, ConnectError, missing_extra
from beluga_voice.interfaces import Context, ToolSpec

__all__ = ["McpConnections", "McpServer"]

_log = logging.getLogger(__name__)

_MAX_TOOLS = 128  # more would cost a model its attention, and the answer its time
_MAX_RESULT = 16_000  # characters
_CLOSE_DEADLINE = 1.5  # seconds; a process that does not end by then is killed in the background
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_closing: set[asyncio.Task[None]] = set()


class McpServer:
    """A server whose tools an `Agent` has. One connection serves all sessions, while there are any.

    Args:
        command: program and arguments, for a server that is started here and talked to over its stdin and stdout.
        url: of a running server (streamable HTTP); exactly one of the two.
        env: variables for the process, besides a few harmless ones; it does not inherit the others.
        headers: for HTTP, e.g. ``{"Authorization": "Bearer …"}``.
        only: names of the tools to use; empty for all.
        timeout: seconds a tool may take.
        connect_timeout: seconds until the server must have told its tools.

    Raises:
        ConfigError: ``invalid_config`` for a wrong argument, ``missing_extra`` without the extra ``mcp``.
    """

    def __init__(
        self,
        command: Sequence[str] = (),
        *,
        url: str = "",
        env: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        only: Sequence[str] = (),
        timeout: float = 10.0,
        connect_timeout: float = 10.0,
    ) -> None:
        if isinstance(command, str) or bool(command) == bool(url):
            raise _refused("give command=[program, argument, …] or url='https://…', one of the two")
        if url and not url.startswith(("http://", "https://")):
            raise _refused(f"url={url!r} must be an http(s) URL")
        if timeout <= 0 or connect_timeout <= 0:
            raise _refused("timeout and connect_timeout must be above 0 seconds")
        if find_spec("mcp") is None:
            raise missing_extra("create_agent", "McpServer (module mcp)", "mcp")
        self.name = url or command[0]
        self._command, self._url = tuple(command), url
        self._env, self._headers = dict(env or {}), dict(headers or {})
        self._only = frozenset(only)
        self._timeout, self._connect_timeout = timeout, connect_timeout
        self._users = 0
        self._connection: _Connection | None = None
        self._connecting = asyncio.Lock()

    def __repr__(self) -> str:
        return f"McpServer({self.name!r})"

    async def open(self) -> list[RunnableTool]:
        """Connects, if nobody has, and returns the tools; pair with `close`.

        Raises:
            ConnectError: ``connection_failed`` or ``connection_timeout``.
        """
        connection = await self._connect()
        self._users += 1
        return [
            McpTool(self, spec, name)
            for spec, name in connection.tools
            if not self._only or name in self._only
        ]

    async def close(self) -> None:
        """Gives back one `open`; the last one disconnects, and ends the process."""
        self._users = max(0, self._users - 1)
        if self._users == 0 and self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolOutcome:
        """Calls a tool; a server that went away is connected again first."""
        try:
            connection = await self._connect()
            async with asyncio.timeout(self._timeout):
                result = await connection.client.call_tool(name, dict(arguments))
        except TimeoutError:
            return ToolOutcome(f"{name} took longer than {self._timeout:g} seconds.", failed=True)
        except BackendError as error:
            return ToolOutcome(f"{name} failed: {error.message}", failed=True)
        except Exception as error:
            if self._connection is not None and self._connection.lost(error):
                lost, self._connection = self._connection, None
                await lost.close()
            return ToolOutcome(f"{name} failed: {_first(error)}", failed=True)
        return ToolOutcome(_text(result)[:_MAX_RESULT], failed=bool(result.is_error))

    async def _connect(self) -> _Connection:
        async with self._connecting:
            if self._connection is None:
                connection = _Connection(self._client())
                try:
                    async with asyncio.timeout(self._connect_timeout):
                        await connection.opened()
                except TimeoutError as error:
                    await connection.close()
                    text = f"{self.name} did not tell its tools within {self._connect_timeout:g} s"
                    raise ConnectError("mcp", "connection_timeout", f"MCP server {text}") from error
                except asyncio.CancelledError:
                    await connection.close()
                    raise
                except Exception as error:
                    await connection.close()
                    raise ConnectError(
                        "mcp", "connection_failed", f"MCP server {self.name} cannot be used: {_first(error)}"
                    ) from error
                self._connection = connection
            return self._connection

    async def _client(self) -> tuple[AbstractAsyncContextManager[Any], AsyncExitStack]:
        """A client that is not connected yet, and what must be closed after it."""
        # None of it is imported before it is used, and the extra may be absent when types are checked.
        sdk: Any = await asyncio.get_running_loop().run_in_executor(None, import_module, "mcp")
        stack = AsyncExitStack()
        if self._command:
            program, *arguments = self._command
            return sdk.Client(
                sdk.StdioServerParameters(command=program, args=arguments, env=self._env)
            ), stack
        http: Any = import_module("httpx2")
        transport: Any = import_module("mcp.client.streamable_http")
        wait = http.Timeout(self._connect_timeout, read=300.0)  # a server may hold a response open
        client = await stack.enter_async_context(http.AsyncClient(headers=self._headers, timeout=wait))
        return sdk.Client(transport.streamable_http_client(self._url, http_client=client)), stack


class _Connection:
    """A connected client. The SDK wants to be entered and left by one task, so it has one of its own."""

    def __init__(self, making: Any) -> None:
        self.client: Any = None
        self.tools: list[tuple[ToolSpec, str]] = []
        self._making = making
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self._own(), name="mcp")

    async def opened(self) -> None:
        await asyncio.shield(self._ready)

    async def close(self) -> None:
        """Disconnects, within 1.5 s; what takes longer goes on behind."""
        self._stop.set()
        if not self._ready.done():
            self._task.cancel()
        _closing.add(self._task)
        self._task.add_done_callback(_closing.discard)
        await asyncio.wait({self._task}, timeout=_CLOSE_DEADLINE)
        if self._ready.done() and not self._ready.cancelled():
            self._ready.exception()  # it was raised where it mattered

    def lost(self, error: BaseException) -> bool:
        """Whether ``error`` means that the connection is gone."""
        code = getattr(getattr(error, "error", None), "code", None)
        return code == -32000 or type(error).__name__ in ("ClosedResourceError", "BrokenResourceError")

    async def _own(self) -> None:
        try:
            client, stack = await self._making
            async with stack, client as entered:
                self.tools = await _list_tools(entered)
                self.client = entered
                if not self._ready.done():
                    self._ready.set_result(None)
                await self._stop.wait()
        except asyncio.CancelledError:
            if not self._ready.done():
                self._ready.cancel()
            if not self._stop.is_set():
                raise
        except Exception as error:
            if not self._ready.done():
                self._ready.set_exception(error)
            else:
                _log.info("an MCP connection ended: %s", _first(error))


class McpTool:
    """A tool of a server, as a brain runs it."""

    def __init__(self, server: McpServer, spec: ToolSpec, name: str) -> None:
        self.spec = spec
        self._server = server
        self._name = name

    async def run(self, arguments: Mapping[str, Any], context: Context) -> ToolOutcome:
        """Calls the server; what goes wrong is told in the outcome."""
        return await self._server.call(self._name, arguments)


class McpConnections:
    """The servers one brain uses."""

    def __init__(self) -> None:
        self._tools: dict[int, list[RunnableTool]] = {}
        self._open: list[McpServer] = []
        self._lock = asyncio.Lock()

    async def start(self, servers: Sequence[McpServer]) -> None:
        """Opens all; raises the first failure."""
        for server in servers:
            await self._opened(server)

    async def tools(self, servers: Sequence[McpServer]) -> list[RunnableTool]:
        """The tools of all; a server that fails has none for the rest of the session."""
        out: list[RunnableTool] = []
        for server in servers:
            try:
                out += await self._opened(server)
            except BackendError as error:
                _log.warning("going on without the tools of %s: %s", server.name, error)
                self._tools[id(server)] = []
        return out

    async def close(self) -> None:
        """Gives all back."""
        async with self._lock:
            opened, self._open = self._open, []
            self._tools.clear()
        for server in opened:
            await server.close()

    async def _opened(self, server: McpServer) -> list[RunnableTool]:
        async with self._lock:
            if id(server) not in self._tools:
                tools = await server.open()
                self._open.append(server)
                self._tools[id(server)] = tools
            return self._tools[id(server)]


async def _list_tools(client: Any) -> list[tuple[ToolSpec, str]]:
    out: list[tuple[ToolSpec, str]] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        for tool in page.tools:
            name = str(tool.name)
            spec = ToolSpec(
                _NOT_IN_A_NAME.sub("_", name)[:64], str(tool.description or name), dict(tool.input_schema)
            )
            out.append((spec, name))
        cursor = page.next_cursor
        if not cursor or not page.tools:
            return out[:_MAX_TOOLS]
        if len(out) > _MAX_TOOLS:
            _log.warning("an MCP server has more than %d tools; the rest are not used", _MAX_TOOLS)
            return out[:_MAX_TOOLS]


def _text(result: Any) -> str:
    """What a model is told of a result: its texts, else its structured content, else what kind it is."""
    contents = cast("list[Any]", result.content or [])
    texts = [str(c.text) for c in contents if getattr(c, "type", "") == "text"]
    if texts:
        return "\n".join(texts)
    if result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return ", ".join(f"({getattr(c, 'type', 'content')})" for c in contents) or "done"


def _first(error: BaseException) -> str:
    """The words of the first error inside groups of them."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        error = group.exceptions[0]
    return str(error) or type(error).__name__


def _refused(message: str) -> ConfigError:
    return ConfigError("create_agent", "invalid_config", f"McpServer: {message}", {"fields": ["mcp_servers"]})
