"""``talk``: one conversation from a file, through the same pipeline as a live one."""

from __future__ import annotations

import asyncio
import json as jsonlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from beluga_voice import events as ev
from beluga_voice.audio.resample import resample
from beluga_voice.audio.wav import Recording, read_wav, write_wav
from beluga_voice.backends.base import Backend
from beluga_voice.cli.loading import DEFAULT_AGENT, agent_factory, load_backend, started
from beluga_voice.cli.waterfall import waterfall
from beluga_voice.config import SessionConfig
from beluga_voice.errors import PipelineError
from beluga_voice.frames import AudioFrame
from beluga_voice.session.session import Session

__all__ = ["Track", "talk"]

_EAR_RATE = 16_000


class Track:
    """Audio laid out on a session's timeline, silence in between.

    Args:
        sample_rate: in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._pcm = bytearray()

    def place(self, frame: AudioFrame) -> None:
        """Adds a mono frame where its ``pts`` says; what is there already is replaced."""
        at = max(0, round(frame.pts * self.sample_rate)) * 2
        if len(self._pcm) < at:
            self._pcm.extend(bytes(at - len(self._pcm)))
        self._pcm[at : at + len(frame.data)] = frame.data

    def pcm(self, seconds: float = 0.0) -> bytes:
        """All of it, padded with silence to at least ``seconds``."""
        want = round(seconds * self.sample_rate) * 2
        return bytes(self._pcm).ljust(want, b"\0")


@dataclass(slots=True)
class Talk:
    """What a conversation came to."""

    turns: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    errors: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    seconds: float = 0.0


def talk(
    recording: Path,
    *,
    out: Path | None = None,
    events: Path | None = None,
    fast: bool = False,
    stereo: bool = False,
    agent: str = DEFAULT_AGENT,
    provider: str | None = None,
    config: Path | None = None,
    tail: float = 1.5,
    timeout: float = 600.0,
    json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Hold one conversation with an agent, the user's side taken from a file.

    Example: beluga-voice talk question.wav --out answer.wav --events log.jsonl

    Args:
        recording: a WAV file with speech, of any rate and channel count.
        out: the agent's voice, on the session's timeline.
        events: everything that was heard and decided (JSONL), for `beluga-voice replay`.
        fast: in virtual time: as fast as the models go, instead of in real time.
        stereo: write the user to the left and the agent to the right channel of --out.
        agent: who answers, as module:attribute.
        provider: the backend; embedded unless the configuration says otherwise.
        config: a YAML or TOML file.
        tail: seconds of silence on both sides that end the conversation.
        timeout: seconds after which it is ended all the same.
        json: print the result as JSON.
    """
    user = read_wav(recording)
    console = Console(stderr=True, quiet=json)
    make_agent = agent_factory(agent)
    session_config = SessionConfig(user_id="talk", greeting="", event_log=events, **make_agent())

    async def main() -> Talk:
        backend = load_backend(config, provider)
        async with started(backend, console):
            return await _converse(backend, session_config, user, out, console, tail, timeout, stereo=stereo)

    if fast:
        from beluga_voice.testing.loop import run

        result = run(main(), hang_after=120.0)
    else:
        result = asyncio.run(main())
    if json:
        sys.stdout.write(
            jsonlib.dumps({"turns": result.turns, "errors": result.errors, "seconds": result.seconds}) + "\n"
        )
    else:
        _summary(console, result, out, events)
    return 1 if result.errors and not result.turns else 0


async def _converse(
    backend: Backend,
    config: SessionConfig,
    user: Recording,
    out: Path | None,
    console: Console,
    tail: float,
    timeout: float,
    *,
    stereo: bool,
) -> Talk:
    session = await backend.create_session(config)
    result = Talk()
    track = Track(session.output_sample_rate)
    await session.start()
    watch = asyncio.create_task(_watch(session, result, console))
    listen = asyncio.create_task(_listen(session, track))
    pcm = resample(user.pcm, user.sample_rate, _EAR_RATE)
    started_at = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(timeout):
            await session.process_audio(pcm)
            await _until_quiet(session, tail)
    except TimeoutError as error:
        raise PipelineError(
            "talk", "timeout", f"the conversation did not end in {timeout:g} s; see --timeout"
        ) from error
    finally:
        result.seconds = round(asyncio.get_running_loop().time() - started_at, 3)
        await session.stop()
        await asyncio.wait([watch, listen], timeout=2.0)
    watch.result()
    listen.result()
    if out is not None:
        _write(out, track, pcm, result.seconds, stereo=stereo)
    return result


async def _until_quiet(session: Session, tail: float) -> None:
    """Feeds silence until both sides have been quiet for ``tail`` seconds."""
    step = bytes(int(_EAR_RATE * 0.1) * 2)
    quiet = 0.0
    while quiet < tail and session.state != "closed":
        await session.process_audio(step)
        quiet = quiet + 0.1 if session.state == "listening" else 0.0


async def _listen(session: Session, track: Track) -> None:
    async for frame in session.receive_audio():
        track.place(frame)


async def _watch(session: Session, result: Talk, console: Console) -> None:
    async for event in session.events():
        _note(event, result)
        line = _line(event)
        if line is not None:
            console.print(line, soft_wrap=True)


def _note(event: ev.SessionEvent, result: Talk) -> None:
    """Adds an event to the result."""
    if isinstance(event, ev.TranscriptEvent) and event.final:
        result.turns.append({"turn": event.turn, "user": event.text, "agent": "", "interrupted": False})
    elif isinstance(event, ev.ErrorEvent):
        result.errors.append(ev.to_dict(event))
    elif isinstance(event, ev.AgentTextEvent | ev.MetricsEvent | ev.InterruptionEvent):
        for turn in (t for t in result.turns if t["turn"] == event.turn):
            if isinstance(event, ev.MetricsEvent):
                turn["metrics"] = ev.to_dict(event)
            elif isinstance(event, ev.InterruptionEvent):
                turn["interrupted"] = True
            elif event.final:
                turn["agent"] = event.text


def _line(event: ev.SessionEvent) -> Text | None:
    """How an event is shown, if at all."""
    match event:
        case ev.TranscriptEvent(final=True):
            return Text.assemble(("  you  ", "bold cyan"), event.text)
        case ev.AgentTextEvent(final=True):
            return Text.assemble(("agent  ", "bold green"), event.text)
        case ev.MetricsEvent():
            return waterfall(event)
        case ev.InterruptionEvent():
            return Text("       (interrupted)", style="yellow")
        case ev.ToolEvent(phase="ended"):
            return Text(f"       {event.name} → {event.result}", style="dim")
        case ev.ErrorEvent():
            return Text(f"error  {event.message} [{event.code}]", style="red")
        case _:
            return None


def _write(out: Path, track: Track, user: bytes, seconds: float, *, stereo: bool) -> None:
    agent = track.pcm(seconds)
    if not stereo:
        write_wav(out, agent, track.sample_rate)
        return
    import numpy as np

    left = resample(user, _EAR_RATE, track.sample_rate)
    length = max(len(left), len(agent))
    both = [np.frombuffer(side.ljust(length, b"\0"), dtype="<i2") for side in (left, agent)]
    write_wav(out, np.stack(both, axis=1).tobytes(), track.sample_rate, 2)


def _summary(console: Console, result: Talk, out: Path | None, events: Path | None) -> None:
    totals = [t["metrics"]["total"] for t in result.turns if "metrics" in t]
    table = Table.grid(padding=(0, 2))
    table.add_row("turns", str(len(result.turns)))
    if totals:
        table.add_row("answer after", ", ".join(f"{t * 1000:.0f} ms" for t in totals))
    table.add_row("length", f"{result.seconds:.1f} s")
    for name, path in (("voice", out), ("events", events)):
        if path is not None:
            table.add_row(name, str(path))
    if not result.turns:
        table.add_row("note", "no words were recognised; is there speech in the file?")
    console.print(table)
