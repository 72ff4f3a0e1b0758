"""The code in docs/latency.md runs as it is written; what it exports reaches a collector."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest
from collector import Collector

DOCS = (Path(__file__).parents[2] / "docs" / "latency.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)


async def run(*command: str, **environment: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **environment}, stdout=-1, stderr=-2
    )
    out, _ = await asyncio.wait_for(process.communicate(), 50)
    assert process.returncode == 0, out.decode()
    return out.decode()


async def test_the_first_example_names_the_stage_at_fault() -> None:
    assert len(CODE) == 2
    said = await run(sys.executable, "-W", "error", "-c", CODE[0])
    assert re.search(r"^\d\.\d+ s, at fault: llm\n\{'llm': 1\}$", said, re.M), said


async def test_spans_and_metrics_reach_a_collector() -> None:
    async with Collector() as collector:
        await run(sys.executable, "-W", "error", "-c", CODE[1], OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        spans = {span.name: span for span in collector.spans}
        assert {"session", "turn", "turn.llm", "turn.tts", "turn.playout", "turn.delivery"} <= set(spans)
        assert spans["turn"].parent_span_id == spans["session"].span_id
        assert spans["turn.llm"].parent_span_id == spans["turn"].span_id
        assert {"beluga.voice.turn.latency", "beluga.voice.turns"} <= {m.name for m in collector.metrics}
        assert collector.services == {"my-agent"}


async def test_what_is_switched_off_exports_nothing() -> None:
    async with Collector() as collector:
        await run(
            sys.executable,
            "-c",
            "from beluga_voice.observe.otlp import exported_if_asked\n"
            "from opentelemetry import trace\n"
            "with exported_if_asked(): trace.get_tracer('x').start_span('y').end()",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_SDK_DISABLED="true",
        )
        assert collector.requests == 0


async def test_an_absent_collector_does_not_hold_the_end_up() -> None:
    code = (
        "import time\n"
        "from beluga_voice.observe.otlp import exported\n"
        "from opentelemetry import metrics, trace\n"
        "with exported():\n"
        "    trace.get_tracer('x').start_span('y').end()\n"
        "    metrics.get_meter('x').create_counter('z').add(1)\n"
        "    began = time.monotonic()\n"
        "print('took', time.monotonic() - began)\n"
    )
    said = await run(sys.executable, "-c", code, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert "did not take the last metrics and spans" in said
    took = re.search(r"took ([\d.]+)", said)
    assert took is not None and float(took.group(1)) < 8.0


@pytest.mark.timeout(90)
async def test_the_demo_exports_when_an_endpoint_is_named(tmp_path: Path) -> None:
    """``demo`` as a user starts it: its session and its turn arrive when it ends."""
    import json

    import websockets
    from demo_server import DemoServer

    async with Collector() as collector:
        server = DemoServer(
            tmp_path / "log", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SERVICE_NAME="clinic"
        )
        try:
            await asyncio.to_thread(server.wait)
            url = server.url.replace("http", "ws") + "ws"
            async with asyncio.timeout(40), websockets.connect(url, subprotocols=["beluga-voice.v1"]) as line:  # type: ignore[list-item]
                await line.send(json.dumps({"type": "start", "sample_rate": 16000, "channels": 1}))
                await line.send(json.dumps({"type": "text", "text": "How much does a cleaning cost?"}))
                async for message in line:
                    if isinstance(message, str) and json.loads(message)["type"] == "metrics":
                        break
        finally:
            await asyncio.to_thread(server.stop)
        assert {"session", "turn"} <= {span.name for span in collector.spans}
        assert collector.services == {"clinic"}
