"""What the echo canceller takes back, and what it costs, on speech in a synthetic room."""

from __future__ import annotations

import time

import numpy as np

from beluga_voice.frames import AudioFrame
from beluga_voice.providers.noise import webrtc_apm
from bench.speech import RATE, Utterance, rms

__all__ = ["facts"]

_BLOCK = RATE // 50
_DELAY = 0.15
_REVERBERATION = 0.3
_SETTLED = 2.0  # seconds after which the canceller knows the room
LEVELS = (0.0, -10.0, -20.0)


def facts(voice: Utterance) -> dict[str, str]:
    """Lines for the table: decibels taken back by level of the echo, and CPU."""
    taken: list[str] = []
    spent = heard = 0.0
    for level in LEVELS:
        microphone = _microphone(voice, level)
        began = time.process_time()
        cleaned = _cleaned(voice.pcm, microphone)
        spent += time.process_time() - began
        heard += len(cleaned) / 2 / RATE
        part = slice(2 * int(_SETTLED * RATE), len(voice.pcm))
        taken.append(f"{20 * np.log10(rms(microphone[part]) / rms(cleaned[part])):.0f} dB of {level:.0f} dB")
    return {
        "echo taken back": f"{', '.join(taken)}; the room's noise (-62 dBFS) is in it",
        "the canceller's CPU": f"{1000 * spent / heard / 100:.2f} ms for 10 ms of a speaker's audio",
    }


def _microphone(voice: Utterance, level: float) -> bytes:
    """The voice as it comes back, and a quiet room."""
    random = np.random.default_rng(1)
    length = round(_REVERBERATION * RATE)
    response = random.normal(0, 1, length) * 10 ** (-3 * np.arange(length) / length)
    response[0] = 4.0  # the direct sound
    response *= 10 ** (level / 20) / np.sqrt((response**2).sum())
    said = np.frombuffer(voice.pcm, "<i2").astype(np.float64)
    size = 2 ** int(np.ceil(np.log2(len(said) + length)))
    echo = np.fft.irfft(np.fft.rfft(said, size) * np.fft.rfft(response, size), size)
    late = np.concatenate([np.zeros(round(_DELAY * RATE)), echo])[: len(said)]
    heard = late + random.normal(0, 26, len(said))
    return np.clip(np.rint(heard), -32768, 32767).astype("<i2").tobytes()


def _cleaned(played: bytes, microphone: bytes) -> bytes:
    stream = webrtc_apm.create({}).open(RATE)
    out: list[bytes] = []
    size = 2 * _BLOCK
    for n in range(len(microphone) // size):
        part = slice(n * size, (n + 1) * size)
        stream.played(AudioFrame(played[part], RATE, 1, pts=n / 50), 0.0)
        out.append(stream.process(microphone[part], (n + 1) / 50))
    stream.close()
    return b"".join(out)
