// Measures two inputs (microphone, agent) as RMS over 20 ms.

class Meter extends AudioWorkletProcessor {
  constructor() {
    super();
    this.size = Math.round(sampleRate * 0.02);
    this.sums = [0, 0];
    this.count = 0;
  }

  process(inputs) {
    const length = inputs[0]?.[0]?.length ?? inputs[1]?.[0]?.length ?? 128;
    for (let side = 0; side < 2; side += 1) {
      const samples = inputs[side]?.[0];
      if (!samples) continue;
      let sum = 0;
      for (let i = 0; i < samples.length; i += 1) sum += samples[i] * samples[i];
      this.sums[side] += sum;
    }
    this.count += length;
    if (this.count >= this.size) {
      const [mic, agent] = this.sums.map((sum) => Math.sqrt(sum / this.count));
      this.port.postMessage({ time: currentTime, mic, agent });
      this.sums = [0, 0];
      this.count = 0;
    }
    return true;
  }
}

registerProcessor("beluga-meter", Meter);
