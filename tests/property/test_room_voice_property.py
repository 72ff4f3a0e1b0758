"""However people talk across each other, the room's voice begins, pauses, goes on and ends in order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from beluga_voice.core.inputs import SpeechEnded, SpeechStarted
from beluga_voice.core.realtime_words import SpeechPaused, SpeechResumed
from beluga_voice.pipeline.realtime_ears import RealtimeEars

NEXT = {  # of one person, by what their voice did last
    "silent": {"started": SpeechStarted},
    "started": {"paused": SpeechPaused, "silent": SpeechEnded},
    "paused": {"started": SpeechResumed, "silent": SpeechEnded},
}
ROOM = {
    ("silent", SpeechStarted): "started",
    ("started", SpeechPaused): "paused",
    ("paused", SpeechResumed): "started",
    ("started", SpeechEnded): "silent",
    ("paused", SpeechEnded): "silent",
}


class Someone:
    """What `RealtimeEars` knows of a `Person`."""

    def __init__(self, who: str) -> None:
        self.who, self.did = who, "silent"
        self.voiced = self.paused = False
        self.timeline = SimpleNamespace(audio_end=0.0, heard_at=0.0)

    @property
    def talking(self) -> bool:
        return self.voiced and not self.paused


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), max_size=60))
def test_the_room_s_voice_keeps_its_order(steps: list[tuple[int, int]]) -> None:
    told: list[Any] = []
    listener: Any = SimpleNamespace(tell=lambda event, now=None: told.append(type(event)))
    to_model: Any = SimpleNamespace(rate=16_000, take=lambda pcm, end: None)
    timeline: Any = SimpleNamespace(now=lambda: 0.0)
    ears = RealtimeEars(SimpleNamespace(), timeline, listener, to_model, None, lambda: "")  # type: ignore[arg-type]
    people = [Someone(str(n)) for n in range(4)]
    ears._people = {p.who: p for p in people}  # type: ignore[assignment]
    room = "silent"
    for at, (index, choice) in enumerate(steps):
        person = people[index]
        options = NEXT[person.did]
        did, kind = list(options.items())[choice % len(options)]
        person.did = did
        person.voiced = did != "silent"
        if kind in (SpeechPaused, SpeechResumed):
            person.paused = kind is SpeechPaused
        ears.on_voice(person, kind(float(at)))  # type: ignore[arg-type]
        if kind in (SpeechStarted, SpeechEnded):
            person.paused = False
        for event in told:
            assert (room, event) in ROOM, f"{event.__name__} while the room is {room}"
            room = ROOM[room, event]
        told.clear()
        expected = "silent" if not any(p.voiced for p in people) else "paused"
        assert room == ("started" if any(p.talking for p in people) else expected)
