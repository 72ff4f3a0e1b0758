"""The decisions, step by step and by table."""

from __future__ import annotations

from typing import Any

import pytest

from beluga_voice.errors import AuthError, ConnectError
from beluga_voice.worker import messages as m
from beluga_voice.worker.jobs import Answer, Job
from beluga_voice.worker.registration import BUSY, TABLE, Limits, Phase, Registration, reported_load

YES = Answer(True, "agent-1")
SERVER = {"version": "1.13.5"}


def sent(commands: list[m.Command], kind: type[Any] | None = None) -> list[Any]:
    messages = [c.message for c in commands if isinstance(c, m.Send)]
    return messages if kind is None else [x for x in messages if isinstance(x, kind)]


def ready(now: float = 0.0, **limits: Any) -> Registration:
    reg = Registration(Limits(**{"max_jobs": 2, **limits}))
    assert reg.feed(m.Start(), now) == [m.Connect()]
    assert sent(reg.feed(m.Connected(), now)) == [m.Register()]
    reg.feed(m.Registered("AW_1", SERVER), now)
    assert reg.phase is Phase.READY
    return reg


def running(reg: Registration, job: str, now: float = 0.0) -> None:
    assert m.Ask(Job(job)) in reg.feed(m.Offered(Job(job)), now)
    assert sent(reg.feed(m.Answered(job, YES), now), m.Availability) == [m.Availability(job, YES)]
    assigned = m.Assigned(Job(job), "", "token")
    assert m.Begin(assigned) in reg.feed(assigned, now)


def test_a_job_from_offer_to_end() -> None:
    reg = ready()
    running(reg, "a")
    assert sent(reg.feed(m.JobReported("a", "running"), 1.0)) == [m.JobUpdate("a", "running")]
    assert sent(reg.feed(m.JobReported("a", "success"), 2.0)) == [m.JobUpdate("a", "success")]
    (status,) = sent(reg.feed(m.Released("a"), 3.0))
    assert status == m.WorkerStatus(False, 0.0, 0, False)


def test_the_server_learns_at_once_that_the_last_slot_is_gone() -> None:
    reg = ready(max_jobs=1)
    commands = reg.feed(m.Offered(Job("a")), 0.0)
    assert sent(commands) == [m.WorkerStatus(True, 1.0, 0, False)]


def test_a_full_worker_rejects() -> None:
    reg = ready(max_jobs=1)
    running(reg, "a")
    assert sent(reg.feed(m.Offered(Job("b")), 1.0)) == [m.Availability("b", Answer(False))]


def test_a_burst_of_offers_never_takes_more_than_the_slots() -> None:
    reg = ready(max_jobs=3)
    asked = [reg.feed(m.Offered(Job(f"j{n}")), 0.0) for n in range(20)]
    assert sum(isinstance(c, m.Ask) for commands in asked for c in commands) == 3
    assert sum(len(sent(commands, m.Availability)) for commands in asked) == 17


def test_a_rejection_frees_the_slot() -> None:
    reg = ready(max_jobs=1)
    reg.feed(m.Offered(Job("a")), 0.0)
    commands = reg.feed(m.Answered("a", Answer(False)), 0.1)
    assert sent(commands)[0] == m.Availability("a", Answer(False))
    assert reg.slots.free == 1


def test_a_hook_that_hangs_rejects_after_its_time() -> None:
    reg = ready(max_jobs=1, answer=5.0, ping=100.0, report=100.0)
    reg.feed(m.Offered(Job("a")), 1.0)
    assert reg.deadline() == 6.0
    assert m.Availability("a", Answer(False)) in sent(reg.wake(6.0))
    assert sent(reg.feed(m.Answered("a", YES), 7.0)) == []


def test_a_reservation_without_an_assignment_is_given_up() -> None:
    reg = ready(max_jobs=1, assignment=15.0, ping=100.0, report=100.0)
    reg.feed(m.Offered(Job("a")), 0.0)
    reg.feed(m.Answered("a", YES), 0.0)
    assert reg.deadline() == 15.0
    assert sent(reg.wake(15.0)) == [m.WorkerStatus(False, 0.0, 0, False)]
    late = m.Assigned(Job("a"), "", "t")
    assert m.Begin(late) in reg.feed(late, 16.0)  # there is room for it still


def test_a_late_assignment_to_a_full_worker_fails() -> None:
    reg = ready(max_jobs=1, assignment=15.0)
    reg.feed(m.Offered(Job("a")), 0.0)
    reg.feed(m.Answered("a", YES), 0.0)
    reg.wake(15.0)
    running(reg, "b", 16.0)
    (update,) = sent(reg.feed(m.Assigned(Job("a"), "", "t"), 17.0))
    assert (update.job_id, update.status) == ("a", "failed")


@pytest.mark.parametrize(("status", "error"), [(401, AuthError), (403, AuthError), (404, ConnectError)])
def test_a_refusal_at_the_door_ends_the_worker(status: int, error: type[Exception]) -> None:
    reg = Registration(Limits(1))
    reg.feed(m.Start(), 0.0)
    (fail,) = reg.feed(m.Refused(status, "no"), 0.0)
    assert isinstance(fail, m.Fail)
    assert isinstance(fail.error, error)
    assert not fail.error.retryable
    assert reg.phase is Phase.CLOSED


@pytest.mark.parametrize("status", [401, 404, 500, 503])
def test_a_worker_that_was_let_in_once_keeps_trying(status: int) -> None:
    reg = ready()
    reg.feed(m.Lost("gone", 0.5), 1.0)
    reg.wake(2.0)
    assert reg.phase is Phase.CONNECTING
    reg.feed(m.Refused(status, "", 0.5), 2.0)
    assert reg.phase is Phase.WAITING


def test_back_off_doubles_with_jitter_up_to_its_cap_and_never_ends() -> None:
    reg = Registration(Limits(1, retry_delay=0.5, retry_cap=15.0))
    reg.feed(m.Start(), 0.0)
    now, waits = 0.0, []
    for attempt in range(50):
        reg.feed(m.Failed("no route", 0.0 if attempt % 2 else 0.999), now)
        due = reg.deadline()
        assert due is not None
        waits.append(due - now)
        now = due
        assert reg.wake(now) == [m.Connect()]
    assert waits[0] == pytest.approx(0.5, abs=0.01)
    assert waits[1] == pytest.approx(0.5)
    assert max(waits) <= 15.0
    assert min(waits[10:]) >= 7.5


def test_it_gives_up_after_max_retries() -> None:
    reg = Registration(Limits(1, max_retries=2))
    reg.feed(m.Start(), 0.0)
    for now in (0.0, 20.0):
        reg.feed(m.Failed("no route"), now)
        reg.wake(now + 19.0)
    (fail,) = reg.feed(m.Failed("no route"), 40.0)
    assert isinstance(fail, m.Fail)
    assert "no route; gave up after 3 tries" in fail.error.message


def test_jobs_outlive_the_connection_and_the_next_one_is_told() -> None:
    reg = ready(max_jobs=3)
    running(reg, "a")
    running(reg, "b")
    reg.feed(m.Offered(Job("c")), 0.0)  # reserved only: the server asks anew
    reg.feed(m.Lost("server killed"), 1.0)
    assert reg.slots.used == 2
    assert sent(reg.feed(m.JobReported("b", "failed", "oh"), 2.0)) == []
    reg.feed(m.Released("b"), 2.0)
    reg.wake(3.0)
    reg.feed(m.Connected(), 3.0)
    told = sent(reg.feed(m.Registered("AW_2", SERVER), 3.0))
    assert told[:3] == [m.MigrateJobs(("a",)), m.JobUpdate("a", "running"), m.JobUpdate("b", "failed", "oh")]
    assert told[3] == m.WorkerStatus(False, reported_load(1 / 3, full=False), 1, False)


def test_a_job_that_is_reported_over_is_not_migrated() -> None:
    reg = ready()
    running(reg, "a")
    reg.feed(m.JobReported("a", "success"), 1.0)
    reg.feed(m.Lost(), 2.0)
    reg.wake(20.0)
    reg.feed(m.Connected(), 20.0)
    assert sent(reg.feed(m.Registered("AW_2", SERVER), 20.0), m.MigrateJobs) == []
    assert reg.slots.used == 1


def test_a_job_moved_to_the_new_connection_goes_on() -> None:
    reg = ready(max_jobs=1)
    running(reg, "a")
    assert m.Ask(Job("a")) in reg.feed(m.Offered(Job("a")), 1.0)
    assert sent(reg.feed(m.Answered("a", YES), 1.0)) == [m.Availability("a", YES)]
    assert reg.feed(m.Assigned(Job("a"), "", "new"), 1.0) == []
    assert reg.slots.used == 1


def test_the_server_ends_a_job() -> None:
    reg = ready()
    running(reg, "a")
    assert reg.feed(m.Terminated("a"), 1.0) == [m.End("a", "terminated by the server")]
    assert reg.feed(m.Terminated("unknown"), 1.0) == []


def test_draining_takes_nothing_and_says_when_it_is_done() -> None:
    reg = ready()
    running(reg, "a")
    assert sent(reg.feed(m.Drain(), 1.0)) == [m.WorkerStatus(True, 1.0, 1, True)]
    assert sent(reg.feed(m.Offered(Job("b")), 1.0)) == [m.Availability("b", Answer(False))]
    assert m.Drained() in reg.feed(m.Released("a"), 2.0)
    assert m.Drained() not in reg.feed(m.Measured(0.1), 3.0)


def test_draining_waits_for_an_accepted_job() -> None:
    reg = ready()
    reg.feed(m.Offered(Job("a")), 0.0)
    reg.feed(m.Answered("a", YES), 0.0)
    assert m.Drained() not in reg.feed(m.Drain(), 0.0)
    assigned = m.Assigned(Job("a"), "", "t")
    assert m.Begin(assigned) in reg.feed(assigned, 0.1)


def test_draining_without_a_connection() -> None:
    reg = Registration(Limits(1))
    reg.feed(m.Start(), 0.0)
    reg.feed(m.Failed("no"), 0.0)
    assert reg.feed(m.Drain(), 1.0) == [m.Drained()]


def test_an_overloaded_process_takes_nothing_until_it_is_relieved() -> None:
    reg = ready(overload=5.0)
    assert reg.feed(m.Measured(0.96), 1.0) == []  # for a moment, as when many sessions start at once
    assert reg.feed(m.Measured(0.99), 5.9) == []
    assert sent(reg.feed(m.Measured(0.99), 6.0)) == [m.WorkerStatus(True, 1.0, 0, False)]
    assert reg.feed(m.Measured(0.85), 7.0) == []
    assert sent(reg.feed(m.Offered(Job("a")), 7.0)) == [m.Availability("a", Answer(False))]
    (status,) = sent(reg.feed(m.Measured(0.5), 8.0))
    assert not status.full
    assert status.load == reported_load(0.5, full=False)


def test_a_limit_of_one_is_none() -> None:
    reg = ready(max_load=1.0, overload=0.0)
    assert reg.feed(m.Measured(1.0), 1.0) == []
    assert not reg.full


def test_a_worker_with_a_free_slot_is_below_the_servers_target_load() -> None:
    assert reported_load(1.0, full=False) == BUSY < 0.7
    assert reported_load(0.0, full=True) == 1.0


def test_load_is_reported_and_the_server_pinged_now_and_then() -> None:
    reg = ready(ping=10.0, report=2.5)
    seen: list[Any] = []
    while (due := reg.deadline()) is not None and due <= 30.0:
        seen += sent(reg.wake(due))
    assert sum(isinstance(x, m.Ping) for x in seen) == 3
    assert sum(isinstance(x, m.WorkerStatus) for x in seen) == 12


def test_a_server_that_does_not_register_is_left() -> None:
    reg = Registration(Limits(1, register=10.0))
    reg.feed(m.Start(), 0.0)
    reg.feed(m.Connected(), 1.0)
    assert reg.deadline() == 11.0
    assert reg.wake(11.0) == [m.Disconnect()]
    assert reg.phase is Phase.WAITING


def test_a_server_that_is_about_to_end_is_left_and_looked_for_again() -> None:
    reg = ready()
    assert reg.feed(m.ServerLeaves("restart", 0.5), 1.0) == [m.Disconnect()]
    assert reg.phase is Phase.WAITING
    assert reg.last_problem == "restart"


def test_nothing_happens_after_close() -> None:
    reg = ready()
    assert reg.feed(m.Close(), 1.0) == [m.Disconnect()]
    for event in (m.Start(), m.Connected(), m.Lost(), m.Offered(Job("a")), m.Drain(), m.Released("a")):
        assert reg.feed(event, 2.0) == []
    assert reg.deadline() is None
    assert reg.wake(99.0) == []


def test_what_is_not_in_the_table_is_ignored() -> None:
    reg = Registration(Limits(1))
    reg.feed(m.Start(), 0.0)
    for event in (m.Offered(Job("a")), m.Registered("AW_1", SERVER), m.Lost(), m.Start()):
        assert (Phase.CONNECTING, type(event)) not in TABLE
        assert reg.feed(event, 0.0) == []
    assert reg.phase is Phase.CONNECTING
