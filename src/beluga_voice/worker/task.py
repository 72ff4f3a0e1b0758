"""What a worker does, in one value that another process can be given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from beluga_voice.worker.running import Entrypoint
from beluga_voice.worker.settings import OnRequest, WorkerSettings

__all__ = ["WorkerTask"]


@dataclass(frozen=True, slots=True)
class WorkerTask:
    """What each process of a worker is started with; with several processes all of it must be importable.

    Attributes:
        settings: of the worker.
        entrypoint: awaited for each job.
        on_request: accepts or rejects jobs.
        process_init: called first in the process, e.g. to set logging up.
    """

    settings: WorkerSettings
    entrypoint: Entrypoint
    on_request: OnRequest | None = None
    process_init: Callable[[], None] | None = None
