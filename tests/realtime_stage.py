"""A backend around the scripted speech-to-speech model, and conversations with it in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import beluga_voice as bv
from beluga_voice.registry import registry_for
from beluga_voice.session.session import Session
from beluga_voice.testing.loop import run
from beluga_voice.testing.scripted import ScriptedVAD, silence, tone
from beluga_voice.testing.scripted_realtime import ScriptedModel, ScriptedStream, SettingsModel


@dataclass
class RealtimeStage:
    """Plays conversations; ``events`` are those of the last one."""

    model: ScriptedModel = field(default_factory=ScriptedModel)
    events: list[Any] = field(default_factory=list)

    @property
    def stream(self) -> ScriptedStream:
        return self.model.streams[-1]

    def script(self, *utterances: str, replies: tuple[str, ...] = ("I heard you.",), **values: Any) -> None:
        self.model = ScriptedModel(SettingsModel(utterances=utterances, replies=replies, **values))

    def play(
        self,
        scene: Callable[[Session], Awaitable[Any]],
        turns: str = "server",
        config: dict[str, Any] | None = None,
        **session: Any,
    ) -> Any:
        registry_for("s2s").register("stage", lambda settings: self.model, override=True)
        registry_for("vad").register("stage", lambda settings: ScriptedVAD(), override=True)
        values: dict[str, Any] = {
            "provider": "embedded",
            "pipeline_type": "s2s",
            "s2s_provider": "stage",
            "vad_provider": "stage",
            **(config or {}),
        }
        values["s2s_config"] = {"turn_detection": turns, **values.get("s2s_config", {})}

        async def main() -> Any:
            async with bv.new_backend("embedded", bv.Config(**values)) as backend:
                made = await backend.create_session(bv.SessionConfig(user_id="somebody", **session))
                try:
                    return await scene(made)
                finally:
                    began = asyncio.get_running_loop().time()
                    await made.stop()
                    assert asyncio.get_running_loop().time() - began <= 2.0
                    self.events = [event async for event in made.events()]
                    left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
                    await asyncio.sleep(0.01)
                    assert [t.get_name() for t in left if not t.done()] == [], "tasks outlived the session"

        try:
            return run(main())
        finally:
            registry_for("s2s").unregister("stage")
            registry_for("vad").unregister("stage")

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


async def voice(session: Session, *parts: float) -> None:
    """Speech and silence in turn, in seconds, beginning with speech."""
    for index, seconds in enumerate(parts):
        await session.process_audio(silence(seconds) if index % 2 else tone(seconds))
