// The transcript: one block a turn, partial words replaced in place, the agent's words as they are heard.

import { el, readable } from "./dom.js";

const GENTLE = window.matchMedia("(prefers-reduced-motion: reduce)");

/** The fields of an object as people read them: `day: Tuesday, free: 9:00, 10:30`. */
function readableFields(values) {
  return Object.entries(values).map(([key, value]) => `${key}: ${readableValue(value)}`).join(", ");
}

function readableValue(value) {
  if (Array.isArray(value)) return value.map(readableValue).join(", ") || "none";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** What a tool gave back; many give a JSON object. */
function readableResult(result) {
  try {
    const value = JSON.parse(result);
    if (Array.isArray(value)) return readableValue(value);
    if (value !== null && typeof value === "object") return readableFields(value) || "done";
  } catch {
    // it is plain words
  }
  return result || "done";
}

export class Conversation {
  /**
   * @param {HTMLElement} list where turns go
   * @param {HTMLElement} scroller what scrolls when the list grows
   * @param {(text: string) => void} announce tells screen readers finished sentences
   */
  constructor(list, scroller, announce) {
    this.list = list;
    this.scroller = scroller;
    this.announce = announce;
    this.clear();
  }

  clear() {
    this.list.replaceChildren();
    this.turns = new Map();
    this.current = null; // the agent's bubble that is being filled
    this.tools = new Map();
  }

  get empty() {
    return this.list.childElementCount === 0;
  }

  /** Shows what an event of the session means for the transcript; others are ignored. */
  take(event) {
    const stay = this.#atEnd();
    switch (event.type) {
      case "transcript": this.#userWords(event); break;
      case "turn": this.#turn(event); break;
      case "agent_text": this.#agentWords(event); break;
      case "interruption": this.#interrupted(event); break;
      case "backchannel": this.#backchannel(event); break;
      case "tool": this.#tool(event); break;
      case "metrics": this.#metrics(event); break;
      case "error": this.note(`${event.message} (${event.code})`, "bad"); break;
      default: return;
    }
    if (stay) this.#toEnd();
  }

  /** A line that belongs to neither side. */
  note(text, kind = "") {
    const stay = this.#atEnd();
    this.list.append(el("li", { class: `note ${kind}` }, text));
    if (stay) this.#toEnd();
  }

  #block(turn) {
    let block = this.turns.get(turn);
    if (!block) {
      block = el("li", { class: "turn", "data-turn": turn });
      this.list.append(block);
      this.turns.set(turn, block);
    }
    return block;
  }

  #userWords({ turn, text, final }) {
    const block = this.#block(turn);
    let words = block.querySelector(".user .words");
    if (!words) {
      words = el("p", { class: "words" });
      block.prepend(el("div", { class: "said user" }, el("span", { class: "who" }, "You"), words));
    }
    words.textContent = text;
    words.classList.toggle("partial", !final);
    words.parentElement.classList.toggle("open", !final);
    if (final) this.announce(`You: ${text}`);
  }

  #turn({ turn, phase, text, interrupted }) {
    if (phase === "agent_started") this.#openReply(turn);
    if (phase !== "agent_ended") return;
    const said = this.#reply(turn);
    if (!said) return;
    this.#closeReply(said, text, interrupted);
  }

  #openReply(turn) {
    if (this.current) this.#closeReply(this.current, "", false);
    const said = el("div", { class: "said agent speaking" }, el("span", { class: "who" }, "Agent"), el("p", { class: "words" }));
    if (turn > 0) this.#block(turn).append(said);
    else this.list.append(el("li", { class: "turn", "data-turn": 0 }, said));
    said.dataset.turn = turn;
    this.current = said;
    return said;
  }

  #reply(turn) {
    return this.current && Number(this.current.dataset.turn) === turn ? this.current : null;
  }

  #agentWords({ turn, text, final }) {
    const said = this.#reply(turn) ?? (final ? this.#lastReply(turn) : null) ?? this.#openReply(turn);
    const words = said.querySelector(".words");
    if (final) {
      if (text) words.textContent = text;
      return;
    }
    const fresh = el("span", { class: "fresh" }, text);
    words.append(words.textContent ? " " : "", fresh);
  }

  #lastReply(turn) {
    return [...this.list.querySelectorAll(`.agent[data-turn="${turn}"]`)].at(-1) ?? null;
  }

  #closeReply(said, text, interrupted) {
    if (this.current === said) this.current = null;
    const words = said.querySelector(".words");
    if (text) words.textContent = text;
    said.classList.remove("speaking");
    if (interrupted) this.#markCut(said);
    if (!words.textContent && !interrupted) {
      const block = said.parentElement;
      said.remove();
      if (!block.childElementCount) block.remove();
      return;
    }
    if (words.textContent) this.announce(`Agent: ${words.textContent}${interrupted ? " – cut off" : ""}`);
  }

  #markCut(said, detail = "") {
    said.classList.remove("speaking");
    said.classList.add("cut");
    let mark = said.querySelector(".cut-mark");
    if (!mark) {
      mark = el("p", { class: "cut-mark" });
      said.append(mark);
    }
    if (detail || !mark.textContent) mark.textContent = detail || "You cut in";
  }

  #interrupted({ turn, onset, silenced, heard }) {
    const said = this.#reply(turn) ?? this.#lastReply(turn);
    if (!said) return;
    if (heard) said.querySelector(".words").textContent = heard;
    const after = readable(Math.max(0, silenced - onset));
    const heardAny = said.querySelector(".words").textContent !== "";
    this.#markCut(said, `You cut in${heardAny ? "" : " before a word was heard"} · silent after ${after}`);
    if (this.current === said) this.current = null;
  }

  #backchannel({ text }) {
    const open = this.list.querySelector(".user.open");
    if (open) {
      const block = open.parentElement;
      open.remove();
      if (!block.childElementCount) {
        block.remove();
        this.turns.delete(Number(block.dataset.turn));
      }
    }
    if (text && this.current) this.current.append(el("p", { class: "aside" }, `you: “${text}”`));
  }

  #tool({ turn, call_id, name, phase, arguments: given, result }) {
    let chip = this.tools.get(call_id);
    if (!chip) {
      const shown = readableFields(given ?? {});
      chip = el(
        "div",
        { class: "tool running", title: JSON.stringify(given ?? {}) },
        el("span", { class: "tool-dot", "aria-hidden": "true" }),
        el("code", {}, name),
        shown ? el("span", { class: "tool-args" }, shown) : null,
        el("span", { class: "tool-result" }, "…"),
      );
      this.tools.set(call_id, chip);
      const block = turn > 0 ? this.#block(turn) : this.list.lastElementChild ?? this.#block(0);
      const reply = block.querySelector(".agent");
      if (reply && !reply.textContent.replace("Agent", "").trim()) reply.before(chip);
      else block.append(chip);
    }
    if (phase === "started") return;
    chip.classList.remove("running");
    chip.classList.toggle("failed", phase === "failed");
    chip.title = `${chip.title} → ${result}`;
    chip.querySelector(".tool-result").textContent = phase === "failed" ? `failed: ${result}` : `→ ${readableResult(result)}`;
  }

  #metrics({ turn, total, target }) {
    const user = this.turns.get(turn)?.querySelector(".user");
    if (!user || total === null || total === undefined) return;
    let badge = user.querySelector(".took");
    if (!badge) {
      badge = el("span", { class: "took" });
      user.querySelector(".who").append(badge);
    }
    badge.textContent = `answered in ${readable(total)}`;
    badge.classList.toggle("late", total > target);
  }

  #atEnd() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < 80;
  }

  #toEnd() {
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior: GENTLE.matches ? "auto" : "smooth" });
  }
}
