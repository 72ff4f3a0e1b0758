"""Takes the SDK's events where they belong, instead of showing every event to everybody.

The SDK's native side tells all rooms of a process through one callback; its Python side offers each event to every
stream and wakes every room for every answer, which is quadratic in the number of rooms (measured by
bench/livekit_transport.py). The router steps in before: audio goes straight to its stream, a room's events to that
room; everything else goes the SDK's own way. It uses names the SDK does not promise to keep; `router` checks
them, and tests/integration/test_livekit_router.py notices a change. Checked with livekit 1.2.0.
"""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import itertools
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from livekit import rtc
from livekit.rtc._ffi_client import FfiClient, FfiHandle
from livekit.rtc._proto import audio_frame_pb2, ffi_pb2

from beluga_voice.errors import ConfigError

__all__ = ["AudioTap", "Router", "router"]

# Answers to these are awaited through the room's own queue.
_FOR_ROOMS = frozenset({"publish_track", "unpublish_track", "rpc_method_invocation"})
# Answers to ours are awaited by number.
_ANSWERS = frozenset({"capture_audio_frame", "publish_data", "publish_sip_dtmf", "send_text"})
# Requests of ours are numbered far above the SDK's own.
_FIRST_REQUEST = 1 << 60
_FRAME_MS = 20
# Frames of 10 ms that wait inside the SDK while Python is busy; then the oldest goes.
_NATIVE_QUEUE = 50

# The SDK's threads abort the process if Python ends while they bring an event (1 exit of 7, measured). Registered
# before the SDK's own farewell, this runs after it, and lets them finish what they had begun.
atexit.register(time.sleep, 0.05)


class AudioTap:
    """Audio of one remote track, 20 ms at a time, until `close`.

    Args:
        track: subscribed to.
        sample_rate: wanted, in Hz.
        channels: wanted; a stereo track is mixed down for one.
        sink: called on the event loop with s16le samples.
    """

    def __init__(
        self, track: rtc.Track, sample_rate: int, channels: int, sink: Callable[[bytes], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._router = router()
        self.sink: Callable[[bytes], None] | None = sink
        request = ffi_pb2.FfiRequest()
        new = request.new_audio_stream
        new.track_handle = track._ffi_handle.handle  # pyright: ignore[reportPrivateUsage]
        new.type = audio_frame_pb2.AudioStreamType.AUDIO_STREAM_NATIVE
        new.sample_rate, new.num_channels = sample_rate, channels
        new.frame_size_ms, new.queue_size_frames = _FRAME_MS, _NATIVE_QUEUE
        self._handle = FfiHandle(FfiClient.instance.request(request).new_audio_stream.stream.handle.id)
        self._router.taps[self._handle.handle] = self

    @property
    def alive(self) -> bool:
        """Whether the SDK has not ended it."""
        return not self._handle.disposed

    def take(self, pcm: bytes) -> None:
        """A frame, on the SDK's thread."""
        self._router.hand_over(self._loop, self, pcm)

    def mute(self) -> None:
        """Nothing reaches the sink any more; for a track that has gone, whose audio the SDK is about to end."""
        self.sink = None

    def ended(self) -> None:
        """The SDK ended it, on the SDK's thread; its handle is gone with it."""
        self._handle.mark_consumed()
        self._router.taps.pop(self._handle.handle, None)

    def close(self) -> None:
        """Ends it; nothing reaches the sink afterwards."""
        self.sink = None
        self._handle.dispose()


class Router:
    """One per process, in place of the SDK's delivery."""

    def __init__(self, client: FfiClient) -> None:
        self._client = client
        queue = client.queue
        self._broadcast = queue.put
        self._lock = queue._lock  # pyright: ignore[reportPrivateUsage]
        self._unsubscribe = queue.unsubscribe
        self._rooms: dict[int, tuple[asyncio.AbstractEventLoop, Any]] = {}
        self._waiting: dict[int, Callable[[Any], None]] = {}
        self._frames: dict[asyncio.AbstractEventLoop, deque[tuple[AudioTap, bytes]]] = {}
        self._numbers = itertools.count(_FIRST_REQUEST)
        self.taps: dict[int, AudioTap] = {}
        queue.put = self._put  # pyright: ignore[reportAttributeAccessIssue]

    def own(self, room: rtc.Room) -> None:
        """Gives a connected room its own events only, until it ends."""
        queue: Any = room._ffi_queue  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType]
        handle = room._ffi_handle  # pyright: ignore[reportPrivateUsage]
        assert handle is not None
        number = handle.handle
        with self._lock:
            self._rooms[number] = asyncio.get_running_loop(), queue
            self._unsubscribe(queue)
        task: asyncio.Task[None] = room._task  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType]
        task.add_done_callback(lambda _: self._rooms.pop(number, None))

    @staticmethod
    def release(track: rtc.Track) -> None:
        """A track was unsubscribed: the SDK's native side drops its handle, and fails if Python does so too."""
        track._ffi_handle.mark_consumed()  # pyright: ignore[reportPrivateUsage]

    def capture(
        self,
        source: rtc.AudioSource,
        pcm: bytes,
        sample_rate: int,
        channels: int,
        done: Callable[[str], None],
    ) -> None:
        """Gives samples to a source; ``done`` is called on the SDK's thread when it took them, with an error or ""."""
        request = ffi_pb2.FfiRequest()
        capture = request.capture_audio_frame
        capture.source_handle = source._ffi_handle.handle  # pyright: ignore[reportPrivateUsage]
        # The samples must stay where they are until the answer.
        kept = ctypes.create_string_buffer(pcm, len(pcm))
        buffer = capture.buffer
        buffer.data_ptr = ctypes.addressof(kept)
        buffer.sample_rate, buffer.num_channels = sample_rate, channels
        buffer.samples_per_channel = len(pcm) // (2 * channels)

        def answered(answer: Any, kept: object = kept) -> None:
            done(answer.error)

        self.ask(request, capture, answered)

    def ask(self, request: ffi_pb2.FfiRequest, part: Any, answered: Callable[[Any], None]) -> int:
        """Makes a request of which ``part`` is filled in; ``answered`` gets the answer, on the SDK's thread.

        Returns:
            Its number, for `forget`.
        """
        part.request_async_id = number = next(self._numbers)
        self._waiting[number] = answered
        try:
            self._client.request(request)
        except BaseException:
            self._waiting.pop(number, None)
            raise
        return number

    def forget(self, number: int) -> None:
        """Waits no more for the answer to a request."""
        self._waiting.pop(number, None)

    def hand_over(self, loop: asyncio.AbstractEventLoop, tap: AudioTap, pcm: bytes) -> None:
        """Passes a frame to its loop; what comes before the loop has woken goes along."""
        frames = self._frames.get(loop)
        if frames is not None:
            frames.append((tap, pcm))
            return
        self._frames[loop] = deque([(tap, pcm)])
        try:
            loop.call_soon_threadsafe(self._drain, loop)
        except RuntimeError:  # the loop is closed, and nobody listens any more
            self._frames.pop(loop, None)

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            frames = self._frames.pop(loop)
        for tap, pcm in frames:
            if tap.sink is not None:
                tap.sink(pcm)

    def _put(self, event: ffi_pb2.FfiEvent) -> None:
        """The SDK's native thread brings an event."""
        kind = event.WhichOneof("message")
        if kind == "audio_stream_event":
            if self._on_audio(event.audio_stream_event):
                return
        elif kind in _ANSWERS:
            answer = getattr(event, kind)
            answered = self._waiting.pop(answer.async_id, None)
            if answered is not None:
                answered(answer)
                return
        elif kind == "room_event":
            with self._lock:
                found = self._rooms.get(event.room_event.room_handle)
                if found is not None:
                    self._deliver(found, event)
                else:
                    self._broadcast(event)
            return
        with self._lock:
            if kind in _FOR_ROOMS:
                for found in self._rooms.values():
                    self._deliver(found, event)
            self._broadcast(event)

    def _on_audio(self, event: audio_frame_pb2.AudioStreamEvent) -> bool:
        tap = self.taps.get(event.stream_handle)
        if tap is None:
            return False
        if event.WhichOneof("message") != "frame_received":
            tap.ended()
            return True
        owned = event.frame_received.frame
        info = owned.info
        if tap.sink is not None:
            pcm = ctypes.string_at(info.data_ptr, 2 * info.num_channels * info.samples_per_channel)
            with self._lock:
                tap.take(pcm)
        FfiHandle(owned.handle.id).dispose()
        return True

    @staticmethod
    def _deliver(found: tuple[asyncio.AbstractEventLoop, Any], event: ffi_pb2.FfiEvent) -> None:
        loop, queue = found
        try:
            loop.call_soon_threadsafe(queue.put_nowait, event)
        except RuntimeError:  # the loop is closed; the room went with it
            return


def router() -> Router:
    """The router of this process; installed when first asked for.

    Raises:
        ConfigError: ``invalid_config`` if this version of the SDK works differently.
    """
    global _router
    client = FfiClient.instance
    if _router is None or _router[0] is not client:
        try:
            _router = client, Router(client)
        except AttributeError as error:
            raise ConfigError(
                "livekit_router",
                "invalid_config",
                f"livekit {rtc.__version__} is not known to this version of beluga-voice: {error}; "
                'run: pip install "livekit>=1.2,<1.3"',
            ) from error
    return _router[1]


_router: tuple[FfiClient, Router] | None = None
