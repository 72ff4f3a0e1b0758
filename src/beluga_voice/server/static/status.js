// What the page says about the state of the call, to eyes and to screen readers.

import { byId } from "./dom.js";

const WORDS = {
  idle: ["Ready", "Press Talk and just speak."],
  asking: ["Allow the microphone", "Your browser is asking for it."],
  connecting: ["Connecting", ""],
  starting: ["Connecting", ""],
  listening: ["Listening", "Go ahead."],
  user_speaking: ["Hearing you", ""],
  deciding: ["Hearing you", "Waiting for you to finish."],
  thinking: ["Thinking", ""],
  speaking: ["Speaking", "Talk over it to interrupt."],
  interrupted: ["Interrupted", "You have the floor."],
  draining: ["Saying goodbye", ""],
  ending: ["Hanging up", ""],
  problem: ["Not connected", ""],
  reconnecting: ["Reconnecting", "The connection is unsteady."],
};
const ANNOUNCED = new Set(["listening", "thinking", "speaking", "connecting", "reconnecting", "idle", "asking"]);
const SETTLE_MS = 600; // a state that passes sooner is not worth a screen reader's breath
const INTERRUPTED_MS = 900; // the core leaves this state within milliseconds; people need longer to see it

export class Status {
  /** @param {{show: (state: string) => void}} orb */
  constructor(orb) {
    this.orb = orb;
    this.state = "idle";
    this.typing = false;
    this.until = 0;
    this.label = byId("state");
    this.hint = byId("hint");
    this.live = byId("announce-state");
  }

  show(state) {
    this.state = state;
    if (performance.now() < this.until && (state === "user_speaking" || state === "deciding")) return;
    this.until = 0;
    this.#paint(state);
  }

  /** The user cut in: shown long enough to be seen. */
  flashInterrupted() {
    this.until = performance.now() + INTERRUPTED_MS;
    this.#paint("interrupted");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (this.until) this.#paint(this.state);
      this.until = 0;
    }, INTERRUPTED_MS);
  }

  #paint(state) {
    const [label, hint] = WORDS[state] ?? [state, ""];
    document.body.dataset.state = state;
    this.label.textContent = label;
    this.hint.textContent = this.typing && state === "listening" ? "Type a question below." : hint;
    this.orb.show(state);
    clearTimeout(this.settle);
    this.settle = setTimeout(() => {
      if (ANNOUNCED.has(state) && this.live.textContent !== label) this.live.textContent = label;
    }, SETTLE_MS);
  }
}

/** The input level meter: drawn fifteen times a second, told to assistive technology once a second. */
export class Meter {
  constructor(levels, share) {
    this.box = byId("meter");
    this.bar = byId("meter-bar");
    let ticks = 0;
    setInterval(() => {
      const level = share(levels.now.mic);
      this.bar.style.transform = `scaleX(${level.toFixed(3)})`;
      ticks += 1;
      if (ticks % 15 === 0) this.box.setAttribute("aria-valuenow", String(Math.round(level * 100)));
    }, 66);
  }
}

/** Minutes and seconds of the call. */
export class Clock {
  constructor() {
    this.face = byId("clock");
  }

  start() {
    const began = performance.now();
    const tick = () => {
      const seconds = Math.floor((performance.now() - began) / 1000);
      this.face.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    };
    tick();
    clearInterval(this.timer);
    this.timer = setInterval(tick, 500);
  }

  stop() {
    clearInterval(this.timer);
  }
}
