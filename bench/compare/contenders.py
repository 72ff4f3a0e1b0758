"""Who is compared, and how each one is run."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["CONTENDERS", "FLOOR", "OURS", "Contender", "DriverError", "command_of", "run"]

_ROOT = Path(__file__).parent.parent.parent
_DRIVERS = _ROOT / "bench" / "peers"
_ENVS = _ROOT / ".cache" / "bench"


class DriverError(Exception):
    """A driver ended without figures; says what it wrote last."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A framework with its settings.

    Attributes:
        label: for the table.
        driver: file in ``bench/peers``.
        package: for ``import_probe.py``.
        env: environment in ``.cache/bench``; empty for the project's own.
        job: what differs in its jobs.
    """

    label: str
    driver: str
    package: str = ""
    env: str = ""
    job: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def python(self) -> Path:
        return _ENVS / self.env / "bin" / "python" if self.env else Path(sys.executable)


OURS, FLOOR = "beluga", "floor"
CONTENDERS: dict[str, Contender] = {
    OURS: Contender("Beluga Voice", "beluga_driver.py", "beluga"),
    "livekit": Contender("livekit-agents", "livekit_agents_driver.py", "livekit", "livekit-agents"),
    "pipecat": Contender(
        "Pipecat, smart turn", "pipecat_driver.py", "pipecat", "pipecat", {"smart_turn": True}
    ),
    "pipecat-timeout": Contender(
        "Pipecat, timeout", "pipecat_driver.py", "pipecat", "pipecat", {"smart_turn": False}
    ),
    FLOOR: Contender("the bench itself", "floor_driver.py"),
}


def command_of(key: str) -> list[str]:
    """The program that runs a job it reads from stdin."""
    contender = CONTENDERS[key]
    return [str(contender.python), str(_DRIVERS / contender.driver)]


def run(key: str, job: dict[str, Any], timeout: float) -> dict[str, Any]:
    """One job in a fresh process.

    Raises:
        DriverError: if it fails or takes longer than ``timeout`` seconds.
    """
    contender = CONTENDERS[key]
    if not contender.python.exists():
        raise DriverError(f"{contender.python} is missing; run scripts/bench, which makes it")
    command = command_of(key)
    if job["mode"] == "import":
        return _import(contender)
    given = json.dumps({"smart_turn": True, **job, **contender.job})
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=timeout, cwd=_ROOT
        )
    except subprocess.TimeoutExpired as error:
        raise DriverError(f"{contender.label}: no figures after {timeout:.0f} s") from error
    try:
        result: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        last = "\n".join(done.stderr.strip().splitlines()[-12:])
        raise DriverError(f"{contender.label} failed with status {done.returncode}:\n{last}") from error
    return result


def _import(contender: Contender) -> dict[str, Any]:
    """Twice each, because the first time may compile and reads files that are not in memory."""
    result: dict[str, Any] = {}
    command = [str(contender.python), str(_DRIVERS / "import_probe.py"), contender.package]
    for what in ("package", "application"):
        for _ in range(2):
            done = subprocess.run([*command, what], capture_output=True, text=True, timeout=120, check=False)
            if done.returncode:
                raise DriverError(f"{contender.label} cannot be imported:\n{done.stderr[-2000:]}")
            result[what] = json.loads(done.stdout.splitlines()[-1])
    return result
