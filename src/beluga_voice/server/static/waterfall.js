// Where each turn's time went: one waterfall a turn, newest on top, and the same figures as a table.

import { el, readable } from "./dom.js";

const KEPT = 40;

/** The stages in the order they happen, and what each means in one line. */
export const STAGES = [
  ["endpointing", "End of turn", "From your last sound until it was clear that you had finished."],
  ["transcription", "Transcript", "From your last sound until the final words; beside the end of turn, not after it."],
  ["llm", "Agent", "From there to the agent's first words. Pale where it worked ahead, before it was clear."],
  ["tts", "Voice", "From the first words to the first synthesised sound."],
  ["playout", "Playout", "From that sound until it was sent to you."],
  ["delivery", "Delivery", "From there to your ear, as far as the line tells; not part of the total."],
];

/** Explains the stages: their colours, names and meanings. */
export function legend() {
  return STAGES.flatMap(([name, title, meaning]) => [
    el("dt", {}, el("span", { class: `swatch ${name}`, "aria-hidden": "true" }), title),
    el("dd", {}, meaning),
  ]);
}

/** The stages that are waited for, one after the other: they add up to the total. */
const WAITED = ["endpointing", "llm", "tts", "playout"];
const known = (value) => value !== null && value !== undefined;

/**
 * When each stage was really under way, in seconds from the end of speech. What the agent did ahead lies before the
 * decision and overlaps the end of the turn; without the moments, stages are laid one after the other.
 */
export function place(metrics) {
  const spans = waits(metrics);
  const since = (moment) => Math.max(0, moment - metrics.speech_end);
  const put = (name, from, to) => {
    if (known(from) && known(to)) spans[name] = [since(from), Math.max(0, to - Math.max(from, metrics.speech_end))];
  };
  const { speech_end, transcription, delivery, asked, first_text, first_audio, at } = metrics;
  if (known(transcription)) put("transcription", speech_end, speech_end + transcription);
  put("llm", asked, first_text ?? first_audio);
  put("tts", first_text, first_audio);
  if (known(delivery)) put("delivery", at, at + delivery);
  return spans;
}

/** What the user waited for: each stage from where the one before it ended. */
function waits(metrics) {
  const spans = {};
  let end = 0;
  for (const name of WAITED) {
    if (!known(metrics[name])) continue;
    spans[name] = [end, metrics[name]];
    end += metrics[name];
  }
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
    const longest = Math.max(...this.turns.slice(0, 8).map((m) => Math.max((m.total ?? 0) + (m.delivery ?? 0), m.transcription ?? 0)));
    return Math.min(Math.max(longest * 1.04, target * 1.3), target * 5);
  }

  #row(metrics, scale, open, kept) {
    const spans = place(metrics);
    const late = metrics.total !== null && metrics.total > metrics.target;
    const margin = readable(Math.abs(metrics.target - metrics.total));
    const verdict = `${margin} ${late ? "over" : "under"} target${late ? fault(metrics) : ""}`;
    const details = el(
      "details",
      { open, "data-turn": metrics.turn, "data-kept": kept },
      el(
        "summary",
        {},
        el("span", { class: "w-turn" }, `Turn ${metrics.turn}`),
        strip(waits(metrics), scale, metrics.target),
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
const title = (name) => STAGES.find(([stage]) => stage === name)?.[1] ?? name;
const percent = (value) => `${Math.max(0, Math.min(100, value * 100)).toFixed(2)}%`;

/** Which stage a missed target is owed to, and its share. */
function fault({ slowest, total, ...stages }) {
  if (!slowest || !total) return "";
  const seconds = stages[slowest === "transcription" ? "endpointing" : slowest];
  return known(seconds) ? `: ${title(slowest)} took ${Math.round((100 * seconds) / total)} %` : "";
}

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

function lane([name, label, meaning], metrics, spans, scale) {
  const span = spans[name];
  const slowest = metrics.slowest === name;
  const ahead = span ? workedAhead(name, span, metrics) : 0;
  const bars = [];
  if (ahead > 0) bars.push(bar(`${name} ahead`, [span[0], ahead], scale));
  if (span && ahead < span[1]) bars.push(bar(name, [span[0] + ahead, span[1] - ahead], scale));
  return el(
    "div",
    { class: slowest ? "lane slowest" : "lane" },
    el("span", { class: "lane-name" }, label, slowest ? el("span", { class: "visually-hidden" }, ", the slowest stage") : ""),
    el("span", { class: "lane-track", "aria-hidden": "true" }, ...bars, targetLine(metrics.target, scale)),
    el(
      "span",
      { class: "lane-value" },
      readable(metrics[name]),
      ahead > 0 ? el("span", { class: "visually-hidden" }, `, and ${readable(ahead)} ahead`) : "",
    ),
    el("span", { class: "tip", "aria-hidden": "true" }, `${meaning} ${story(span, ahead)}`),
  );
}

/** How much of a stage was done before the turn was decided, and so cost no wait. */
function workedAhead(name, [start, length], { decided, speech_end }) {
  if (!["llm", "tts"].includes(name) || !known(decided)) return 0;
  return Math.max(0, Math.min(length, decided - speech_end - start));
}

function story(span, ahead) {
  if (!span) return "Did not happen.";
  const when = `${readable(span[0])} → ${readable(span[0] + span[1])}`;
  if (ahead <= 0) return when;
  return `${when}, ${ahead < span[1] ? `${readable(ahead)} of it` : "all of it"} ahead`;
}

function tableRow(metrics) {
  const cells = STAGES.filter(([name]) => name !== "delivery").map(([name]) => el("td", {}, milliseconds(metrics[name])));
  const late = metrics.total > metrics.target;
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, String(metrics.turn)),
    ...cells,
    el("td", { class: late ? "late" : null }, milliseconds(metrics.total)),
  );
}
