// How loud both sides are, every 20 ms, measured on the audio clock and kept for five minutes.

import { pageTime } from "./eventlog.js";

const KEPT = 15_000;
const FLOOR_DB = -96;

/** RMS (0 to 1) in dB below full scale, −96 to 0. */
export function decibels(rms) {
  return rms > 0 ? Math.max(FLOOR_DB, 20 * Math.log10(rms)) : FLOOR_DB;
}

/** RMS as a share of a meter: −55 dB and below is 0, −5 dB and above is 1. */
export function share(rms) {
  return Math.min(1, Math.max(0, (decibels(rms) + 55) / 50));
}

export class Levels {
  constructor() {
    this.at = new Float64Array(KEPT);
    this.mic = new Float32Array(KEPT);
    this.agent = new Float32Array(KEPT);
    this.count = 0;
    this.now = { mic: 0, agent: 0 };
    this.offset = Infinity;
  }

  /** The audio clock starts anew with every call. */
  restart() {
    this.offset = Infinity;
    this.now = { mic: 0, agent: 0 };
  }

  /** Takes one measurement: `time` on the audio clock, RMS of the microphone and of what is played. */
  add(time, mic, agent) {
    // The message that waited least tells best how the two clocks lie.
    this.offset = Math.min(this.offset, pageTime() - time);
    const index = this.count % KEPT;
    this.at[index] = time + this.offset;
    this.mic[index] = mic;
    this.agent[index] = agent;
    this.count += 1;
    this.now = { mic, agent };
  }

  /** All measurements since `since` (page seconds), oldest first: `[at, mic, agent]`, RMS 0 to 1. */
  since(since = 0) {
    const out = [];
    for (let i = Math.max(0, this.count - KEPT); i < this.count; i += 1) {
      const k = i % KEPT;
      if (this.at[k] >= since) out.push([this.at[k], this.mic[k], this.agent[k]]);
    }
    return out;
  }
}
