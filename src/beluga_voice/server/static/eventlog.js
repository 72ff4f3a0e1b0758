// Everything the page was told and did, with page times, to copy, save or test against.

const LIMIT = 20_000;

/** Seconds on the page's own clock; levels and events share it. */
export function pageTime() {
  return performance.now() / 1000;
}

export class EventLog extends EventTarget {
  constructor() {
    super();
    this.events = [];
    this.dropped = 0;
  }

  /** Adds `event` (an object with a `type`); the oldest goes when there are too many. */
  add(event) {
    this.events.push({ page_at: Math.round(pageTime() * 1e4) / 1e4, ...event });
    if (this.events.length > LIMIT) {
      this.events.shift();
      this.dropped += 1;
    }
    this.dispatchEvent(new Event("added"));
  }

  /** One JSON object a line. */
  toJsonl() {
    return this.events.map((event) => JSON.stringify(event)).join("\n") + (this.events.length ? "\n" : "");
  }

  /** Saves the log as a file. */
  download() {
    const stamp = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
    const url = URL.createObjectURL(new Blob([this.toJsonl()], { type: "application/x-ndjson" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = `beluga-voice-${stamp}.jsonl`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
}
