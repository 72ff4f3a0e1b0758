"""Capacity as slots: a job holds one from the moment it is offered until everything it used is released."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Slots"]


@dataclass(slots=True)
class Slots:
    """Counts who holds a slot. Reserving is atomic, so a burst of offers never takes more than there are.

    Attributes:
        limit: how many there are.
    """

    limit: int
    _reserved: dict[str, float] = field(default_factory=dict[str, float])
    _running: set[str] = field(default_factory=set[str])

    @property
    def used(self) -> int:
        """Slots that are reserved or taken."""
        return len(self._reserved) + len(self._running)

    @property
    def running(self) -> tuple[str, ...]:
        """Jobs that run, sorted."""
        return tuple(sorted(self._running))

    @property
    def free(self) -> int:
        """Slots nobody holds."""
        return max(0, self.limit - self.used)

    @property
    def share(self) -> float:
        """Used slots as a share of all, 0 to 1."""
        return min(1.0, self.used / self.limit)

    def holds(self, job: str) -> bool:
        """Whether ``job`` has a slot."""
        return job in self._reserved or job in self._running

    def runs(self, job: str) -> bool:
        """Whether ``job`` runs."""
        return job in self._running

    def reserve(self, job: str, until: float) -> bool:
        """Keeps a slot for ``job`` until the time ``until``; False if there is none, or it has one."""
        if self.holds(job) or not self.free:
            return False
        self._reserved[job] = until
        return True

    def extend(self, job: str, until: float) -> None:
        """Keeps a reserved slot until another time."""
        if job in self._reserved:
            self._reserved[job] = until

    def take(self, job: str) -> bool:
        """Makes a reservation a running job; without one it needs a free slot. False if there is none."""
        if job in self._running or (self._reserved.pop(job, None) is None and not self.free):
            return False
        self._running.add(job)
        return True

    def release(self, job: str) -> bool:
        """Frees the slot of ``job``; False if it had none."""
        if job in self._running:
            self._running.remove(job)
            return True
        return self._reserved.pop(job, None) is not None

    def expired(self, now: float) -> tuple[str, ...]:
        """Reservations whose time is over; they are still held."""
        return tuple(job for job, until in self._reserved.items() if until <= now)

    def drop_reservations(self) -> None:
        """Frees all slots that were only reserved."""
        self._reserved.clear()

    def deadline(self) -> float | None:
        """When the next reservation is over."""
        return min(self._reserved.values(), default=None)
