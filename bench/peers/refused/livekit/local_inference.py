"""Stands in for the bundled models of livekit-agents, which are licensed for other uses than this bench."""

VAD_WINDOW_SAMPLES = 512


class _Refused:
    def __init__(self, *_: object, **__: object) -> None:
        raise RuntimeError("the bundled models must not be used here")


VAD = EOT = _Refused
