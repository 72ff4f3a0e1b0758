// Turns the microphone into frames of 20 ms, mono s16le, at the context's rate.

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.size = Math.round(sampleRate * 0.02);
    this.frame = new Int16Array(this.size);
    this.filled = 0;
  }

  process(inputs) {
    const samples = inputs[0]?.[0];
    const length = samples?.length ?? 128; // no input yet: silence keeps the session's clock going
    for (let i = 0; i < length; i += 1) {
      const value = samples ? Math.max(-1, Math.min(1, samples[i])) : 0;
      this.frame[this.filled] = Math.round(value * 32767);
      this.filled += 1;
      if (this.filled === this.size) {
        this.port.postMessage(this.frame.buffer, [this.frame.buffer]);
        this.frame = new Int16Array(this.size);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("beluga-capture", Capture);
