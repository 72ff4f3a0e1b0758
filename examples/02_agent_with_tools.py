"""An agent with a tool and a language model. The model is scripted here; see below for a real one."""

import asyncio

import beluga_voice as bv
from beluga_voice.frames import ToolCall
from beluga_voice.testing.scripted import ScriptedLLM


@bv.tool
async def find_table(people: int, time: str) -> str:
    """Looks for a free table.

    Args:
        people: how many.
        time: when, as HH:MM.
    """
    return f"table 4 is free for {people} at {time}"


# A real one: Config(llm_provider="openai", llm_config={"base_url": "http://127.0.0.1:11434/v1", "model": "llama3.2"})
model = ScriptedLLM(
    replies=[
        bv.ChatDelta(tool_calls=(ToolCall("1", "find_table", {"people": 2, "time": "19:00"}),)),
        "Table four is yours at seven.",
    ]
)
waiter = bv.Agent("You book tables. Be brief.", tools=[find_table], llm=model, greeting="Good evening.")


async def main() -> None:
    async with bv.new_backend("embedded", bv.Config(provider="embedded")) as backend:
        session = await backend.create_session(bv.SessionConfig(user_id="guest", agent=waiter))
        async with session:
            await session.send_text("A table for two at seven, please.")
            async for event in session.events():
                if isinstance(event, bv.events.ToolEvent):
                    print(f"{event.name} {event.phase} {event.result}")
                if isinstance(event, bv.events.AgentTextEvent) and event.final:
                    print(f"agent: {event.text}")
                    if event.turn == 1:
                        break


asyncio.run(main())
