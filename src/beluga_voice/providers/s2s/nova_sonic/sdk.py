"""The vendor's SDK as a connection: one HTTP/2 stream, signed event by event."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from typing import Any

from beluga_voice.errors import BackendError, ConnectError
from beluga_voice.providers.s2s.nova_sonic.wire import error_for

__all__ = ["SdkClient", "SdkConnection"]

_LEAVE = 0.4


class SdkClient:
    """A client of Amazon Bedrock, shared by all sessions.

    Args:
        region: of AWS.
        endpoint: another URL than the region's.
        ca_file: certificates to trust instead of the system's.
        credentials: access key id, secret and session token; empty for the usual chain.
    """

    def __init__(self, region: str, endpoint: str, ca_file: str, credentials: tuple[str, str, str]) -> None:
        self._region, self._endpoint, self._ca_file = region, endpoint, ca_file
        self._credentials = credentials
        self._client: Any = None
        self._opening = asyncio.Lock()

    async def connect(self, model: str, timeout: float) -> SdkConnection:
        """Opens a stream.

        Args:
            model: its id.
            timeout: seconds.

        Raises:
            BackendError: if the service refuses or cannot be reached.
        """
        runtime = importlib.import_module("aws_sdk_bedrock_runtime.models")
        operation = runtime.InvokeModelWithBidirectionalStreamOperationInput(model_id=model)
        try:
            async with asyncio.timeout(timeout):
                client = await self._open()
                stream = await client.invoke_model_with_bidirectional_stream(operation)
        except TimeoutError as error:
            message = f"nova_sonic: no stream within {timeout:g} s"
            raise ConnectError("open_s2s", "connection_timeout", message) from error
        except Exception as error:
            raise translated(error, started=False) from error
        return SdkConnection(stream, runtime)

    async def _open(self) -> Any:
        async with self._opening:
            if self._client is None:
                package = importlib.import_module("aws_sdk_bedrock_runtime.client")
                config = importlib.import_module("aws_sdk_bedrock_runtime.config")
                crt = importlib.import_module("smithy_http.aio.crt")
                transport = crt.AWSCRTHTTPClient()
                if self._ca_file:
                    io = importlib.import_module("awscrt.io")
                    options = io.TlsContextOptions()
                    options.override_default_trust_store_from_path(None, self._ca_file)
                    # The SDK (0.12) has no public way to trust other certificates.
                    transport._tls_ctx = io.ClientTlsContext(options)
                values: dict[str, Any] = {"region": self._region, "transport": transport}
                if self._endpoint:
                    values["endpoint_uri"] = self._endpoint
                key, secret, token = self._credentials
                if key:
                    values |= {"aws_access_key_id": key, "aws_secret_access_key": secret}
                    if token:
                        values["aws_session_token"] = token
                resolved = await config.AsyncBedrockRuntimeConfig.resolve(**values)
                self._client = package.AsyncBedrockRuntimeClient(config=resolved)
            return self._client


class SdkConnection:
    """A `beluga_voice.providers.s2s.nova_sonic.stream.NovaConnection`."""

    def __init__(self, stream: Any, runtime: Any) -> None:
        self._stream = stream
        self._runtime = runtime
        self._output: Any = None
        self._opening: asyncio.Future[Any] | None = None
        self._reading: asyncio.Future[Any] | None = None
        self._started = False

    async def send(self, data: bytes) -> None:
        """Sends one event.

        Raises:
            BackendError: if the stream has ended.
        """
        part = self._runtime.BidirectionalInputPayloadPart(bytes_=data)
        chunk = self._runtime.InvokeModelWithBidirectionalStreamInputChunk(value=part)
        try:
            await self._stream.input_stream.send(chunk)
        except Exception as error:
            raise translated(error, started=True) from error

    async def receive(self) -> bytes | None:
        """The next event; None at the end.

        Raises:
            BackendError: what the service says.
        """
        await self._opened(None)
        # The SDK (0.12) fails in a callback when a read is cancelled, so one is only ever abandoned.
        reading = self._reading
        if reading is None:
            reading = self._reading = asyncio.ensure_future(self._output.receive())
        try:
            event = await asyncio.shield(reading)
        except Exception as error:
            self._reading = None
            raise translated(error, started=self._started) from error
        self._reading = None
        if event is None:
            return None
        self._started = True
        return bytes(event.value.bytes_)

    async def ready(self, patience: float) -> None:
        """Waits a little whether the service refuses; it may say nothing until it has heard something.

        Raises:
            BackendError: what it says.
        """
        await self._opened(patience)

    async def _opened(self, patience: float | None) -> None:
        if self._output is not None:
            return
        opening = self._opening
        if opening is None:
            opening = self._opening = asyncio.ensure_future(self._stream.await_output())
        done, _ = await asyncio.wait({opening}, timeout=patience)
        if not done:
            return
        try:
            _, self._output = opening.result()
        except Exception as error:
            raise translated(error, started=False) from error

    async def close(self) -> None:
        """Ends our direction, and waits a little for the service to end its own."""
        with contextlib.suppress(Exception):
            await self._stream.input_stream.close()
        left = {f for f in (self._reading, self._opening) if f is not None and not f.done()}
        if left:
            _, left = await asyncio.wait(left, timeout=_LEAVE)
        for future in left:
            future.cancel()
        with contextlib.suppress(Exception):
            if self._output is not None:
                await self._output.close()


def translated(error: Exception, *, started: bool) -> BackendError:
    """One of ours for one of the SDK's."""
    if isinstance(error, BackendError):
        return error
    name = str(getattr(error, "code", "") or type(error).__name__)
    return error_for(name, str(getattr(error, "message", "") or error), started=started)
