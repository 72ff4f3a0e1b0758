"""Who gets an echo canceller: sessions whose microphone hears their speaker, unless something else is configured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import beluga_voice as bv
from beluga_voice.errors import missing_extra
from beluga_voice.frames import AudioFrame
from beluga_voice.registry import registry_for
from beluga_voice.testing.echo_room import EchoRoom
from beluga_voice.testing.loop import run
from beluga_voice.testing.scripted import tone
from beluga_voice.transports.local import LocalTransport
from stage import Stage, echo


class Filter:
    """A noise filter that writes down what it is given and makes silence of it."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = dict(settings)
        self.opened: list[int] = []
        self.heard: list[tuple[int, float]] = []
        self.references: list[tuple[AudioFrame, float]] = []
        self.closed = 0

    def open(self, sample_rate: int) -> Filter:
        self.opened.append(sample_rate)
        return self

    def process(self, pcm: bytes, at: float) -> bytes:
        self.heard.append((len(pcm), at))
        return bytes(len(pcm))

    def played(self, frame: AudioFrame, delay: float) -> None:
        self.references.append((frame, delay))

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def made() -> Iterator[list[Filter]]:
    """Filters that take the canceller's name."""
    filters: list[Filter] = []

    def make(settings: Mapping[str, Any]) -> Filter:
        filters.append(Filter(settings))
        return filters[-1]

    noise = registry_for("noise")
    original = noise.factory("webrtc_apm")
    noise.register("webrtc_apm", make, override=True)
    yield filters
    noise.register("webrtc_apm", original, override=True)


def talk(stage: Stage, *rooms: EchoRoom, seconds: float = 3.0, **config: Any) -> None:
    """A session in each room, one after the other, in which the agent greets and a tone is in the air."""

    async def main() -> None:
        import asyncio

        async with bv.new_backend("embedded", stage.config(**config)) as backend:
            for room in rooms:
                session = await backend.create_session(
                    bv.SessionConfig(
                        user_id="somebody", transport=room, agent_callback=echo, greeting="Good morning."
                    )
                )
                await session.start()
                room.say(tone(0.2), after=2.0)
                await asyncio.sleep(seconds)
                await session.stop()

    run(main())


def test_a_room_that_echoes_gets_one_and_it_hears_both_sides(stage: Stage, made: list[Filter]) -> None:
    talk(stage, EchoRoom(), noise_cancellation_config={"noise_suppression": True})
    (canceller,) = made
    assert canceller.settings == {"noise_suppression": True}
    assert canceller.opened == [16_000]
    assert {size for size, _ in canceller.heard} == {640}
    times = [at for _, at in canceller.heard]
    assert times == sorted(times)
    assert len(times) == pytest.approx(150, abs=3)
    spoken = sum(frame.duration for frame, _ in canceller.references)
    assert spoken == pytest.approx(0.06 * len("Good morning."), abs=0.03)
    starts = [frame.pts for frame, _ in canceller.references]
    assert starts == sorted(starts)
    assert canceller.closed


def test_it_is_made_once_for_all_sessions(stage: Stage, made: list[Filter]) -> None:
    talk(stage, EchoRoom(), EchoRoom(), seconds=0.5)
    assert len(made) == 1
    assert made[0].opened == [16_000, 16_000]


def test_a_transport_that_does_not_echo_gets_none(stage: Stage, made: list[Filter]) -> None:
    talk(stage, EchoRoom(None, echoes=False))
    assert made == []


def test_none_switches_it_off(stage: Stage, made: list[Filter]) -> None:
    talk(stage, EchoRoom(), noise_cancellation_provider="none")
    assert made == []


def test_a_filter_that_is_configured_is_used_everywhere(stage: Stage, made: list[Filter]) -> None:
    talk(stage, EchoRoom(None, echoes=False), noise_cancellation_provider="webrtc_apm")
    assert made[0].opened == [16_000]
    assert made[0].references


def test_without_the_extra_the_session_goes_on_and_the_log_says_what_to_install(
    stage: Stage, made: list[Filter], caplog: pytest.LogCaptureFixture
) -> None:
    def missing(settings: Mapping[str, Any]) -> Any:
        raise missing_extra("create_noise", "webrtc_apm (module livekit)", "livekit")

    registry_for("noise").register("webrtc_apm", missing, override=True)
    room = EchoRoom(None, noise=None)
    talk(stage, room)
    assert any(event["type"] == "agent_text" for event in room.events)
    assert 'pip install "beluga-voice[livekit]"' in caplog.text


def test_a_wrong_setting_is_told_and_nothing_is_left(stage: Stage) -> None:
    async def main() -> None:
        config = stage.config(noise_cancellation_config={"echo": 1})
        async with bv.new_backend("embedded", config) as backend:
            with pytest.raises(bv.ConfigError, match="echo"):
                await backend.create_session(
                    bv.SessionConfig(user_id="somebody", transport=EchoRoom(), agent_callback=echo)
                )
            assert backend.active_session_count == 0

    run(main())


def test_this_machines_microphone_hears_its_speaker() -> None:
    assert LocalTransport.echoes
