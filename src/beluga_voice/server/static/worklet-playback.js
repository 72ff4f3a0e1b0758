// Plays s16le mono that arrives in pieces, at any rate; can be cut off between two blocks of 128 samples.

const HALF = 8; // input samples on each side of a computed one
const PHASES = 128;
const MAX_SECONDS = 30;
const START_AFTER = 0.04; // seconds in hand before speech starts, so that a late packet is not heard
const FADE = 96; // samples over which a cut fades, so that it does not click

/** Windowed-sinc weights, one row a phase; `cutoff` below 1 keeps aliases out when the rate goes down. */
function sincTable(cutoff) {
  const table = new Float32Array((PHASES + 1) * HALF * 2);
  for (let phase = 0; phase <= PHASES; phase += 1) {
    let total = 0;
    const row = phase * HALF * 2;
    for (let tap = 0; tap < HALF * 2; tap += 1) {
      const x = tap - HALF + 1 - phase / PHASES;
      const angle = Math.PI * x * cutoff;
      const sinc = x === 0 ? cutoff : (Math.sin(angle) / angle) * cutoff;
      const window = 0.5 + 0.5 * Math.cos((Math.PI * x) / HALF);
      table[row + tap] = Math.abs(x) < HALF ? sinc * window : 0;
      total += table[row + tap];
    }
    for (let tap = 0; tap < HALF * 2; tap += 1) table[row + tap] /= total;
  }
  return table;
}

class Playback extends AudioWorkletProcessor {
  constructor(options) {
    super();
    this.rate = options.processorOptions.inputRate;
    this.step = this.rate / sampleRate;
    this.table = sincTable(Math.min(1, 1 / this.step));
    this.ring = new Float32Array(Math.ceil(this.rate * MAX_SECONDS));
    this.fade = 0;
    this.level = 0;
    this.reported = 0;
    this.underruns = 0;
    this.reset();
    this.port.onmessage = ({ data }) => (data === "clear" ? this.clear() : this.push(new Int16Array(data)));
  }

  reset() {
    this.written = 0; // samples ever written since the reset; the ring holds the last of them
    this.position = 0; // where the next output sample lies, in input samples
    this.playing = false;
    this.waiting = 0;
  }

  clear() {
    this.fade = this.playing ? FADE : 0;
    this.reset();
  }

  push(samples) {
    const size = this.ring.length;
    const room = size - HALF * 2 - Math.ceil(this.written - this.position);
    const count = Math.min(samples.length, Math.max(0, room)); // full: what is newest is dropped
    for (let i = 0; i < count; i += 1) this.ring[(this.written + i) % size] = samples[i] / 32768;
    this.written += count;
  }

  buffered() {
    return Math.max(0, this.written - this.position) / this.rate;
  }

  sample() {
    const base = Math.floor(this.position);
    const row = Math.round((this.position - base) * PHASES) * HALF * 2;
    const size = this.ring.length;
    let sum = 0;
    for (let tap = 0; tap < HALF * 2; tap += 1) {
      const at = base + tap - HALF + 1;
      if (at >= 0 && at < this.written) sum += this.ring[at % size] * this.table[row + tap];
    }
    this.position += this.step;
    return sum;
  }

  process(_inputs, outputs) {
    const out = outputs[0][0];
    if (!this.playing && this.written > this.position) {
      this.waiting += out.length / sampleRate;
      this.playing = this.buffered() >= START_AFTER || this.waiting > START_AFTER * 2;
    }
    for (let i = 0; i < out.length; i += 1) {
      if (this.playing && this.position < this.written) {
        this.level = this.sample();
        out[i] = this.level;
      } else if (this.fade > 0) {
        this.fade -= 1;
        out[i] = this.level * (this.fade / FADE);
      } else {
        out[i] = 0;
      }
    }
    if (this.playing && this.position >= this.written) {
      this.fade = FADE;
      this.underruns += 1;
      this.reset();
    }
    if (currentTime - this.reported >= 0.25) {
      this.reported = currentTime;
      this.port.postMessage({ buffered: this.buffered() });
    }
    return true;
  }
}

registerProcessor("beluga-playback", Playback);
