"""Language models behind the OpenAI chat-completions API: OpenAI, Ollama, vLLM, llama.cpp and many others.

Checked 2026-11 with ``httpx2`` 2.16 against the API reference and with the ``openai`` SDK 3.52 as the other
side of our scripted server. A server of your own is a ``base_url`` and a ``model``, e.g.
``http://127.0.0.1:11434/v1`` for Ollama.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2
from pydantic import Field, SecretStr, field_validator

from beluga_voice.config import Settings
from beluga_voice.errors import BackendError, ConfigError, ConnectError, PipelineError
from beluga_voice.interfaces import ChatDelta, ChatMessage, ToolSpec
from beluga_voice.providers.llm.openai.stream import ChatAssembler, SseDecoder
from beluga_voice.providers.llm.openai.wire import encode_messages, encode_tools, error_for_status

__all__ = ["OpenAIChat", "SettingsModel", "create"]

_OPENAI = "https://api.openai.com/v1"
_MAX_ERROR_BODY = 16_384
_IDLE = 60.0  # seconds a connection is kept between turns; people pause for longer than the usual 5
_DRAIN = 0.25  # seconds
_BROKEN = (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError, httpx2.CloseError)


class SettingsModel(Settings):
    """Settings of an OpenAI-compatible model.

    Attributes:
        base_url: up to and without ``/chat/completions``.
        model: its name on that server; required.
        api_key: default: the variable ``OPENAI_API_KEY``, if ``base_url`` is OpenAI's.
        temperature: 0 to 2; None leaves it to the server.
        max_tokens: longest reply; None leaves it to the server.
        timeout: seconds to wait for the connection, the first token, and each further one.
        headers: more HTTP headers.
        extra_body: more fields of the request, e.g. ``{"reasoning_effort": "low"}``.
    """

    base_url: str = _OPENAI
    model: str = Field(min_length=1)
    api_key: SecretStr = SecretStr("")
    temperature: float | None = Field(default=None, ge=0.0, le=2.0)
    max_tokens: int | None = Field(default=None, ge=1)
    timeout: float = Field(default=30.0, gt=0.0, le=300.0)
    headers: dict[str, str] = Field(default_factory=dict[str, str], repr=False)
    extra_body: dict[str, Any] = Field(default_factory=dict[str, Any], repr=False)

    @field_validator("base_url")
    @classmethod
    def _url(cls, value: str) -> str:
        try:
            url = httpx2.URL(value)
        except httpx2.InvalidURL as error:
            raise ValueError(f"not a URL: {error}") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("must be an http(s) URL, e.g. 'http://127.0.0.1:11434/v1'")
        return value.rstrip("/").removesuffix("/chat/completions")


class OpenAIChat:
    """A `beluga_voice.interfaces.LLM`.

    Args:
        settings: which model, where.

    Raises:
        ConfigError: ``invalid_config`` if OpenAI's own API is meant and there is no key.
    """

    def __init__(self, settings: SettingsModel) -> None:
        key = settings.api_key.get_secret_value()
        own = settings.base_url == _OPENAI
        if own and not key:
            key = os.environ.get("OPENAI_API_KEY", "")
        if own and not key:
            raise ConfigError(
                "create_llm",
                "invalid_config",
                "openai: api_key is required for api.openai.com; set it in llm_config or as OPENAI_API_KEY",
                {"fields": ["api_key"]},
            )
        self._settings = settings
        self._url = f"{settings.base_url}/chat/completions"
        self._headers = {"accept": "text/event-stream", **settings.headers}
        if key:
            self._headers["authorization"] = f"Bearer {key}"
        self._length_field = "max_completion_tokens" if own else "max_tokens"
        self._client: httpx2.AsyncClient | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def chat(
        self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = ()
    ) -> AsyncIterator[ChatDelta]:
        """Streams the reply: text as it comes, then the tool calls; closing the iterator ends the request.

        Raises:
            AuthError: ``authentication_failed`` (401), ``authorization_failed`` (403).
            CapacityError: ``rate_limit_exceeded`` (429), with ``details["retry_after"]`` if the server says.
            ConnectError: ``connection_failed`` (unreachable, 5xx, cut off) or ``connection_timeout``.
            ConfigError: ``invalid_config`` (404: no such model or path).
            PipelineError: ``pipeline_error`` for an answer that is not a chat completion stream.
        """
        decoder, assembler = SseDecoder(), ChatAssembler()
        try:
            async with self._request(self._body(messages, tools)) as response:
                body = response.aiter_bytes()
                async for chunk in body:
                    for payload in decoder.feed(chunk):
                        if (delta := assembler.feed(payload)) is not None:
                            yield delta
                    if assembler.complete:
                        break
                for payload in () if assembler.complete else decoder.finish():
                    if (delta := assembler.feed(payload)) is not None:
                        yield delta
                if (delta := assembler.finish()) is not None:
                    yield delta
                await _drain(body)
        except httpx2.HTTPError as error:
            raise self._broken(error) from error

    async def close(self) -> None:
        """Closes all connections."""
        self._closed = True
        async with self._opening:
            client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _body(self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec]) -> dict[str, Any]:
        settings = self._settings
        body: dict[str, Any] = {
            "model": settings.model,
            "messages": encode_messages(messages),
            "stream": True,
        }
        if tools:
            body["tools"] = encode_tools(tools)
        if settings.temperature is not None:
            body["temperature"] = settings.temperature
        if settings.max_tokens is not None:
            body[self._length_field] = settings.max_tokens
        return {**body, **settings.extra_body}

    @asynccontextmanager
    async def _request(self, body: dict[str, Any]) -> AsyncGenerator[httpx2.Response, None]:
        client = await self._open()
        request = client.build_request("POST", self._url, json=body, headers=self._headers)
        try:
            response = await client.send(request, stream=True)
        except _BROKEN:
            # A kept connection may have died since the last turn; a chat request can be sent again.
            request = client.build_request("POST", self._url, json=body, headers=self._headers)
            response = await client.send(request, stream=True)
        try:
            if response.status_code != 200:
                raise await self._refused(response)
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind not in ("text/event-stream", ""):
                raise PipelineError(
                    "chat",
                    "pipeline_error",
                    f"llm: {self._url} answered with {kind[:60]!r} instead of a stream; check base_url",
                )
            yield response
        finally:
            await response.aclose()

    async def _refused(self, response: httpx2.Response) -> BackendError:
        body = b""
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > _MAX_ERROR_BODY:
                break
        # A server may quote what it was sent.
        secret = self._headers.get("authorization", "").removeprefix("Bearer ").encode()
        body = body.replace(secret, b"***") if secret else body
        return error_for_status(
            response.status_code, response.headers, body, model=self._settings.model, url=self._url
        )

    async def _open(self) -> httpx2.AsyncClient:
        async with self._opening:
            if self._closed:
                raise PipelineError("chat", "pipeline_error", "llm: the model was closed; make a new one")
            if self._client is None:
                verify: Any = False
                if self._url.startswith("https:"):
                    # Reads all certificates of the system.
                    loop = asyncio.get_running_loop()
                    verify = await loop.run_in_executor(None, httpx2.create_ssl_context)
                limits = httpx2.Limits(max_keepalive_connections=20, keepalive_expiry=_IDLE)
                self._client = httpx2.AsyncClient(
                    verify=verify, limits=limits, timeout=httpx2.Timeout(self._settings.timeout)
                )
            return self._client

    def _broken(self, error: httpx2.HTTPError) -> BackendError:
        if isinstance(error, httpx2.TimeoutException):
            text = f"llm: {self._url} did not answer within {self._settings.timeout:g} s"
            return ConnectError("chat", "connection_timeout", text)
        if isinstance(error, httpx2.DecodingError):
            return PipelineError("chat", "pipeline_error", f"llm: {self._url} sent a garbled body: {error}")
        text = f"llm: cannot reach {self._url}: {error or type(error).__name__}; is the server running?"
        return ConnectError("chat", "connection_failed", text)


async def _drain(body: AsyncIterator[bytes]) -> None:
    """Reads what follows a complete reply (a few bytes), so that the connection can be used again."""
    with suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(_DRAIN):
            async for _ in body:
                pass


def create(settings: Mapping[str, Any]) -> OpenAIChat:
    """Makes the model; the registry calls this with ``Config.llm_config``."""
    return OpenAIChat(SettingsModel(**settings))
