"""What an import costs, in a process that does nothing else: CPU seconds and resident MB, as JSON.

Argument: which framework. ``package`` is the bare import, ``application`` what a small voice agent names.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from types import ModuleType

_STATEMENTS = {
    "beluga": ("import beluga_voice", "import beluga_voice as bv; bv.Config, bv.Agent, bv.new_backend"),
    "livekit": (
        "import livekit.agents",
        "from livekit.agents import Agent, AgentSession, llm, stt, tts; from livekit.plugins import silero",
    ),
    "pipecat": (
        "import pipecat",
        "from pipecat.audio.vad.silero import SileroVADAnalyzer\n"
        "from pipecat.pipeline.pipeline import Pipeline\n"
        "from pipecat.pipeline.worker import PipelineWorker\n"
        "from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair\n"
        "from pipecat.transports.base_transport import TransportParams\n"
        "from pipecat.workers.runner import WorkerRunner",
    ),
}


def main() -> None:
    if sys.argv[1] == "livekit":  # its bundled models are not installed; see livekit_agents_driver.py
        module = ModuleType("livekit.local_inference")
        module.VAD = module.EOT = object  # pyright: ignore[reportAttributeAccessIssue]
        module.VAD_WINDOW_SAMPLES = 512  # pyright: ignore[reportAttributeAccessIssue]
        sys.modules["livekit.local_inference"] = module
    statement = _STATEMENTS[sys.argv[1]][sys.argv[2] == "application"]
    cpu, wall = time.process_time(), time.perf_counter()
    exec(statement, {})
    used = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    print(json.dumps(used | {"rss": pages * os.sysconf("SC_PAGE_SIZE") / 1e6}), file=sys.__stdout__)


main()
