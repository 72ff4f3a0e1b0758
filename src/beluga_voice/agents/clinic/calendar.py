"""The clinic's facts and its calendar: opening hours, prices, free times and bookings, all in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

__all__ = [
    "ADDRESS",
    "DAYS",
    "PRICES",
    "Booking",
    "ClinicCalendar",
    "clock",
    "open_from",
    "parse_clock",
    "spoken_time",
]

ADDRESS = "12 River Street, next to the old bridge"
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Minutes since midnight; None is closed.
_HOURS: dict[str, tuple[int, int] | None] = {
    **dict.fromkeys(DAYS[:4], (9 * 60, 18 * 60)),
    "friday": (9 * 60, 16 * 60),
    "saturday": (10 * 60, 14 * 60),
    "sunday": None,
}
PRICES = {
    "check up": 45,
    "cleaning": 60,
    "filling": 95,
    "x ray": 30,
    "extraction": 120,
    "whitening": 180,
    "root canal": 480,
    "crown": 650,
    "emergency visit": 80,
}
_STEP = 30
_LUNCH = range(12 * 60 + 30, 13 * 60 + 30)
_NUMBERS = 9999


@dataclass(frozen=True, slots=True)
class Booking:
    """An appointment: ``number`` has four digits, ``minutes`` count from midnight."""

    number: str
    day: date
    minutes: int
    name: str = ""


class ClinicCalendar:
    """Which times are free in the coming seven days; shared by all sessions.

    Args:
        now: tells the time at the clinic.
    """

    def __init__(self, now: Callable[[], datetime] = datetime.now) -> None:
        self._now = now
        self._bookings: dict[str, Booking] = {}
        self._given = 0

    def weekday(self, day: str) -> str:
        """The day of the week for ``today``, ``tomorrow`` or a day of the week.

        Raises:
            ValueError: for anything else.
        """
        return DAYS[self.date_of(day).weekday()]

    def date_of(self, day: str) -> date:
        """Today, tomorrow, or the next date after today with that name; raises like `weekday`."""
        today, wanted = self._now().date(), day.strip().lower()
        if wanted in ("today", "tomorrow"):
            return today + timedelta(days=wanted == "tomorrow")
        if wanted not in DAYS:
            raise ValueError(f"{day!r} is not a day; say one of {', '.join(DAYS)}, today or tomorrow")
        return today + timedelta(days=(DAYS.index(wanted) - today.weekday() - 1) % 7 + 1)

    def free_times(self, day: str) -> list[int]:
        """Free times of a day in minutes since midnight, still to come; empty when closed or full."""
        when, now = self.date_of(day), self._now()
        past = now.hour * 60 + now.minute if when == now.date() else -1
        hours = open_from(DAYS[when.weekday()])
        if hours is None:
            return []
        taken = {b.minutes for b in self._bookings.values() if b.day == when}
        slots = [m for m in range(hours[0], hours[1], _STEP) if m not in _LUNCH]
        # Other people's appointments: about half of the day, the same ones every week.
        free = [m for i, m in enumerate(slots) if (5 * i + when.weekday()) % 7 < 4]
        return [m for m in free if m not in taken and m > past]

    def book(self, day: str, minutes: int, name: str = "") -> Booking:
        """Takes a free time.

        Raises:
            ValueError: if it is not free.
        """
        if minutes not in self.free_times(day):
            raise ValueError(f"{clock(minutes)} on {day} is not free")
        today = self._now().date()
        self._bookings = {n: b for n, b in self._bookings.items() if b.day >= today}
        booking = Booking(self._number(), self.date_of(day), minutes, name)
        self._bookings[booking.number] = booking
        return booking

    def cancel(self, number: str) -> Booking:
        """Frees a booked time again.

        Raises:
            ValueError: if there is no such booking.
        """
        booking = self._bookings.pop(number, None)
        if booking is None:
            raise ValueError(f"there is no booking with the number {number}")
        return booking

    def _number(self) -> str:
        """A number that is not in use, with four different digits and no zero, so that it is heard well."""
        while True:
            self._given = self._given % _NUMBERS + 1
            number = f"{(3475 + 1237 * self._given) % 10_000:04d}"
            if "0" not in number and len(set(number)) == 4 and number not in self._bookings:
                return number


def open_from(weekday: str) -> tuple[int, int] | None:
    """Opening and closing time in minutes since midnight, or None if closed."""
    return _HOURS[weekday]


def clock(minutes: int) -> str:
    """``10:30``."""
    return f"{minutes // 60}:{minutes % 60:02d}"


def parse_clock(text: str) -> int:
    """Minutes since midnight of ``10:30`` or ``10``.

    Raises:
        ValueError: if it is not a time of day.
    """
    hours, _, minutes = text.strip().partition(":")
    if not hours.isdigit() or not (minutes or "0").isdigit() or int(hours) > 23 or int(minutes or 0) > 59:
        raise ValueError(f"{text!r} is not a time; write it like 10:30")
    return int(hours) * 60 + int(minutes or 0)


_WORDS = "twelve one two three four five six seven eight nine ten eleven".split()
_MINUTES = {0: "", 15: " fifteen", 30: " thirty", 45: " forty five"}


def spoken_time(minutes: int) -> str:
    """``ten thirty``."""
    rest = minutes % 60
    return _WORDS[minutes // 60 % 12] + _MINUTES.get(rest, f" oh {rest}" if rest < 10 else f" {rest}")
