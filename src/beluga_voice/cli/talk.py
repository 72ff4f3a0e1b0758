"""``talk``: one conversation from a file, through the same pipeline as a live one."""

from __future__ import annotations

import asyncio
import json as jsonlib
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, validators
from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from beluga_voice import events as ev
from beluga_voice.audio.resample import resample
from beluga_voice.audio.wav import read_wav
from beluga_voice.backends.base import Backend
from beluga_voice.cli.loading import DEFAULT_AGENT, agent_factory, load_backend, started
from beluga_voice.cli.track import Track, make_room, save
from beluga_voice.cli.waterfall import waterfall
from beluga_voice.config import SessionConfig
from beluga_voice.errors import PipelineError
from beluga_voice.session.session import Session

__all__ = ["Talk", "talk"]

_EAR_RATE = 16_000
_STEP_SECONDS = 0.1

Seconds = Annotated[float, Parameter(validator=validators.Number(gt=0, lte=86_400))]


@dataclass(slots=True)
class Talk:
    """What a conversation came to.

    Attributes:
        turns: one dict for each thing the user said: ``turn``, ``user``, ``agent`` (what was heard of the answer),
            ``interrupted`` and, once it was answered, ``metrics``.
        errors: the `ErrorEvent`\\ s as dicts.
        warnings: what else the user of the command should know.
        seconds: length of the session.
    """

    turns: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    errors: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    warnings: list[str] = field(default_factory=list[str])
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Plan:
    """What `talk` was asked to do."""

    user: bytes
    out: Path | None
    stereo: bool
    tail: float
    timeout: float


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
    tail: Seconds = 1.5,
    timeout: Seconds = 600.0,
    json: bool = False,
) -> int:
    """Hold one conversation with an agent, the user's side taken from a file.

    It ends when both sides have been quiet for ``tail`` seconds after the recording.

    Args:
        recording: a WAV file with speech, of any rate and channel count.
        out: the agent's voice, on the session's timeline.
        events: everything that was heard and decided (JSONL), for `beluga-voice replay`.
        fast: in virtual time: as fast as the models go, instead of in real time.
        stereo: write the user to the left and the agent to the right channel of --out.
        agent: who answers, as module:attribute.
        provider: the backend; embedded unless the configuration says otherwise.
        config: a YAML or TOML file.
        tail: seconds of silence on both sides, after the recording, that end the conversation.
        timeout: seconds after which it is ended all the same.
        json: print the result as JSON.
    """
    user = read_wav(recording)
    if out is not None:
        make_room(out)
    console = Console(stderr=True, quiet=json)
    make_agent = agent_factory(agent)
    session_config = SessionConfig(user_id="talk", greeting="", event_log=events, **make_agent())
    plan = _Plan(resample(user.pcm, user.sample_rate, _EAR_RATE), out, stereo, tail, timeout)
    result = Talk()
    if user.truncated:
        result.warnings.append(f"{recording} was cut off; it is used as far as it goes")

    async def main() -> None:
        backend = load_backend(config, provider)
        async with started(backend, console):
            await _converse(backend, session_config, plan, result, console)

    if fast:
        from beluga_voice.testing.loop import run

        run(main(), hang_after=120.0)
    else:
        asyncio.run(main())
    if not result.turns:
        result.warnings.append("no words were recognised; is there speech in the file?")
    if json:
        payload = {name: getattr(result, name) for name in ("turns", "errors", "warnings", "seconds")}
        sys.stdout.write(jsonlib.dumps(payload) + "\n")
    else:
        _summary(console, result, out, events)
    return 1 if result.errors and not result.turns else 0


async def _converse(
    backend: Backend, config: SessionConfig, plan: _Plan, result: Talk, console: Console
) -> None:
    session = await backend.create_session(config)
    track = Track(session.output_sample_rate)
    await session.start()
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        with console.status("") as status:
            async with _following(session, track, result, console, lambda: _show(session, status)):
                try:
                    async with asyncio.timeout(plan.timeout):
                        await session.process_audio(plan.user)
                        await _until_quiet(session, plan.tail)
                except TimeoutError as error:
                    raise PipelineError(
                        "talk",
                        "timeout",
                        f"the conversation did not end in {plan.timeout:g} s; see --timeout",
                    ) from error
                finally:
                    result.seconds = round(loop.time() - began, 3)
                    await session.stop()
    finally:
        if plan.out is not None:  # whatever ended it: what was said until then is worth keeping
            user = resample(plan.user, _EAR_RATE, track.sample_rate) if plan.stereo else None
            save(plan.out, track.pcm(result.seconds), user, track.sample_rate)


async def _until_quiet(session: Session, tail: float) -> None:
    """Feeds silence until both sides have been quiet for ``tail`` seconds."""
    step = bytes(int(_EAR_RATE * _STEP_SECONDS) * 2)
    quiet = 0.0
    while quiet < tail and session.state != "closed":
        await session.process_audio(step)
        quiet = quiet + _STEP_SECONDS if session.state == "listening" else 0.0


@asynccontextmanager
async def _following(
    session: Session, track: Track, result: Talk, console: Console, show: Callable[[], None]
) -> AsyncGenerator[None]:
    """Records what is heard and shows what happens; after the session has ended, all that is left of it."""

    async def listen() -> None:
        async for frame in session.receive_audio():
            track.place(frame)

    async def watch() -> None:
        async for event in session.events():
            _note(event, result)
            if isinstance(event, ev.InterruptionEvent):
                track.cut(event.silenced)
            line = _line(event)
            if line is not None:
                console.print(line, soft_wrap=True)
            show()

    tasks = [asyncio.create_task(listen()), asyncio.create_task(watch())]
    try:
        yield
    finally:
        done, late = await asyncio.wait(tasks, timeout=2.0)
        for task in late:
            task.cancel()
        for task in done:
            task.result()


def _show(session: Session, status: Status) -> None:
    status.update(f"{session.state.replace('_', ' ')} …")


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


def _summary(console: Console, result: Talk, out: Path | None, events: Path | None) -> None:
    totals = [t["metrics"]["total"] for t in result.turns if "metrics" in t]
    table = Table.grid(padding=(0, 2))
    table.add_row("turns", str(len(result.turns)))
    if totals:
        table.add_row("answer after", ", ".join(f"{t * 1000:.0f} ms" for t in totals if t is not None))
    table.add_row("length", f"{result.seconds:.1f} s")
    for name, path in (("voice", out), ("events", events)):
        if path is not None:
            table.add_row(name, Text(str(path)))
    for warning in result.warnings:
        table.add_row(Text("note", "yellow"), Text(warning))
    console.print(table)
