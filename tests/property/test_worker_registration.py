"""Any order of events: slots are never oversold, every offer is answered, time always gets on."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from beluga_voice.worker import messages as m
from beluga_voice.worker.jobs import Answer, Job
from beluga_voice.worker.registration import Limits, Phase, Registration

JOBS = st.sampled_from([f"j{n}" for n in range(6)])
CHANCE = st.floats(0.0, 0.999)
EVENTS = st.one_of(
    st.just(m.Start()),
    st.just(m.Connected()),
    st.builds(m.Refused, st.sampled_from([401, 404, 500]), st.just("no"), CHANCE),
    st.builds(m.Failed, st.just("no route"), CHANCE),
    st.builds(m.Lost, st.just("gone"), CHANCE),
    st.builds(m.ServerLeaves, st.just("restart"), CHANCE),
    st.just(m.Registered("AW_1", {})),
    JOBS.map(lambda j: m.Offered(Job(j))),
    st.builds(m.Answered, JOBS, st.booleans().map(lambda yes: Answer(yes, "agent"))),
    JOBS.map(lambda j: m.Assigned(Job(j), "", "t")),
    st.builds(m.Terminated, JOBS),
    st.builds(m.JobReported, JOBS, st.sampled_from(["running", "success", "failed"])),
    st.builds(m.Released, JOBS),
    st.builds(m.Measured, st.floats(0.0, 1.0)),
    st.sampled_from([m.Pong(), m.Drain()]),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(EVENTS, st.floats(0.0, 20.0)), max_size=80),
    st.integers(1, 3),
    st.sampled_from([None, 2]),
)
def test_whatever_happens(events: list[tuple[m.Input, float]], slots: int, retries: int | None) -> None:
    reg = Registration(Limits(slots, max_retries=retries))
    now = 0.0
    offers: dict[str, float] = {}  # asked, and not answered to the server yet
    begun: set[str] = set()
    failed = False

    def follow(commands: list[m.Command]) -> None:
        nonlocal failed
        for command in commands:
            match command:
                case m.Ask(job) if job.id not in begun:
                    offers[job.id] = now
                case m.Send(m.Availability(job_id, _)):
                    offers.pop(job_id, None)
                case m.Begin(assigned):
                    assert assigned.job.id not in begun
                    begun.add(assigned.job.id)
                case m.Fail():
                    failed = True
                case m.Send():
                    assert reg.phase in (Phase.READY, Phase.REGISTERING)
                case _:
                    pass

    for event, after in events:
        now += after
        wakes = 0
        while (due := reg.deadline()) is not None and due <= now:
            follow(reg.wake(due))
            wakes += 1
            assert wakes < 1000, "time does not get on"
        if isinstance(event, m.Lost | m.ServerLeaves):
            offers.clear()  # the server asks anew
        follow(reg.feed(event, now))
        if isinstance(event, m.Released):
            begun.discard(event.job_id)
        assert reg.slots.used <= slots
        assert set(reg.slots.running) == begun or reg.phase is Phase.CLOSED
        if reg.phase is Phase.READY:
            assert all(now - asked <= reg.limits.answer for asked in offers.values())
    assert failed == (reg.phase is Phase.CLOSED)
    if reg.phase in (Phase.WAITING, Phase.REGISTERING, Phase.READY):
        assert reg.deadline() is not None


def test_the_table_names_only_real_methods() -> None:
    from beluga_voice.worker.registration import ANYTIME, TABLE

    assert all(callable(act) for act in [*TABLE.values(), *ANYTIME.values()])
    inputs: set[Any] = {kind for _, kind in TABLE} | set(ANYTIME)
    assert inputs | {m.Pong} == set(m.Input.__args__)  # nothing the server or the shell says is forgotten
