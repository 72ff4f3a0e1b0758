"""The voice's word times against forced alignment by an independent recogniser."""

from __future__ import annotations

import statistics

import numpy as np
import soxr
from pocketsphinx import Decoder

from beluga_voice.providers.tts.hibari import create

SENTENCES = (
    "we are open on monday from nine until five",
    "your booking number is four seven one two",
    "the doctor can see you on tuesday morning at ten thirty",
    "please bring your insurance card and a list of your medicines",
)
LEAD = 0.2


async def test_word_times_agree_with_forced_alignment() -> None:
    decoder = Decoder(samprate=16_000, loglevel="FATAL")
    tts = create({})
    errors: list[float] = []
    for sentence in SENTENCES:
        data, words = b"", []
        async for chunk in tts.synthesize(sentence + "."):
            words += [(w.text.strip("."), len(data) / 48_000 + w.start) for w in chunk.words]
            data += chunk.data
        pcm = soxr.resample(np.frombuffer(data, "<i2"), 24_000, 16_000)
        pcm = np.concatenate([np.zeros(int(LEAD * 16_000)), pcm]).astype("<i2")
        decoder.set_align_text(sentence)
        decoder.start_utt()
        decoder.process_raw(pcm.tobytes(), full_utt=True)
        decoder.end_utt()
        heard = [(s.word.split("(")[0], s.start_frame / 100 - LEAD) for s in decoder.seg()]
        heard = [h for h in heard if h[0][0].isalpha() and h[0] != "sil"]
        assert [w[0] for w in words] == [h[0] for h in heard]
        errors += [abs(w[1] - h[1]) for w, h in zip(words, heard, strict=True)]
    await tts.close()
    assert statistics.median(errors) < 0.03
    assert max(errors) < 0.12
