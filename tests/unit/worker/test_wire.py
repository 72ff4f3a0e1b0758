from __future__ import annotations

import pytest
from livekit.protocol import agent as pb
from livekit.protocol import models

from beluga_voice.errors import ConfigError, FormatError
from beluga_voice.livekit.records import Permissions
from beluga_voice.worker import messages as m
from beluga_voice.worker import wire
from beluga_voice.worker.jobs import Answer


@pytest.mark.parametrize(
    ("url", "door"),
    [
        ("ws://127.0.0.1:7880", "ws://127.0.0.1:7880/agent?protocol=1"),
        ("http://127.0.0.1:7880/", "ws://127.0.0.1:7880/agent?protocol=1"),
        ("wss://x.livekit.cloud", "wss://x.livekit.cloud/agent?protocol=1"),
        ("https://host/livekit", "wss://host/livekit/agent?protocol=1"),
    ],
)
def test_the_door_of_a_server(url: str, door: str) -> None:
    assert wire.agent_url(url) == door


@pytest.mark.parametrize("url", ["", "127.0.0.1:7880", "ftp://host", "ws://"])
def test_a_wrong_address_names_the_remedy(url: str) -> None:
    with pytest.raises(ConfigError, match="wss://host"):
        wire.agent_url(url)


def test_what_the_server_is_told() -> None:
    def told(message: m.ToServer) -> pb.WorkerMessage:
        return pb.WorkerMessage.FromString(wire.encode(message, 1234))

    answer = Answer(True, "bot", "Bot", "{}", {"a": "b"})
    a = told(m.Availability("AJ_1", answer)).availability
    assert (a.job_id, a.available, a.participant_identity, a.participant_name) == ("AJ_1", True, "bot", "Bot")
    assert dict(a.participant_attributes) == {"a": "b"}
    s = told(m.WorkerStatus(True, 0.5, 3, True)).update_worker
    assert (s.status, s.load, s.job_count, s.draining) == (pb.WS_FULL, 0.5, 3, True)
    j = told(m.JobUpdate("AJ_1", "failed", "x" * 9000)).update_job
    assert (j.job_id, j.status, len(j.error)) == ("AJ_1", pb.JS_FAILED, 500)
    assert told(m.Ping()).ping.timestamp == 1234
    assert list(told(m.MigrateJobs(("a", "b"))).migrate_job.job_ids) == ["a", "b"]
    assert told(m.SimulateJob("r")).simulate_job.room.name == "r"
    with pytest.raises(TypeError):
        wire.encode(m.Register(), 0)


def test_the_registration() -> None:
    data = wire.registration(
        "publisher",
        "desk",
        "0.1.0",
        ping_interval=10.0,
        permissions=Permissions(hidden=True),
    )
    r = pb.WorkerMessage.FromString(data).register
    assert (r.type, r.agent_name, r.ping_interval) == (pb.JT_PUBLISHER, "desk", 10)
    assert r.allowed_permissions.hidden


def test_what_the_server_says() -> None:
    def said(**message: object) -> object:
        return wire.decode(pb.ServerMessage(**message).SerializeToString())  # type: ignore[arg-type]

    job = pb.Job(
        id="AJ_1",
        type=pb.JT_PARTICIPANT,
        room=models.Room(name="lobby", sid="RM_1", metadata="blue"),
        participant=models.ParticipantInfo(
            identity="ann", kind=models.ParticipantInfo.Kind.SIP, attributes={"sip.callID": "1"}
        ),
        metadata="hello",
        attributes={"k": "v"},
        state=pb.JobState(participant_identity="agent-1"),
    )
    offered = said(availability=pb.AvailabilityRequest(job=job))
    assert isinstance(offered, m.Offered)
    got = offered.job
    assert (got.id, got.kind, got.room, got.room_metadata) == ("AJ_1", "participant", "lobby", "blue")
    assert got.participant is not None
    assert (got.participant.identity, got.participant.kind) == ("ann", "sip")
    assert dict(got.participant.attributes) == {"sip.callID": "1"}
    assigned = said(assignment=pb.JobAssignment(job=job, token="t"))
    assert isinstance(assigned, m.Assigned)
    assert (assigned.token, assigned.url, assigned.identity) == ("t", "", "agent-1")
    assert said(termination=pb.JobTermination(job_id="AJ_1")) == m.Terminated("AJ_1")
    assert said(pong=pb.WorkerPong()) == m.Pong()
    assert said(go_away=pb.AgentHttp.GoAway(reason="bye")) == m.ServerLeaves("bye")
    registered = said(register=pb.RegisterWorkerResponse(worker_id="AW_1"))
    assert isinstance(registered, m.Registered)
    assert registered.worker_id == "AW_1"
    assert said() is None


def test_a_room_job_has_no_participant() -> None:
    message = pb.ServerMessage(availability=pb.AvailabilityRequest(job=pb.Job(id="AJ_1")))
    offered = wire.decode(message.SerializeToString())
    assert isinstance(offered, m.Offered)
    assert offered.job.participant is None


@pytest.mark.parametrize("data", ["text", b"\xff\xff\xff"])
def test_noise_is_an_error(data: bytes | str) -> None:
    with pytest.raises(FormatError):
        wire.decode(data)
