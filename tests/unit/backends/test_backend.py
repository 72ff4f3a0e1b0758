"""The shared path that makes sessions: hooks, limits, stores, health."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

import beluga_voice as bv
from beluga_voice.hooks import AuthResult
from beluga_voice.stores.memory import MemoryStore
from beluga_voice.testing.loop import run
from stage import Stage, echo, speak


def session(**values: Any) -> bv.SessionConfig:
    return bv.SessionConfig(**{"user_id": "somebody", "agent_callback": echo, **values})


def test_sessions_are_counted_found_and_closed(stage: Stage) -> None:
    async def main() -> None:
        backend = bv.new_backend("embedded", stage.config(max_concurrent_sessions=2))
        with pytest.raises(bv.SessionError, match="not started"):
            await backend.create_session(session())
        async with backend:
            first = await backend.create_session(session())
            second = await backend.create_session(session())
            assert first.id != second.id
            assert backend.active_session_count == 2
            with pytest.raises(
                bv.CapacityError, match=r"maximum concurrent sessions \(2\) exceeded"
            ) as caught:
                await backend.create_session(session())
            assert caught.value.code == "session_limit_exceeded"
            assert (await backend.health_check()).status == "degraded"
            assert backend.get_session(first.id) is first
            await first.start()
            await backend.close_session(first.id)
            assert backend.list_sessions() == [second]
            assert (await backend.health_check()).status == "healthy"
            with pytest.raises(bv.SessionError, match="not found"):
                backend.get_session(first.id)
            with pytest.raises(bv.SessionError, match="not found"):
                await backend.close_session("nobody")
        assert backend.active_session_count == 0
        assert second.state == "closed"
        assert (await backend.health_check()).status == "unhealthy"
        await backend.stop()
        async with backend:
            await backend.create_session(session())

    run(main())


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"agent_callback": None}, "either agent_callback or agent must be set"),
        ({"agent_callback": lambda t: "x"}, "async"),
        ({"agent_callback": None, "agent": "me"}, "must be a beluga_voice.Agent"),
        ({"agent_callback": None, "agent": "real"}, "llm"),
    ],
)
def test_who_answers(stage: Stage, values: dict[str, Any], says: str) -> None:
    async def main() -> None:
        if values.get("agent") == "real":
            values["agent"] = bv.Agent("be nice")
        async with bv.new_backend("embedded", stage.config()) as backend:
            with pytest.raises(bv.ConfigError, match=says):
                await backend.create_session(session(**values))
            assert backend.active_session_count == 0

    run(main())


@pytest.mark.parametrize(
    "values",
    [
        {"stt_provider": "nope"},
        {"tts_provider": "nope"},
        {"vad_provider": "nope"},
        {"turn_detection_provider": "nope"},
        {"llm_provider": "nope"},
    ],
)
def test_a_provider_that_is_not_there_fails_at_creation(values: dict[str, str]) -> None:
    with pytest.raises(bv.ConfigError, match="'nope' not found"):
        bv.new_backend("embedded", bv.Config(provider="embedded", **values))  # type: ignore[arg-type]


class Auth:
    def __init__(self, behaviour: str = "good") -> None:
        self.behaviour = behaviour

    async def authenticate(self, token: str, metadata: Mapping[str, Any]) -> AuthResult:
        if self.behaviour == "raises":
            raise RuntimeError("database on fire")
        if self.behaviour == "hangs":
            await asyncio.sleep(1000)
        return AuthResult("real-user", token == "good", {"plan": "gold"})

    async def authorize(self, user_id: str, operation: str) -> bool:
        assert (user_id, operation) == ("real-user", "create_session")
        return self.behaviour != "forbids"


@pytest.mark.parametrize(
    ("behaviour", "token", "code"),
    [
        ("good", "bad", "authentication_failed"),
        ("raises", "good", "authentication_failed"),
        ("hangs", "good", "authentication_failed"),
        ("forbids", "good", "authorization_failed"),
    ],
)
def test_the_door_stays_shut(stage: Stage, behaviour: str, token: str, code: str) -> None:
    async def main() -> None:
        async with bv.new_backend("embedded", stage.config(auth_hook=Auth(behaviour))) as backend:
            with pytest.raises(bv.AuthError) as caught:
                await backend.create_session(session(token=token))
            assert caught.value.code == code
            assert "on fire" not in str(caught.value)

    run(main())


def test_the_authenticated_user_and_their_metadata_are_used(stage: Stage) -> None:
    async def main() -> None:
        async with bv.new_backend("embedded", stage.config(auth_hook=Auth())) as backend:
            config = session(token="good", metadata={"room": "a"})
            made = await backend.create_session(config)
            assert made.user_id == "real-user"
            assert made.metadata == {"room": "a", "plan": "gold"}
            assert config.metadata == {"room": "a"}, "the caller's config is left alone"

    run(main())


def test_rate_limits_of_the_user_s_own_and_the_fallback(stage: Stage) -> None:
    class Limiter:
        async def allow(self, key: str) -> bool:
            if key == "broken":
                raise RuntimeError
            return key != "greedy"

        async def wait(self, key: str) -> None:
            return

    async def main() -> None:
        config = stage.config(rate_limiter=Limiter(), max_concurrent_sessions=0)
        async with bv.new_backend("embedded", config) as backend:
            await backend.create_session(session())
            with pytest.raises(bv.CapacityError) as caught:
                await backend.create_session(session(user_id="greedy"))
            assert caught.value.code == "rate_limit_exceeded"
            for _ in range(20):
                await backend.create_session(session(user_id="broken"))
            with pytest.raises(bv.CapacityError):
                await backend.create_session(session(user_id="broken"))

    run(main())


class Retention:
    def __init__(self, keep: bool) -> None:
        self.keep = keep

    async def should_retain(self, session_id: str, metadata: Mapping[str, Any]) -> bool:
        assert metadata == {"room": "a"}
        return self.keep

    async def get_retention_period(self, session_id: str) -> float:
        return 60.0


@pytest.mark.parametrize("keep", [True, False, None])
def test_active_sessions_are_stored_and_ended_ones_only_if_asked(stage: Stage, keep: bool | None) -> None:
    store = MemoryStore()
    stage.utterances("hello")

    async def main() -> None:
        hook = None if keep is None else Retention(keep)
        async with bv.new_backend(
            "embedded", stage.config(session_store=store, data_retention_hook=hook)
        ) as backend:
            made = await backend.create_session(session(metadata={"room": "a"}))
            await made.start()
            await speak(made, 1.0, after=4.0)
            (record,) = await store.list_active()
            assert [m.content for m in record.history] == ["hello", "You said hello."]
            assert record.user_id == "somebody"
            await made.stop()
            kept = await store.load(made.id)
            assert await store.list_active() == []
            assert (kept is not None) == bool(keep)
            if kept is not None:
                assert kept.status == "completed"

    run(main())


def test_a_store_that_fails_harms_no_conversation(stage: Stage) -> None:
    class Broken(MemoryStore):
        async def save(self, record: Any) -> None:
            raise OSError("disk full")

    stage.utterances("hello")

    async def main() -> None:
        async with bv.new_backend("embedded", stage.config(session_store=Broken())) as backend:
            made = await backend.create_session(session())
            await made.start()
            await speak(made, 1.0, after=4.0)
            assert len(made.history) == 2

    run(main())


def test_one_session_s_failure_leaves_the_others_alone(stage: Stage) -> None:
    stage.utterances(*["hello"] * 8)

    async def bad(_: str) -> str:
        raise RuntimeError

    async def main() -> None:
        async with bv.new_backend("embedded", stage.config()) as backend:
            made = [
                await backend.create_session(session(agent_callback=bad if i == 2 else echo))
                for i in range(4)
            ]
            for each in made:
                await each.start()
            await asyncio.gather(*(speak(each, 1.0, after=6.0) for each in made))
            replies = [each.history[-1].content for each in made]
            assert replies.count("You said hello.") == 3
            assert made[2].metrics.errors == {"agent_error": 1}

    run(main())
