"""Sessions from the outside, in virtual time, on scripted providers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import beluga_voice as bv
from beluga_voice import events as ev
from beluga_voice.errors import PipelineError
from beluga_voice.registry import registry_for
from beluga_voice.session.session import Session
from beluga_voice.testing.scripted import silence, tone
from beluga_voice.transports.memory import MemoryTransport
from stage import Stage, collect, speak


def of(events: list[Any], kind: type) -> list[Any]:
    return [e for e in events if isinstance(e, kind)]


def test_a_question_is_answered_and_both_sides_are_history(stage: Stage) -> None:
    stage.utterances("what time is it")

    async def play(session: Session) -> tuple[list[Any], list[bv.AudioFrame]]:
        await session.start()
        events = asyncio.create_task(collect(session))
        heard: list[bv.AudioFrame] = []

        async def listen() -> None:
            async for frame in session.receive_audio():
                heard.append(frame)

        listener = asyncio.create_task(listen())
        await speak(session, 1.5, after=6.0)
        assert session.state == "listening"
        assert [(m.role, m.content) for m in session.history] == [
            ("user", "what time is it"),
            ("assistant", "You said what time is it."),
        ]
        assert session.persistence_status == "active"
        await session.stop()
        assert session.persistence_status == "completed"
        await listener
        return await events, heard

    events, heard = stage.run(play)
    assert [e.text for e in of(events, ev.TranscriptEvent) if e.final] == ["what time is it"]
    assert of(events, ev.TranscriptEvent)[0].text == "what"
    spoken = [e.text for e in of(events, ev.AgentTextEvent)]
    assert spoken[-1] == "You said what time is it." == " ".join(spoken[:-1])
    assert len(of(events, ev.AgentTextEvent)) > 3, "words are told as they are heard"
    assert isinstance(events[-1], ev.ClosedEvent)
    assert len(of(events, ev.ClosedEvent)) == 1
    seconds = sum(f.duration for f in heard)
    assert seconds == pytest.approx(len("You said what time is it.") * 0.06, abs=0.05)
    gaps = [b.pts - a.pts for a, b in itertools.pairwise(heard)]
    assert max(gaps) < 0.021, "frames follow each other without a gap"
    metrics = of(events, ev.MetricsEvent)[0]
    assert metrics.total == pytest.approx(
        metrics.endpointing + metrics.llm + metrics.tts + metrics.playout, abs=0.03
    )
    assert metrics.total < 0.5


def test_an_interruption_silences_the_agent_and_history_holds_what_was_heard(stage: Stage) -> None:
    stage.utterances("tell me a story", "stop it please")
    story = "Once upon a time there was a whale that sang all day and all night long in the cold sea."

    async def tell(transcript: str) -> str:
        return story if "story" in transcript else "All right."

    async def play(session: Session) -> list[Any]:
        await session.start()
        events = asyncio.create_task(collect(session))
        sent: list[float] = []

        async def listen() -> None:
            async for frame in session.receive_audio():
                sent.append(frame.pts)

        listener = asyncio.create_task(listen())
        await speak(session, 1.5, after=2.0)
        assert session.state == "speaking"
        await speak(session, 1.2, after=4.0)
        await session.stop()
        await listener
        interruption = of(await events, ev.InterruptionEvent)[0]
        assert interruption.silenced - interruption.onset < 0.3
        assert [t for t in sent if interruption.silenced < t < interruption.onset + 1.3] == []
        return list(session.history)

    history = stage.run(play, tell)
    assert [m.role for m in history] == ["user", "assistant", "user", "assistant"]
    assert history[1].interrupted
    assert story.startswith(history[1].content)
    assert 0 < len(history[1].content) < len(story)
    assert history[3].content == "All right."


def test_a_murmur_holds_the_agent_and_loses_nothing(stage: Stage) -> None:
    stage.utterances("tell me a story", "mm-hmm")
    story = "Once upon a time there was a whale that sang all day and all night long."

    async def tell(_: str) -> str:
        return story

    async def play(session: Session) -> tuple[list[Any], float]:
        await session.start()
        events = asyncio.create_task(collect(session))
        total = 0.0

        async def listen() -> None:
            nonlocal total
            async for frame in session.receive_audio():
                total += frame.duration

        listener = asyncio.create_task(listen())
        await speak(session, 1.5, after=2.0)
        await speak(session, 0.3, after=7.0)
        await session.stop()
        await listener
        return await events, total

    events, total = stage.run(play, tell)
    assert of(events, ev.InterruptionEvent) == []
    assert [e.text for e in of(events, ev.BackchannelEvent)] == ["mm-hmm"]
    assert [e.text for e in of(events, ev.AgentTextEvent) if e.final] == [story]
    assert total == pytest.approx(len(story) * 0.06, abs=0.05)


@pytest.mark.parametrize(
    ("callback", "code", "says"),
    [
        ("raises", "agent_error", "KeyError"),
        ("none", "agent_error", "returned None"),
        ("number", "agent_error", "yielded int"),
        ("hangs", "timeout", "no text for 2 s"),
    ],
)
def test_a_callback_that_fails_is_reported_and_the_next_turn_works(
    stage: Stage, callback: str, code: str, says: str
) -> None:
    stage.utterances("first", "second")

    async def answer(transcript: str) -> Any:
        if transcript == "second":
            return "Fine."
        match callback:
            case "raises":
                raise KeyError("secret")
            case "none":
                return None
            case "number":
                return _numbers()
            case _:
                await asyncio.sleep(1000)

    async def _numbers() -> AsyncIterator[Any]:
        yield 42

    async def play(session: Session) -> list[Any]:
        await session.start()
        events = asyncio.create_task(collect(session))
        await speak(session, 1.0, after=9.0)
        await speak(session, 1.0, after=4.0)
        await session.stop()
        return await events

    events = stage.run(play, answer, config={"timeout": 2.0}, error_reply="Sorry.")
    errors = of(events, ev.ErrorEvent)
    assert [(e.code, e.stage) for e in errors] == [(code, "agent")]
    assert says in errors[0].message
    assert [e.text for e in of(events, ev.AgentTextEvent) if e.final] == ["Sorry.", "Fine."]


def test_a_callback_that_yields_for_ever_is_cut(stage: Stage) -> None:
    stage.utterances("first")

    async def answer(transcript: str) -> AsyncIterator[str]:
        while True:
            yield "and on "
            await asyncio.sleep(0)

    async def play(session: Session) -> list[Any]:
        await session.start()
        events = asyncio.create_task(collect(session))
        await speak(session, 1.0, after=5.0)
        assert session.state == "speaking"
        assert sum(len(text) for text in stage.tts.spoken) < 3000, "generation waits for the voice"
        await session.stop()
        return await events

    assert of(stage.run(play, answer), ev.ClosedEvent)


def test_a_voice_that_fails_is_reported_and_the_session_goes_on(stage: Stage) -> None:
    stage.utterances("first", "second")
    stage.tts.failures.append(PipelineError("synthesize", "pipeline_error", "no voice today"))

    async def play(session: Session) -> list[Any]:
        await session.start()
        events = asyncio.create_task(collect(session))
        await speak(session, 1.0, after=3.0)
        await speak(session, 1.0, after=4.0)
        await session.stop()
        return await events

    events = stage.run(play)
    assert [(e.stage, e.message) for e in of(events, ev.ErrorEvent)] == [("tts", "no voice today")]
    assert [e.text for e in of(events, ev.AgentTextEvent) if e.final] == ["You said second."]


def test_a_recogniser_that_dies_is_opened_again(stage: Stage) -> None:
    stage.utterances("first", "second")
    stage.stt.failures.append(PipelineError("recognise", "pipeline_error", "gone"))

    async def play(session: Session) -> list[Any]:
        await session.start()
        events = asyncio.create_task(collect(session))
        await speak(session, 1.0, after=4.0)
        await speak(session, 1.0, after=4.0)
        await session.stop()
        return await events

    events = stage.run(play)
    assert [e.stage for e in of(events, ev.ErrorEvent)] == ["stt"]
    assert stage.stt.opened == 2
    assert stage.stt.closed == 2
    assert [e.text for e in of(events, ev.TranscriptEvent) if e.final] == ["first", "second"]


def test_a_recogniser_that_keeps_dying_ends_the_session_with_an_error(stage: Stage) -> None:
    stage.stt.failures += [PipelineError("recognise", "pipeline_error", "gone")] * 20

    async def play(session: Session) -> list[Any]:
        await session.start()
        events = asyncio.create_task(collect(session))
        for _ in range(8):
            if session.state != "closed":
                await speak(session, 0.5, after=3.0)
        await session.wait_closed()
        return await events

    events = stage.run(play, config={"max_retries": 2, "retry_delay": 0.1})
    assert len(of(events, ev.ErrorEvent)) == 3
    assert events[-1].reason == "error"


STATES = ("new", "starting", "listening", "user_speaking", "deciding", "thinking", "speaking", "draining")


@pytest.mark.parametrize("when", STATES)
@pytest.mark.parametrize("hang", ["nothing", "callback", "stt", "tts"])
def test_stop_from_any_state_ends_within_two_seconds(stage: Stage, when: str, hang: str) -> None:
    stage.utterances("a long question for you", "another")

    async def forever(*_: Any, **__: Any) -> Any:
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                if hang != "callback":
                    raise
                await asyncio.sleep(0.5)  # a callback that takes its time to be cancelled
                raise

    async def answer(transcript: str) -> str:
        if when == "thinking" or hang == "callback":
            await forever()
        return "A rather long answer so that there is time to stop in the middle of it."

    async def play(session: Session) -> None:
        loop = asyncio.get_running_loop()
        if when != "new":
            if when == "starting":
                stage.stt.open_delay = 1000.0
                starting = asyncio.create_task(session.start())
                await asyncio.sleep(0.1)
            else:
                await session.start()
        if hang == "stt":
            stage.stt.close_delay = 1000.0
        if hang == "tts":
            stage.tts.first_audio = 1000.0
        if when in STATES[3:]:
            await speak(session, 1.5, after={"user_speaking": 0.0, "deciding": 0.25}.get(when, 2.0))
        if when == "draining" and session.state == "speaking":
            closing = asyncio.create_task(session.stop(graceful=True))
            await asyncio.sleep(0.1)
            assert session.state == "draining"
        before = loop.time()
        await session.stop()
        assert loop.time() - before <= 2.0
        assert session.state == "closed"
        await session.stop()
        if when == "starting":
            with pytest.raises(bv.SessionError, match="while it started"):
                await starting
        if when == "draining" and "closing" in locals():
            await closing
        with pytest.raises(bv.SessionError, match="it has ended"):
            await session.process_audio(b"\0\0")

    stage.run(play, answer)


def test_a_graceful_stop_lets_the_agent_finish(stage: Stage) -> None:
    stage.utterances("hello")

    async def play(session: Session) -> list[Any]:
        await session.start()
        events = asyncio.create_task(collect(session))
        await speak(session, 1.0, after=1.0)
        await session.stop("done", graceful=True)
        return await events

    events = stage.run(play)
    assert [e.text for e in of(events, ev.AgentTextEvent) if e.final] == ["You said hello."]
    assert events[-1].reason == "done"


def test_calls_before_start_and_twice(stage: Stage) -> None:
    async def play(session: Session) -> None:
        assert session.state == "starting"
        for call in (
            session.process_audio(b""),
            session.say("x"),
            session.send_audio(b""),
            session.send_text("x"),
        ):
            with pytest.raises(bv.SessionError, match="call start"):
                await call
        await session.start()
        with pytest.raises(bv.SessionError, match="started before"):
            await session.start()
        with pytest.raises(bv.FormatError, match="3 bytes"):
            await session.process_audio(b"abc")
        with pytest.raises(bv.FormatError, match="must be bytes"):
            await session.process_audio("text")  # type: ignore[arg-type]
        assert session.state == "listening"

    stage.run(play)


def test_say_typed_text_and_own_audio(stage: Stage) -> None:
    async def play(session: Session) -> list[Any]:
        await session.start()
        events = asyncio.create_task(collect(session))
        total = 0.0

        async def listen() -> None:
            nonlocal total
            async for frame in session.receive_audio():
                total += frame.duration

        listener = asyncio.create_task(listen())
        await session.say("Welcome.")
        await asyncio.sleep(3.0)
        await session.send_text("what is your name")
        await asyncio.sleep(5.0)
        before = total
        for _ in range(10):
            await session.send_audio(tone(0.1, session.output_sample_rate))
        await asyncio.sleep(3.0)
        assert total - before == pytest.approx(1.0, abs=0.05)
        await session.stop()
        await listener
        return await events

    events = stage.run(play)
    assert [e.text for e in of(events, ev.AgentTextEvent) if e.final] == [
        "Welcome.",
        "You said what is your name.",
    ]


def test_greeting_phrases_and_metadata(stage: Stage) -> None:
    async def play(session: Session) -> None:
        session.update_metadata({"plan": "gold"})
        assert session.metadata == {"room": "a", "plan": "gold"}
        await session.start()
        await asyncio.sleep(2.0)
        assert [m.content for m in session.history] == ["Hello."]

    given = {"room": "a"}
    stage.run(play, greeting="Hello.", metadata=given)
    assert given == {"room": "a"}, "the caller's dict is left alone"


def test_context_is_given_to_a_callback_with_two_arguments(stage: Stage) -> None:
    stage.utterances("goodbye")
    seen: list[Any] = []

    async def answer(context: Any, transcript: str) -> str:
        seen.append((context.user_id, context.turn.number, [m.content for m in context.history]))
        await context.say("One moment.")
        context.end_session()
        return "Goodbye."

    async def play(session: Session) -> list[Any]:
        await session.start()
        events = asyncio.create_task(collect(session))
        await speak(session, 1.0, after=2.0)
        await asyncio.wait_for(session.wait_closed(), 20)
        return await events

    events = stage.run(play, answer)
    assert seen == [("somebody", 1, ["goodbye"])]
    assert [e.text for e in of(events, ev.AgentTextEvent) if e.final] == ["One moment. Goodbye."]
    assert events[-1].reason == "agent_ended"


def test_the_callback_can_be_changed_between_turns(stage: Stage) -> None:
    stage.utterances("one", "two")

    async def other(_: str) -> str:
        return "Other."

    async def play(session: Session) -> list[str]:
        await session.start()
        await speak(session, 1.0, after=4.0)
        session.set_agent_callback(other)
        await speak(session, 1.0, after=4.0)
        return [m.content for m in session.history if m.role == "assistant"]

    assert stage.run(play) == ["You said one.", "Other."]


def test_a_transport_carries_audio_events_and_controls(stage: Stage) -> None:
    stage.utterances("hello")

    async def play(session: Session) -> None:
        transport = session.transport
        assert isinstance(transport, MemoryTransport)
        await session.start()
        for chunk in range(0, 32000, 640):
            transport.feed(tone(1.0)[chunk : chunk + 640])
            await asyncio.sleep(0.02)
        for _ in range(100):
            transport.feed(silence(0.02))
            await asyncio.sleep(0.02)
        assert {f.sample_rate for f in transport.sent} == {16000}
        assert "transcript" in {e["type"] for e in transport.events}
        with pytest.raises(bv.ConfigError, match="transport carries"):
            await anext(session.receive_audio())
        transport.control({"type": "text", "text": "typed"})
        transport.control({"type": "dtmf", "digit": "5"})
        transport.control({"type": "nonsense"})
        await asyncio.sleep(4.0)
        assert {"type": "dtmf", "digit": "5"}.items() <= next(
            e for e in transport.events if e["type"] == "dtmf"
        ).items()
        transport.end()
        await asyncio.wait_for(session.wait_closed(), 5)
        assert transport.events[-1] | {"at": 0} == {
            "type": "closed",
            "at": 0,
            "reason": "transport_lost",
            "code": "",
        }

    stage.run(play, transport=MemoryTransport())


def test_processors_run_in_order_and_a_broken_one_is_skipped(stage: Stage) -> None:
    stage.utterances("hello")
    order: list[str] = []

    class Note:
        def __init__(self, name: str, order: int, stage: str = "pre_stt") -> None:
            self.name, self.order, self.stage = name, order, stage

        async def process(self, frame: bv.AudioFrame, context: Any) -> bv.AudioFrame | None:
            order.append(self.name)
            if self.name == "broken":
                raise RuntimeError("no")
            return frame

    async def play(session: Session) -> list[Any]:
        await session.start()
        events = asyncio.create_task(collect(session))
        await speak(session, 1.0, after=3.0)
        await session.stop()
        return await events

    processors = (Note("second", 2), Note("first", 1), Note("broken", 3), Note("out", 1, "post_tts"))
    events = stage.run(play, config={"custom_processors": processors})
    assert order[:3] == ["first", "second", "broken"]
    assert "out" in order
    assert [e.stage for e in of(events, ev.ErrorEvent)] == ["processor"]
    assert of(events, ev.AgentTextEvent)[-1].text == "You said hello."


def test_the_event_log_replays(stage: Stage, tmp_path: Path) -> None:
    from beluga_voice.cli.replay import read_log
    from beluga_voice.core.replay import replay

    stage.utterances("tell me a story", "stop it please")
    log = tmp_path / "logs" / "one.jsonl"

    async def play(session: Session) -> None:
        await session.start()
        await speak(session, 1.5, after=2.0)
        await speak(session, 1.2, after=4.0)

    stage.run(play, event_log=log)
    result = replay(read_log(log))
    assert result.difference is None
    assert result.commands > 10
    assert result.events[-1]["type"] == "closed"


def test_few_tasks_and_no_growth(stage: Stage) -> None:
    async def play(session: Session) -> int:
        await session.start()
        most = session.task_count
        for _ in range(10):
            stage.utterances("hello")
            await speak(session, 1.0, after=0.5)
            most = max(most, session.task_count)
            await session.process_audio(silence(3.0))
            most = max(most, session.task_count)
        assert session.metrics.turns == 10
        assert session.metrics.latency_p95 is not None
        assert session.metrics.latency_p95 < 0.5
        return most

    assert stage.run(play, transport=None) <= 8


@pytest.mark.parametrize(
    ("probability", "least", "most"), [(0.98, 0.19, 0.3), (0.02, 0.6, 2.7), (None, 0.27, 0.7)]
)
def test_a_turn_detector_shortens_and_lengthens_the_wait(
    stage: Stage, probability: float | None, least: float, most: float
) -> None:
    """ "i lost my key" may or may not be the end of it (audio may run a frame ahead of the clock)."""
    stage.utterances("i lost my key")
    asked: list[tuple[str, float]] = []

    class Detector:
        async def complete(self, text: str, audio: bytes, sample_rate: int) -> float:
            asked.append((text, len(audio) / 2 / sample_rate))
            if probability is None:
                raise RuntimeError
            return probability

    registry_for("turn").register("judge", lambda settings: Detector(), override=True)

    async def play(session: Session) -> list[Any]:
        await session.start()
        events = asyncio.create_task(collect(session))
        await speak(session, 1.5, after=6.0)
        await session.stop()
        return await events

    try:
        events = stage.run(play, config={"turn_detection_provider": "judge"})
    finally:
        registry_for("turn").unregister("judge")
    assert asked[-1][0] == "i lost my key"
    assert asked[-1][1] > 1.4
    (metrics,) = of(events, ev.MetricsEvent)
    assert least <= metrics.endpointing <= most
