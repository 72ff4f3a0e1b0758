"""Turn-taking: who is cut off in a pause, and how long those who have finished wait: `scripts/bench turns`.

Each sentence of the labelled set is spoken once to each system, with a pause at its mark. A sentence is *cut off* when
the agent's voice is heard before its last word. Ours runs at several settings, which makes a curve; peers run at their
defaults on the same audio, with the same fakes, in the same harness.

Ours also runs in virtual time, where a busy machine changes nothing and every run gives the same figures; peers can't.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import math
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from beluga_voice.testing import loop as virtual
from bench.compare.contenders import CONTENDERS, OURS, DriverError, run
from bench.compare.plan import FAKES
from bench.report import machine
from bench.turns_chart import chart
from bench.turns_human import human
from bench.turns_report import VIRTUAL, Row, markdown, show, summarise
from bench.turns_speech import Sentence, Spoken, entry, room, sentences, speak, with_pause

__all__ = ["main"]

_ROOT = Path(__file__).parent.parent
_RESULTS = _ROOT / "bench" / "results"
_FRESH = Path(__file__).parent / "turns_data" / "fresh.json"
PAUSES = (0.4, 0.8)
# From one utterance of a person to the next: the longest, its answer and some silence.
_CYCLE = 9.0
_SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "words alone": {"turn_detection_provider": ""},
    "smart turn": {"turn_detection_provider": "smart_turn"},
    "quick": {"turn": {"min_endpointing_delay": 0.1, "max_endpointing_delay": 1.0}},
    "calm": {"turn": {"min_endpointing_delay": 0.35, "max_endpointing_delay": 3.0}},
    "patient": {"turn": {"min_endpointing_delay": 0.5, "max_endpointing_delay": 3.5}},
    "very patient": {"turn": {"min_endpointing_delay": 0.9, "max_endpointing_delay": 5.0}},
}
# Those that differ in the waits for finished and for unfinished words only: the curve of ours.
_CURVE = ("quick", "defaults", "calm", "patient", "very patient")
_SMART_TURN = "lib/python3.11/site-packages/pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"
_PEERS = ("livekit", "pipecat", "pipecat-timeout")


def main(arguments: list[str]) -> int:
    options = _arguments(arguments)
    console = Console() if Console().is_terminal else Console(width=150)
    facts = machine()
    chosen = _choose(options.set, options.each)
    folder = _ROOT / ".cache" / "bench" / "turns"
    folder.mkdir(parents=True, exist_ok=True)
    people = human() if options.set in ("all", "human") else []
    speech, takes = asyncio.run(_prepare(chosen, people, folder))
    rows: list[Row] = []
    began = time.monotonic()
    runs = [(VIRTUAL, name) for name in options.settings]
    runs += [(OURS, "defaults")] * options.real + [(peer, "") for peer in options.peers]
    for key, name in runs:
        label = f"{CONTENDERS[OURS if key == VIRTUAL else key].label}{', ' + name if name else ''}"
        if key == VIRTUAL:
            label += ", virtual time"
        console.print(f"{label}: {len(takes)} takes …", highlight=False)
        job = _job(speech, options.at_once, _config(name))
        try:
            result = _virtually(job) if key == VIRTUAL else run(key, job, 60 + 2 * (job["seconds"] + _CYCLE))
        except DriverError as error:
            console.print(f"[red]{error}")
            continue
        rows.append(summarise(key, label, result, takes))
        rows[-1].curve = key == VIRTUAL and name in _CURVE
    if options.set == "all":
        facts["human speech"] = (
            f"{len(people)} clauses of moonshine-voice's two_cities.wav" if people else "not here"
        )
    facts["measured"] = f"{time.strftime('%Y-%m-%d')}, in {time.monotonic() - began:.0f} s"
    show(console, rows, facts)
    options.out.mkdir(parents=True, exist_ok=True)
    stem = options.out / options.name
    data = {"machine": facts, "fakes": FAKES, "rows": [r.to_dict() for r in rows]}
    stem.with_suffix(".json").write_text(
        json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    stem.with_suffix(".md").write_text(markdown(rows, facts), encoding="utf-8")
    stem.with_suffix(".svg").write_text(chart(rows, facts), encoding="utf-8")
    console.print(f"written: {stem}.json, .md, .svg")
    return 0


def _choose(part: str, each: int) -> list[Sentence]:
    """The sentences of one part (``all`` for the whole set), at most ``each`` of a kind."""
    found = sentences(_FRESH) if part == "fresh" else sentences()
    found = [s for s in found if part in ("all", "fresh") or s.part == part]
    if not each:
        return found
    kinds = {s.kind for s in found}
    return [s for kind in sorted(kinds) for s in [f for f in found if f.kind == kind][:each]]


async def _prepare(
    chosen: list[Sentence], people: list[Spoken], folder: Path
) -> tuple[dict[str, Any], dict[str, tuple[Spoken, float]]]:
    noise = np.random.default_rng(1)
    takes: dict[str, tuple[Spoken, float]] = {}
    spoken = await speak(chosen)
    for item in [*spoken, *people]:
        for pause in PAUSES if item.cut else (0.0,):
            takes[f"{item.sentence.id}@{pause:g}"] = (with_pause(item, pause), pause)
    utterances = [entry(item, name, folder, noise) for name, (item, _) in takes.items()]
    random.Random(1).shuffle(utterances)  # so that no kind meets one person or one moment
    return {"utterances": utterances, "interruptions": [], "room": room(folder, noise)}, takes


def _config(name: str) -> dict[str, Any]:
    config = dict(_SETTINGS.get(name, {}))
    if name == "smart turn":
        model = CONTENDERS["pipecat"].python.parent.parent / _SMART_TURN
        config["turn_detection_config"] = {"model": str(model)}
    return config


def _virtually(job: dict[str, Any]) -> dict[str, Any]:
    """Ours in this process, in virtual time."""
    folder = str(Path(__file__).parent / "peers")
    if folder not in sys.path:
        sys.path.insert(
            0, folder
        )  # drivers import each other by bare names, as in environments without this package
    driver, harness = importlib.import_module("beluga_driver"), importlib.import_module("harness")
    result: dict[str, Any] = virtual.run(harness.perform(job, driver.make({**job, "loop": "virtual time"})))
    return result


def _job(speech: dict[str, Any], at_once: int, config: dict[str, Any]) -> dict[str, Any]:
    rounds = math.ceil(len(speech["utterances"]) / at_once)
    return {
        **speech,
        **FAKES,
        "mode": "turns",
        "deal": True,
        "sessions": at_once,
        "warmup": 0.2,
        "seconds": (rounds + 1) * _CYCLE,
        "cycle": _CYCLE,
        "loop": "asyncio",
        "config": config,
    }


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("scripts/bench turns", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--set", choices=("all", "develop", "held_out", "fresh", "human"), default="all")
    parser.add_argument("--each", type=int, default=0, help="at most so many sentences of a kind")
    parser.add_argument(
        "--no-real", dest="real", action="store_false", help="ours in virtual time only, which takes a minute"
    )
    parser.add_argument("--at-once", type=int, default=10, help="people in one process")
    parser.add_argument("--peers", type=lambda text: [p for p in text.split(",") if p], default=_PEERS)
    parser.add_argument(
        "--settings",
        type=lambda text: [s for s in text.split(",") if s],
        default=tuple(_SETTINGS),
        help="of ours",
    )
    parser.add_argument("--out", type=Path, default=_RESULTS, metavar="FOLDER")
    parser.add_argument("--name", default="turns", help="of the files")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
