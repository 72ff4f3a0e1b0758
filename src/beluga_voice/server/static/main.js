// Wires the page together: the call's events to what is shown, and what is pressed to the call.

import { Call } from "./call.js";
import { Conversation } from "./conversation.js";
import { byId, confirmOn, copyText, el } from "./dom.js";
import { EventLog } from "./eventlog.js";
import { Levels, share } from "./levels.js";
import { Notice } from "./notice.js";
import { Orb } from "./orb.js";
import { asProblem, serverGone } from "./problems.js";
import { Clock, Meter, Status } from "./status.js";
import { legend, Waterfall } from "./waterfall.js";

const log = new EventLog();
const levels = new Levels();
const status = new Status(new Orb(byId("orb"), levels));
const clock = new Clock();
const notice = new Notice(byId("notice"), () => byId("words").focus());
const waterfall = new Waterfall(byId("waterfall"), byId("timing-table"), byId("timing-summary"));
const conversation = new Conversation(byId("turns"), byId("scroller"), announce);
const talk = byId("talk");
const mute = byId("mute");

let call = null;
let sessionState = "starting"; // as the server told it last
let unsent = []; // typed before the session listens

new Meter(levels, share);
byId("stages").replaceChildren(...legend());

/** For tests and for curious people: everything this page was told and heard. */
window.__beluga = {
  get events() {
    return log.events;
  },
  levels: (since) => levels.since(since),
  get phase() {
    return call?.phase ?? "loading";
  },
};

function announce(sentence) {
  const box = byId("announce-words");
  box.append(el("p", {}, sentence));
  while (box.childElementCount > 20) box.firstElementChild.remove();
}

// --- the server's settings -------------------------------------------------------------------------------

async function load() {
  let settings;
  try {
    const response = await fetch("config.json", { signal: AbortSignal.timeout(8000) });
    if (!response.ok) throw new Error(`config.json: ${response.status}`);
    settings = await response.json();
  } catch {
    onProblem(serverGone("start"));
    talk.disabled = false;
    return;
  }
  const { agent = {}, suggestions = [] } = settings;
  byId("agent-name").textContent = agent.name ?? "";
  if (agent.name) byId("welcome-lead").textContent = agent.name;
  if (agent.description) byId("welcome-more").textContent = agent.description;
  byId("chips").replaceChildren(...suggestions.map(chip));
  byId("suggestions").hidden = suggestions.length === 0;
  call = new Call(settings, levels);
  call.addEventListener("phase", ({ detail }) => onPhase(detail));
  call.addEventListener("message", ({ detail }) => onMessage(detail));
  call.addEventListener("problem", ({ detail }) => onProblem(detail));
  talk.disabled = false;
  status.show("idle");
}

function chip(words) {
  const made = el("button", { type: "button", class: "chip" }, words);
  made.addEventListener("click", () => type(words));
  return made;
}

// --- the call --------------------------------------------------------------------------------------------

function begin(microphone) {
  if (!call) {
    location.reload();
    return;
  }
  notice.hide();
  conversation.clear();
  waterfall.clear();
  showWhatIsEmpty();
  status.typing = !microphone;
  document.body.dataset.microphone = microphone ? "on" : "off";
  call.start({ microphone });
}

function onPhase(phase) {
  log.add({ type: "phase", phase });
  document.body.dataset.phase = phase;
  const inCall = phase === "live";
  byId("talk-label").textContent = { idle: "Talk", asking: "Cancel", connecting: "Cancel" }[phase] ?? "Hang up";
  mute.disabled = !inCall || status.typing;
  showMuted(false);
  if (phase === "live") clock.start();
  else clock.stop();
  if (phase === "idle") {
    byId("link-kind").hidden = true;
    unsent = [];
    levels.restart();
  }
  if (phase !== "live") status.show(phase);
}

function onProblem(problem) {
  log.add({ type: "problem", code: problem.code, message: problem.text });
  status.show("problem");
  notice.show(problem);
  byId("talk-label").textContent = "Try again";
}

function onMessage(message) {
  log.add(message);
  switch (message.type) {
    case "ready": {
      const kind = byId("link-kind");
      kind.textContent = { webrtc: "WebRTC", websocket: "WebSocket", livekit: "LiveKit" }[message.transport];
      kind.hidden = false;
      break;
    }
    case "state":
      sessionState = message.state;
      status.show(sessionState);
      unsent.splice(0).forEach((words) => call.say(words));
      break;
    case "interruption":
      status.flashInterrupted();
      break;
    case "metrics":
      waterfall.add(message);
      break;
    case "fallback":
      conversation.note("WebRTC found no way through; this call uses a WebSocket.");
      break;
    case "connection":
      if (message.state === "disconnected") status.show("reconnecting");
      else if (message.state === "connected") status.show(sessionState);
      break;
    case "closed":
      if (!message.code) conversation.note(`Call ended${message.reason && message.reason !== "stopped" ? `: ${message.reason.replaceAll("_", " ")}` : ""}.`);
      break;
  }
  conversation.take(message);
  showWhatIsEmpty();
}

function showWhatIsEmpty() {
  byId("welcome").hidden = !conversation.empty;
  byId("legend").open = waterfall.turns.length === 0 || byId("legend").dataset.kept !== undefined;
  document.body.classList.toggle("talked", !conversation.empty);
}

/** Sends typed words; without a call it starts one that needs no microphone. */
function type(words) {
  if (!call) return;
  if (call.phase === "live" && !unsent.length) {
    call.say(words);
    return;
  }
  if (!call.active) begin(false);
  unsent.push(words);
}

// --- what is pressed -------------------------------------------------------------------------------------

talk.addEventListener("click", () => (call?.active ? call.hangUp() : begin(true)));

mute.addEventListener("click", () => {
  call.mute(!call.muted);
  showMuted(call.muted);
});

function showMuted(muted) {
  mute.setAttribute("aria-pressed", String(muted));
  document.body.classList.toggle("muted", muted);
}

byId("type").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = byId("words");
  const words = field.value.trim();
  if (!words || !call) return;
  field.value = "";
  type(words);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && call?.active && !byId("plug").open) {
    event.preventDefault();
    call.hangUp();
    talk.focus({ preventScroll: true });
  }
  if (event.key === " " && event.target === document.body && !talk.disabled && !event.repeat) {
    event.preventDefault();
    talk.click();
  }
});

window.addEventListener("pagehide", () => call?.abandon());

byId("open-plug").addEventListener("click", () => byId("plug").showModal());
byId("plug").addEventListener("click", (event) => {
  if (event.target === event.currentTarget) event.currentTarget.close(); // a click beside it
});
byId("copy-code").addEventListener("click", async ({ currentTarget }) => {
  confirmOn(currentTarget, (await copyText(byId("code").textContent)) ? "Copied" : "Not allowed");
});

byId("as-table").addEventListener("click", ({ currentTarget }) => {
  const table = currentTarget.getAttribute("aria-pressed") !== "true";
  currentTarget.setAttribute("aria-pressed", String(table));
  byId("table-box").hidden = !table;
  byId("waterfall").hidden = table;
});

byId("legend").querySelector("summary").addEventListener("click", () => (byId("legend").dataset.kept = ""));

log.addEventListener("added", () => {
  byId("log-count").textContent = `${log.events.length} ${log.events.length === 1 ? "event" : "events"}`;
  byId("log-copy").disabled = byId("log-save").disabled = false;
});
byId("log-copy").addEventListener("click", async ({ currentTarget }) => {
  confirmOn(currentTarget, (await copyText(log.toJsonl())) ? "Copied" : "Not allowed");
});
byId("log-save").addEventListener("click", () => log.download());

window.addEventListener("unhandledrejection", ({ reason }) => onProblem(asProblem(reason)));

load();
