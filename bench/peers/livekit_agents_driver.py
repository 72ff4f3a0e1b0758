"""livekit-agents with turns taken by VAD, in one process and without a room.

Its own turn and VAD models (``livekit-local-inference``) are licensed for other uses than this and are not installed:
the module they would be in is replaced by one that refuses. The VAD is that of the Silero plugin (MIT model), with the
parameters that `AgentSession` gives its own by default. The loudspeaker does what the framework's output to a room
does, without the room: a queue of 200 ms that is filled in real time and can be paused and cleared.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from types import ModuleType
from typing import Any

import harness
from person import Person
from usage import OWN

_QUEUE = 0.2


def _refuse_bundled_models() -> None:
    class Refused:
        def __init__(self, *_: Any, **__: Any) -> None:
            raise RuntimeError("the bundled models must not be used here")

    module = ModuleType("livekit.local_inference")
    module.VAD = module.EOT = Refused  # pyright: ignore[reportAttributeAccessIssue]
    module.VAD_WINDOW_SAMPLES = 512  # pyright: ignore[reportAttributeAccessIssue]
    sys.modules["livekit.local_inference"] = module


def make(job: dict[str, Any]) -> harness.System:
    _refuse_bundled_models()
    from livekit import agents, rtc
    from livekit.agents import Agent, AgentSession, llm, stt, tts
    from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
    from livekit.agents.voice import io
    from livekit.plugins import silero

    logging.disable(logging.WARNING)
    rate = 24_000
    chunk = harness.tone(0.2, rate)
    words = harness.words_of(job)
    per_character = job["reply_seconds"] / sum(map(len, words))

    class STT(stt.STT):
        def __init__(self, person: Person) -> None:
            super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
            self.person = person

        async def _recognize_impl(self, *_: Any, **__: Any) -> stt.SpeechEvent:
            raise NotImplementedError

        def stream(
            self, *, language: Any = None, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
        ) -> stt.RecognizeStream:
            return Recognise(stt=self, conn_options=conn_options)

    class Recognise(stt.RecognizeStream):
        async def _run(self) -> None:
            loop = asyncio.get_running_loop()
            microphone = self._stt.person.microphone
            async for _ in self._input_ch:
                if not microphone.hears or microphone.hears[0][0] > loop.time():
                    continue
                for text, final in microphone.heard(loop.time()):
                    kind = (
                        stt.SpeechEventType.FINAL_TRANSCRIPT
                        if final
                        else stt.SpeechEventType.INTERIM_TRANSCRIPT
                    )
                    data = stt.SpeechData(language=agents.LanguageCode("en"), text=text)
                    self._event_ch.send_nowait(stt.SpeechEvent(type=kind, alternatives=[data]))

    class LLM(llm.LLM):
        def chat(
            self,
            *,
            chat_ctx: llm.ChatContext,
            tools: list[llm.Tool] | None = None,
            conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
            **_: Any,
        ) -> llm.LLMStream:
            return Answer(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)

    class Answer(llm.LLMStream):
        async def _run(self) -> None:
            await asyncio.sleep(job["llm_first"])
            for word in words:
                delta = llm.ChoiceDelta(role="assistant", content=word)
                self._event_ch.send_nowait(llm.ChatChunk(id="reply", delta=delta))
                await asyncio.sleep(job["llm_token"])

    class TTS(tts.TTS):
        def __init__(self) -> None:
            super().__init__(
                capabilities=tts.TTSCapabilities(streaming=True), sample_rate=rate, num_channels=1
            )

        def synthesize(self, *_: Any, **__: Any) -> tts.ChunkedStream:
            raise NotImplementedError

        def stream(
            self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
        ) -> tts.SynthesizeStream:
            return Synthesise(tts=self, conn_options=conn_options)

    class Synthesise(tts.SynthesizeStream):
        async def _run(self, output_emitter: tts.AudioEmitter) -> None:
            output_emitter.initialize(
                request_id="reply", sample_rate=rate, num_channels=1, mime_type="audio/pcm", stream=True
            )
            output_emitter.start_segment(segment_id="reply")
            began = False
            async for text in self._input_ch:
                if isinstance(text, self._FlushSentinel):
                    continue
                if not began:
                    began = True
                    self._mark_started()
                    await asyncio.sleep(job["tts_first"])
                left = int(len(text) * per_character * rate) * 2
                while left > 0:
                    output_emitter.push(chunk[:left])
                    left -= len(chunk)
            output_emitter.end_segment()

    class Microphone(io.AudioInput):
        def __init__(self, person: Person) -> None:
            super().__init__(label="person")
            self._person = person

        async def __anext__(self) -> rtc.AudioFrame:
            return rtc.AudioFrame(await self._person.next_frame(), 16_000, 1, 320)

    class Loudspeaker(io.AudioOutput):
        def __init__(self, person: Person) -> None:
            super().__init__(
                label="person", capabilities=io.AudioOutputCapabilities(pause=True), sample_rate=rate
            )
            self._speaker = person.speaker
            self._loop = asyncio.get_running_loop()
            self._frames: asyncio.Queue[rtc.AudioFrame | None] = asyncio.Queue()  # None ends a segment
            self._enabled = asyncio.Event()
            self._enabled.set()
            self._pushed = self._played = 0.0
            self._task = asyncio.create_task(self._play(), name=OWN + "play")

        async def capture_frame(self, frame: rtc.AudioFrame) -> None:
            await super().capture_frame(frame)
            self._pushed += frame.duration
            self._frames.put_nowait(frame)

        def flush(self) -> None:
            super().flush()
            if self._pushed:
                self._frames.put_nowait(None)

        def clear_buffer(self) -> None:
            if not self._pushed:
                return
            self._drop_queue()
            while not self._frames.empty():
                self._frames.get_nowait()
            self._finish(interrupted=True)
            self._task.cancel()
            self._task = asyncio.create_task(self._play(), name=OWN + "play")

        def pause(self) -> None:
            super().pause()
            self._enabled.clear()
            self._drop_queue()

        def resume(self) -> None:
            super().resume()
            self._enabled.set()

        def _drop_queue(self) -> None:
            now = self._loop.time()
            self._played -= max(0.0, self._speaker.end - now)
            self._speaker.clear(now)

        def _finish(self, *, interrupted: bool) -> None:
            played, self._pushed, self._played = self._played, 0.0, 0.0
            self.on_playback_finished(playback_position=max(0.0, played), interrupted=interrupted)

        async def _play(self) -> None:
            while True:
                frame = await self._frames.get()
                await self._enabled.wait()
                end = self._speaker.end
                wait = end - self._loop.time() - (0.0 if frame is None else _QUEUE)
                if wait > 0:
                    await asyncio.sleep(wait)
                    await self._enabled.wait()
                if frame is None:
                    self._finish(interrupted=False)
                    continue
                if not self._played:
                    self.on_playback_started(created_at=time.time())
                self._played += frame.duration
                self._speaker.frame(self._loop.time(), frame.duration, bytes(frame.data))

    class LiveKitAgents:
        name = "livekit-agents"
        version = agents.__version__
        settings = f"defaults, turns by VAD (Silero plugin), {job['loop']}"

        def __init__(self) -> None:
            self._sessions: list[AgentSession[Any]] = []
            self._vad: Any = None

        async def start(self) -> None:
            self._vad = silero.VAD.load(min_silence_duration=0.25)

        async def open(self, person: Person) -> None:
            session: AgentSession[Any] = AgentSession(
                turn_handling={"turn_detection": "vad", "interruption": {"mode": "vad"}},
                stt=STT(person),
                vad=self._vad,
                llm=LLM(),
                tts=TTS(),
            )
            session.input.audio = Microphone(person)
            session.output.audio = Loudspeaker(person)
            session.output.transcription = None
            await session.start(Agent(instructions="Be brief."))
            self._sessions.append(session)

    return LiveKitAgents()


if __name__ == "__main__":
    harness.main(make)
