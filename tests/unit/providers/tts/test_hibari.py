from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from beluga_voice.errors import ConfigError, PipelineError
from beluga_voice.frames import SpeechChunk
from beluga_voice.providers.tts.hibari import HibariTTS, create, voice
from beluga_voice.providers.tts.hibari.voice import Voice, VoiceKey, acquire, locate, release
from beluga_voice.registry import registry_for


@pytest.fixture(scope="module", autouse=True)
def loaded() -> Iterator[Voice]:
    """Keeps the voice loaded for all tests here."""
    key = VoiceKey(*locate("heart", ""), 1)
    yield acquire(key)
    release(key)


async def speak(text: str, **settings: object) -> list[SpeechChunk]:
    tts = create(settings)
    try:
        return [chunk async for chunk in tts.synthesize(text)]
    finally:
        await tts.close()


def samples(chunks: list[SpeechChunk]) -> np.ndarray:
    return np.frombuffer(b"".join(c.data for c in chunks), "<i2")


def silence(x: np.ndarray) -> tuple[float, float]:
    """Seconds below −60 dBFS at the start and at the end."""
    loud = np.flatnonzero(np.abs(x) > 32767 * 10 ** (-57 / 20))
    return loud[0] / 24_000, (len(x) - 1 - loud[-1]) / 24_000


async def test_speaks_in_short_pieces() -> None:
    chunks = await speak("We are open on Monday from nine until five.")
    assert {c.sample_rate for c in chunks} == {24_000}
    assert all(0 < len(c.data) <= 9600 and len(c.data) % 2 == 0 for c in chunks)
    x = samples(chunks)
    assert 2.0 < len(x) / 24_000 < 4.0
    assert np.abs(x).max() > 3000


async def test_silence_before_the_first_sound_is_cut() -> None:
    for text in ("Hello there.", "Yes.", "Five minutes.", "Who is it?"):
        lead, tail = silence(samples(await speak(text)))
        assert lead <= 0.04
        assert tail >= 0.25  # the pause after a sentence is the voice's own


async def test_a_clause_ends_with_a_shorter_pause_and_open_text_with_none() -> None:
    assert 0.1 <= silence(samples(await speak("Hello there,")))[1] <= 0.22
    assert silence(samples(await speak("The next appointment that we")))[1] <= 0.08


async def test_same_text_same_samples() -> None:
    assert samples(await speak("Hello.")).tobytes() == samples(await speak("Hello.")).tobytes()
    other = samples(await speak("Hello.", seed=2))
    assert other.tobytes() != samples(await speak("Hello.")).tobytes()
    drawn = [samples(await speak("Hello.", seed=None)).tobytes() for _ in range(2)]
    assert drawn[0] != drawn[1]


async def test_speed() -> None:
    text = "We are open on Monday from nine until five."
    slow, fast = samples(await speak(text, speed=0.5)), samples(await speak(text, speed=2.0))
    assert len(slow) > 2.5 * len(fast)


@pytest.mark.parametrize("text", ["", "  \n ", "👍🏽", "**", "---", "…", "```\n```", "?!", "](", "‍"])
async def test_nothing_to_say_is_no_error(text: str) -> None:
    assert await speak(text) == []


@pytest.mark.parametrize(
    "text",
    ["9" * 300, "a" * 500, "x " * 300, "你好", "ñandú çà", "\ud83d", "[a](/hˈi/)", "$" * 50, "\x00\x07 hi"],
)
async def test_odd_text_is_survived(text: str) -> None:
    for chunk in await speak(text):
        assert len(chunk.data) % 2 == 0


async def test_words_carry_their_times() -> None:
    chunks = await speak("Please come at 9:30 on Monday. It costs $45.50, Dr. Smith said.")
    offset, words = 0.0, []
    for chunk in chunks:
        length = len(chunk.data) / 48_000
        assert all(w.start < length or chunk is chunks[-1] for w in chunk.words)
        words += [(w.text, offset + w.start, offset + w.end) for w in chunk.words]
        offset += length
    assert " ".join(w[0] for w in words) == "Please come at 9:30 on Monday. It costs $45.50, Dr. Smith said."
    assert all(a[1] < a[2] and a[1] <= b[1] for a, b in pairwise(words))
    assert words[-1][2] <= offset
    times = {w[0]: w[2] - w[1] for w in words}
    assert times["$45.50,"] > times["Please"]  # "forty five dollars and fifty cents"


async def test_each_word_gets_a_time_also_if_it_has_no_sound() -> None:
    text = "**Hello** 🙂 there, see https://example.com/x?y now! 👍"
    chunks = await speak(text)
    assert [w.text for c in chunks for w in c.words] == text.split()


async def test_words_of_numbers_above_the_phoneme_limit() -> None:
    chunks = await speak(" ".join(["eleven thousand"] * 15), speed=2.0)
    assert sum(len(c.words) for c in chunks) == 30


async def test_long_text_is_made_sentence_by_sentence_and_stops_when_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    real = Voice.speak

    def counted(self: Voice, sentence: voice.Sentence, speed: float, seed: int | None) -> voice.Speech:
        said.append(sentence.text)
        return real(self, sentence, speed, seed)

    monkeypatch.setattr(Voice, "speak", counted)
    tts = create({})
    async with aclosing(tts.synthesize("First sentence here. Second one here. Third one here.")) as stream:
        await anext(stream)
        assert said == ["First sentence here."]
    await tts.close()
    assert said == ["First sentence here."]


async def test_cancelled_while_synthesising() -> None:
    tts = create({})
    await tts.start()

    async def consume() -> None:
        async for _ in tts.synthesize("A rather long sentence that takes a while to make, " * 4):
            raise AssertionError("cancelled before")

    task = asyncio.create_task(consume())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len([c async for c in tts.synthesize("Still there.")]) > 0
    await tts.close()


async def test_equal_settings_share_one_voice_and_the_last_frees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Voice] = []
    real = Voice.__init__

    def counted(self: Voice, key: VoiceKey) -> None:
        made.append(self)
        real(self, key)

    monkeypatch.setattr(Voice, "__init__", counted)
    many = [create({"threads": 2, "speed": speed}) for speed in (0.9, 1.0, 1.1)]
    await asyncio.gather(*(tts.start() for tts in many))
    assert len(made) == 1
    assert [c async for c in many[0].synthesize("Hello.")]
    threads = {t for t in threading.enumerate() if t.name.startswith("hibari")}
    await many[0].close()
    await many[0].close()
    assert [c async for c in many[1].synthesize("Hello.")]
    await many[1].close()
    await many[2].close()
    for thread in made[0].pool._threads:  # the pool of this voice, not of the one the fixture holds
        await asyncio.to_thread(thread.join, 2.0)
        assert thread in threads or not thread.is_alive()
        assert not thread.is_alive()
    assert all(key.threads != 2 for key in voice._entries)


async def test_start_that_is_cancelled_gives_the_voice_back() -> None:
    tts = create({"threads": 3})
    task = asyncio.create_task(tts.start())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(20):
        while any(key.threads == 3 for key in voice._entries):
            await asyncio.to_thread(lambda: None)
    await tts.close()


async def test_after_close() -> None:
    tts = create({})
    await tts.close()
    with pytest.raises(PipelineError, match="closed") as caught:
        [c async for c in tts.synthesize("Hello.")]
    assert caught.value.code == "pipeline_error"


async def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    tts = create({"model": str(path)})
    with pytest.raises(PipelineError, match=r"cannot load .*broken\.onnx"):
        await tts.start()
    await tts.close()
    assert all(key.model != str(path) for key in voice._entries)


async def test_failing_synthesis_is_a_pipeline_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Voice, "_said", fail)
    with pytest.raises(PipelineError, match="out of memory") as caught:
        await speak("Hello.")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_settings_are_checked() -> None:
    for settings, field in (
        ({"speed": 0.4}, "speed"),
        ({"speed": 2.1}, "speed"),
        ({"voice": "nobody"}, "voice"),
        ({"model": "no/such/file.onnx"}, "model"),
        ({"threads": 0}, "threads"),
        ({"volume": 1}, "volume"),
    ):
        with pytest.raises(ConfigError, match=field) as caught:
            create(settings)
        assert caught.value.code == "invalid_config"


def test_a_voice_that_is_not_here_is_refused_and_never_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hibari.voices

    def refuse(*_: object) -> None:
        raise AssertionError("downloaded")

    monkeypatch.setattr(hibari.voices, "download", refuse)
    monkeypatch.setenv("HIBARI_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=r"put its file bf_emma\.int8\.onnx at .*emma"):
        create({"voice": "emma"})
    (tmp_path / "bf_emma.int8.onnx").symlink_to(locate("heart", "")[0])
    assert isinstance(create({"voice": "emma"}), HibariTTS)
    assert locate("emma", "") == (str(tmp_path / "bf_emma.int8.onnx"), True)
    assert locate("emma", str(tmp_path / "bf_emma.int8.onnx"))[1] is True


def test_registry_finds_it() -> None:
    registry = registry_for("tts")
    assert isinstance(registry.create("hibari", {"speed": 1.2}), HibariTTS)
    assert set(registry.config_schema("hibari")["properties"]) == {
        "voice",
        "speed",
        "seed",
        "model",
        "threads",
    }
