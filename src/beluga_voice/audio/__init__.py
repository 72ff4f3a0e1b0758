"""Sample arithmetic: PCM, resampling, levels, G.711, DTMF, mixing and WAV files."""
