// Where each turn's time went: one waterfall a turn, newest on top, and the same figures as a table.

import { el, readable } from "./dom.js";

const KEPT = 40;

/** The stages in the order they happen, and what each means in one line. */
export const STAGES = [
  ["endpointing", "End of turn", "From your last sound until it was clear that you had finished."],
  ["transcription", "Transcript", "From your last sound until the final words; beside the end of turn, not after it."],
  ["llm", "Agent", "From there to the agent's first words."],
  ["tts", "Voice", "From the first words that can be spoken to the first synthesised sound."],
  ["playout", "Playout", "From that sound until it was on its way to you."],
];

/** Explains the stages: their colours, names and meanings. */
export function legend() {
  return STAGES.flatMap(([name, title, meaning]) => [
    el("dt", {}, el("span", { class: `swatch ${name}`, "aria-hidden": "true" }), title),
    el("dd", {}, meaning),
  ]);
}

/**
 * Where each stage lies, in seconds from the end of speech. The last two are placed from the end, so that waiting
 * between the agent's first word and its first clause shows as the gap it is.
 */
export function place(metrics) {
  const { endpointing, transcription, llm, tts, playout, total } = metrics;
  const spans = {};
  const put = (name, start, length) => {
    if (length !== null && length !== undefined) spans[name] = [Math.max(0, start), Math.max(0, length)];
  };
  put("endpointing", 0, endpointing);
  put("transcription", 0, transcription);
  put("llm", endpointing ?? 0, llm);
  const end = total ?? (endpointing ?? 0) + (llm ?? 0) + (tts ?? 0) + (playout ?? 0);
  put("playout", end - (playout ?? 0), playout);
  put("tts", end - (playout ?? 0) - (tts ?? 0), tts);
  return spans;
}

export class Waterfall {
  /** @param {HTMLElement} list @param {HTMLTableElement} table @param {HTMLElement} summary */
  constructor(list, table, summary) {
    this.list = list;
    this.rows = table.tBodies[0];
    this.summary = summary;
    this.clear();
  }

  clear() {
    this.turns = [];
    this.list.replaceChildren();
    this.rows.replaceChildren();
    this.summary.textContent = "";
  }

  /** Adds a `metrics` event; a turn that is told twice is replaced. */
  add(metrics) {
    this.turns = [metrics, ...this.turns.filter((m) => m.turn !== metrics.turn)].slice(0, KEPT);
    const open = new Set([...this.list.querySelectorAll("details[data-kept]")].map((d) => Number(d.dataset.turn)));
    const scale = this.#scale();
    this.list.replaceChildren(
      ...this.turns.map((m, index) => this.#row(m, scale, index === 0 || open.has(m.turn), open.has(m.turn))),
    );
    this.rows.replaceChildren(...this.turns.map(tableRow));
    this.#summarise();
  }

  /** All turns share one scale; a very slow one runs off the edge rather than squeeze the others. */
  #scale() {
    const target = this.turns[0].target;
    const longest = Math.max(...this.turns.slice(0, 8).map((m) => Math.max(m.total ?? 0, m.transcription ?? 0)));
    return Math.min(Math.max(longest * 1.04, target * 1.3), target * 5);
  }

  #row(metrics, scale, open, kept) {
    const spans = place(metrics);
    const late = metrics.total !== null && metrics.total > metrics.target;
    const margin = readable(Math.abs(metrics.target - metrics.total));
    const verdict = `${margin} ${late ? "over" : "under"} target`;
    const details = el(
      "details",
      { open, "data-turn": metrics.turn, "data-kept": kept },
      el(
        "summary",
        {},
        el("span", { class: "w-turn" }, `Turn ${metrics.turn}`),
        strip(spans, scale, metrics.target),
        el("span", { class: late ? "w-total late" : "w-total" }, readable(metrics.total)),
        el("span", { class: "visually-hidden" }, `, ${verdict}`),
      ),
      el("div", { class: "lanes" }, ...STAGES.map((stage) => lane(stage, metrics, spans, scale))),
      el(
        "p",
        { class: "w-verdict" },
        el("span", { class: late ? "late" : null }, verdict),
        el("span", { class: "w-target" }, `target ${readable(metrics.target)}`),
      ),
    );
    details.querySelector("summary").addEventListener("click", () => (details.dataset.kept = ""));
    return el("li", {}, details);
  }

  #summarise() {
    const totals = this.turns.map((m) => m.total).filter((t) => t !== null && t !== undefined).sort((a, b) => a - b);
    if (!totals.length) return;
    const median = totals[Math.floor((totals.length - 1) / 2)];
    this.summary.textContent = `median ${readable(median)} over ${totals.length} ${totals.length === 1 ? "turn" : "turns"}`;
  }
}

const milliseconds = (seconds) => (seconds === null || seconds === undefined ? "–" : String(Math.round(seconds * 1000)));
const percent = (value) => `${Math.max(0, Math.min(100, value * 100)).toFixed(2)}%`;

/** Positions are set from script because the content security policy forbids style attributes. */
function bar(name, [start, length], scale) {
  const made = el("span", { class: `bar ${name}` });
  made.style.left = percent(start / scale);
  made.style.width = percent(Math.min(length, scale - start) / scale);
  return made;
}

function targetLine(target, scale) {
  const line = el("span", { class: "target" });
  line.style.left = percent(target / scale);
  return line;
}

function strip(spans, scale, target) {
  const parts = ["endpointing", "llm", "tts", "playout"].filter((name) => spans[name]);
  return el(
    "span",
    { class: "strip", "aria-hidden": "true" },
    ...parts.map((name) => bar(name, spans[name], scale)),
    targetLine(target, scale),
  );
}

function lane([name, title, meaning], metrics, spans, scale) {
  const span = spans[name];
  const slowest = metrics.slowest === name;
  return el(
    "div",
    { class: slowest ? "lane slowest" : "lane" },
    el("span", { class: "lane-name" }, title, slowest ? el("span", { class: "visually-hidden" }, ", the slowest stage") : ""),
    el("span", { class: "lane-track", "aria-hidden": "true" }, span ? bar(name, span, scale) : "", targetLine(metrics.target, scale)),
    el("span", { class: "lane-value" }, readable(metrics[name])),
    el("span", { class: "tip", "aria-hidden": "true" }, `${meaning} ${span ? `${readable(span[0])} → ${readable(span[0] + span[1])}` : "Did not happen."}`),
  );
}

function tableRow(metrics) {
  const cells = STAGES.map(([name]) => el("td", {}, milliseconds(metrics[name])));
  const late = metrics.total > metrics.target;
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, String(metrics.turn)),
    ...cells,
    el("td", { class: late ? "late" : null }, milliseconds(metrics.total)),
  );
}
