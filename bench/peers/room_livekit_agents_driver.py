"""livekit-agents in LiveKit rooms: its worker at its defaults, a process per job, or with ``thread`` all in one.

Turns are taken by VAD (the Silero plugin, loaded once per process before the first job, as its documentation does it).
Its own models are refused: ``PYTHONPATH`` must begin with ``refused/``. The worker is the one of production; only its
measure of the machine's load is set to nothing, because others share the machine and it would refuse jobs.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

from harness import tone, words_of
from livekit import agents
from livekit.agents import (
    Agent,
    AgentServer,
    AgentSession,
    JobContext,
    JobExecutorType,
    JobProcess,
    llm,
    stt,
    tts,
)
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from livekit.plugins import silero
from room_hearing import Hearing
from room_job import entry_of, read_job, tell

RATE, EARS = 24_000, 16_000
JOB = read_job()
CHUNK = tone(0.2, RATE)
WORDS = words_of(JOB)
PER_CHARACTER = JOB["reply_seconds"] / sum(map(len, WORDS))


class STT(stt.STT):
    def __init__(self, entry: dict[str, Any]) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self.entry = entry

    async def _recognize_impl(self, *_: Any, **__: Any) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(
        self, *, language: Any = None, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> stt.RecognizeStream:
        return Recognise(stt=self, conn_options=conn_options, sample_rate=EARS)


class Recognise(stt.RecognizeStream):
    async def _run(self) -> None:
        hearing = Hearing(self._stt.entry, JOB["stt_partial"], EARS)
        async for frame in self._input_ch:
            if isinstance(frame, self._FlushSentinel):
                continue
            for text in hearing.push(bytes(frame.data)):
                self._say(stt.SpeechEventType.INTERIM_TRANSCRIPT, text)
            if hearing.open and hearing.quiet >= JOB["stt_final"]:
                self._say(stt.SpeechEventType.FINAL_TRANSCRIPT, hearing.segment())

    def _say(self, kind: stt.SpeechEventType, text: str) -> None:
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
        await asyncio.sleep(JOB["llm_first"])
        for word in WORDS:
            delta = llm.ChoiceDelta(role="assistant", content=word)
            self._event_ch.send_nowait(llm.ChatChunk(id="reply", delta=delta))
            await asyncio.sleep(JOB["llm_token"])


class TTS(tts.TTS):
    def __init__(self) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=True), sample_rate=RATE, num_channels=1)

    def synthesize(self, *_: Any, **__: Any) -> tts.ChunkedStream:
        raise NotImplementedError

    def stream(
        self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.SynthesizeStream:
        return Synthesise(tts=self, conn_options=conn_options)


class Synthesise(tts.SynthesizeStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id="reply", sample_rate=RATE, num_channels=1, mime_type="audio/pcm", stream=True
        )
        output_emitter.start_segment(segment_id="reply")
        began = False
        async for text in self._input_ch:
            if isinstance(text, self._FlushSentinel):
                continue
            if not began:
                began = True
                self._mark_started()
                await asyncio.sleep(JOB["tts_first"])
            left = int(len(text) * PER_CHARACTER * RATE) * 2
            while left > 0:
                output_emitter.push(CHUNK[:left])
                left -= len(CHUNK)
        output_emitter.end_segment()


def prewarm(process: JobProcess) -> None:
    # The framework's own default for its VAD.
    process.userdata["vad"] = silero.VAD.load(min_silence_duration=0.25)


async def entrypoint(job: JobContext) -> None:
    session: AgentSession[Any] = AgentSession(
        turn_handling={"turn_detection": "vad", "interruption": {"mode": "vad"}},
        stt=STT(entry_of(JOB, job.room.name)),
        vad=job.proc.userdata["vad"],
        llm=LLM(),
        tts=TTS(),
    )
    await session.start(Agent(instructions="Be brief."), room=job.room)
    session.say(JOB["greeting"])


async def on_request(request: agents.JobRequest) -> None:
    tell(state="job", room=request.room.name)
    await request.accept()


def main() -> None:
    server = AgentServer(
        job_executor_type=JobExecutorType.THREAD if sys.argv[1] == "thread" else JobExecutorType.PROCESS,
        load_fnc=lambda: 0.0,
        setup_fnc=prewarm,
        initialize_process_timeout=60.0,
        host="127.0.0.1",
        port=0,
        ws_url=JOB["url"],
        api_key=JOB["api_key"],
        api_secret=JOB["api_secret"],
    )
    server.rtc_session(entrypoint, agent_name="bench", on_request=on_request)
    server.on("worker_registered", lambda *_: tell(state="ready", version=agents.__version__))
    asyncio.run(server.run())


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    main()
