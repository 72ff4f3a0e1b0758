"""A turn's latency as a row of bars."""

from __future__ import annotations

from rich.text import Text

from beluga_voice.events import MetricsEvent

__all__ = ["waterfall"]

_STAGES = (("endpointing", "cyan"), ("llm", "magenta"), ("tts", "yellow"), ("playout", "green"))
_WIDTH = 40


def waterfall(event: MetricsEvent) -> Text:
    """A bar whose parts are the stages, the total, the target and each stage in milliseconds.

    The stage at fault is underlined where the target is missed. How long the agent had worked ahead when the turn was
    decided follows, and below it all is why the turn was taken when it was.
    """
    total = event.total or 0.0
    scale = _WIDTH / max(total, event.target, 0.001)
    line = Text("    ")
    used = 0
    for name, colour in _STAGES:
        seconds: float = getattr(event, name) or 0.0
        cells = round(seconds * scale)
        line.append("█" * cells, style=colour)
        used += cells
    line.append("·" * max(0, _WIDTH - used), style="dim")
    met = total <= event.target
    line.append(f" {total * 1000:4.0f} ms", style="bold green" if met else "bold yellow")
    line.append(f" of {event.target * 1000:.0f}", style="dim")
    for name, colour in _STAGES:
        seconds = getattr(event, name) or 0.0
        style = f"{colour} bold underline" if name == event.slowest else colour
        line.append("  ").append(f"{name} {seconds * 1000:.0f}", style=style)
    if event.slowest == "transcription":
        line.append("  ").append(
            f"transcription {(event.transcription or 0.0) * 1000:.0f}", style="bold underline"
        )
    if event.ahead:
        line.append(f"  ahead {event.ahead * 1000:.0f}", style="dim")
    if event.evidence:
        line.append(f"\n    {event.evidence}", style="dim")
    return line
