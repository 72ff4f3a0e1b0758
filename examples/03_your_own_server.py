"""Voice inside your own web application: mount the server beside your routes and dial into it."""

import asyncio

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

import beluga_voice as bv
from beluga_voice.server.app import create_app
from beluga_voice.server.run import serve


async def answer(transcript: str) -> str:
    return f"You said: {transcript}"


def session_config(transport, token, metadata) -> bv.SessionConfig:
    return bv.SessionConfig(
        user_id=metadata.get("user", "visitor"), transport=transport, agent_callback=answer
    )


async def main() -> None:
    backend = bv.new_backend("embedded", bv.Config(provider="embedded", max_concurrent_sessions=20))
    voice = create_app(backend, session_config, static=False)
    app = Starlette(
        routes=[Route("/", lambda request: PlainTextResponse("my application")), Mount("/voice", voice)],
        lifespan=voice.state.voice.lifespan,
    )
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(serve(app, port=0, ready=ready.set_result))
    url = (await ready).replace("http", "ws") + "/voice/ws"

    phone = bv.transport.new("websocket", bv.TransportConfig(url=url, extra={"metadata": {"user": "ada"}}))
    heard = asyncio.Event()
    phone.on_control(lambda event: heard.set() if event["type"] == "agent_text" and event["final"] else None)

    async def listen() -> None:
        async for _ in phone.recv():
            pass

    listener = asyncio.create_task(listen())
    await phone.send_event({"type": "text", "text": "hello"})
    await asyncio.wait_for(heard.wait(), 10)
    print("answered over", url.partition("//")[2].partition("/")[2])
    await phone.close()
    await listener
    server.cancel()
    await asyncio.wait([server])


asyncio.run(main())
