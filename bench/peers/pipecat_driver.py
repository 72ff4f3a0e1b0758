"""Pipecat: the usual pipeline with Silero, and turns ended by smart turn (its default) or by a timeout.

The loudspeaker takes a chunk (40 ms) ahead of real time, as the framework's own transports do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import harness
from person import Person
from usage import OWN

_AHEAD = 0.04


def make(job: dict[str, Any]) -> harness.System:
    from loguru import logger

    logger.remove()
    import pipecat
    from pipecat.audio.vad.silero import SileroVADAnalyzer
    from pipecat.frames.frames import (
        Frame,
        InputAudioRawFrame,
        InterimTranscriptionFrame,
        LLMContextFrame,
        LLMFullResponseEndFrame,
        LLMFullResponseStartFrame,
        OutputAudioRawFrame,
        StartFrame,
        TranscriptionFrame,
        TTSAudioRawFrame,
    )
    from pipecat.pipeline.pipeline import Pipeline
    from pipecat.pipeline.worker import PipelineParams, PipelineWorker
    from pipecat.processors.aggregators.llm_context import LLMContext
    from pipecat.processors.aggregators.llm_response_universal import (
        LLMContextAggregatorPair,
        LLMUserAggregatorParams,
    )
    from pipecat.processors.frame_processor import FrameDirection
    from pipecat.services.llm_service import LLMService
    from pipecat.services.stt_service import STTService
    from pipecat.services.tts_service import TTSService
    from pipecat.transports.base_input import BaseInputTransport
    from pipecat.transports.base_output import BaseOutputTransport
    from pipecat.transports.base_transport import TransportParams
    from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
    from pipecat.turns.user_turn_strategies import UserTurnStrategies
    from pipecat.workers.runner import WorkerRunner

    smart = job["smart_turn"]
    rate = 24_000
    chunk = harness.tone(0.2, rate)
    words = harness.words_of(job)
    per_character = job["reply_seconds"] / sum(map(len, words))

    class STT(STTService):
        def __init__(self, person: Person) -> None:
            super().__init__(ttfs_p99_latency=job["stt_final"])
            self._microphone = person.microphone
            self._loop = asyncio.get_running_loop()

        async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
            hears = self._microphone.hears
            if not hears or hears[0][0] > self._loop.time():
                yield None
                return
            for text, final in self._microphone.heard(self._loop.time()):
                if final:
                    yield TranscriptionFrame(text=text, user_id="person", timestamp="", finalized=True)
                else:
                    yield InterimTranscriptionFrame(text=text, user_id="person", timestamp="")

    class LLM(LLMService):
        async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
            await super().process_frame(frame, direction)
            if not isinstance(frame, LLMContextFrame):
                await self.push_frame(frame, direction)
                return
            await self.push_frame(LLMFullResponseStartFrame())
            await asyncio.sleep(job["llm_first"])
            for word in words:
                await self._push_llm_text(word)
                await asyncio.sleep(job["llm_token"])
            await self.push_frame(LLMFullResponseEndFrame())

    class TTS(TTSService):
        def __init__(self) -> None:
            super().__init__(sample_rate=rate, push_stop_frames=True, push_start_frame=True)

        async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
            await asyncio.sleep(job["tts_first"])
            left = int(len(text) * per_character * rate) * 2
            while left > 0:
                yield TTSAudioRawFrame(chunk[:left], rate, 1, context_id=context_id)
                left -= len(chunk)

    class Microphone(BaseInputTransport):
        def __init__(self, person: Person, params: TransportParams) -> None:
            super().__init__(params)
            self._person = person
            self._speaking: asyncio.Task[None] | None = None

        async def start(self, frame: StartFrame) -> None:
            await super().start(frame)
            await self.set_transport_ready(frame)
            self._speaking = asyncio.create_task(self._speak(), name=OWN + "speak")
            ready[self._person.number].set()

        async def _speak(self) -> None:
            while True:
                await self.push_audio_frame(InputAudioRawFrame(await self._person.next_frame(), 16_000, 1))

    class Loudspeaker(BaseOutputTransport):
        def __init__(self, person: Person, params: TransportParams) -> None:
            super().__init__(params)
            self._speaker = person.speaker
            self._loop = asyncio.get_running_loop()

        async def start(self, frame: StartFrame) -> None:
            await super().start(frame)
            await self.set_transport_ready(frame)

        async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
            wait = self._speaker.end - self._loop.time() - _AHEAD
            if wait > 0:
                await asyncio.sleep(wait)
            seconds = len(frame.audio) / 2 / frame.sample_rate
            self._speaker.frame(self._loop.time(), seconds, frame.audio)
            return True

    ready: dict[int, asyncio.Event] = {}

    class Pipecat:
        name = "pipecat"
        version = pipecat.version()
        settings = f"defaults, {'smart turn' if smart else 'turns by timeout'}, {job['loop']}"

        def __init__(self) -> None:
            self._runner: Any = None
            self._running: asyncio.Task[None] | None = None

        async def start(self) -> None:
            self._runner = WorkerRunner(handle_sigint=False)

        async def open(self, person: Person) -> None:
            ready[person.number] = asyncio.Event()
            params = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
            context = LLMContext([{"role": "system", "content": "Be brief."}])
            stop = None if smart else UserTurnStrategies(stop=[SpeechTimeoutUserTurnStopStrategy()])
            user, assistant = LLMContextAggregatorPair(
                context,
                user_params=LLMUserAggregatorParams(
                    vad_analyzer=SileroVADAnalyzer(), user_turn_strategies=stop
                ),
            )
            parts = [Microphone(person, params), STT(person), user, LLM(), TTS()]
            pipeline = Pipeline([*parts, Loudspeaker(person, params), assistant])
            worker = PipelineWorker(
                pipeline, params=PipelineParams(audio_in_sample_rate=16_000, audio_out_sample_rate=rate)
            )
            await self._runner.add_workers(worker)
            if self._running is None:
                self._running = asyncio.create_task(self._runner.run(), name="runner")
            async with asyncio.timeout(60):
                await ready[person.number].wait()

    return Pipecat()


if __name__ == "__main__":
    harness.main(make)
