// One call from the button to the end: microphone, connection, events, hanging up.

import { AudioGraph, openMicrophone } from "./audio.js";
import { connectLiveKit, loadClient } from "./link-livekit.js";
import { canFallBack, connectWebRtc } from "./link-webrtc.js";
import { connectWebSocket } from "./link-websocket.js";
import { asProblem, serverGone, serverProblem } from "./problems.js";

const GOODBYE_MS = 1500;

/** `?transport=websocket|webrtc` chooses; else WebRTC where server and browser have it. */
export function chosenTransport(settings) {
  const wish = new URLSearchParams(location.search).get("transport");
  if (wish === "websocket" || wish === "webrtc") return wish;
  return settings.webrtc && "RTCPeerConnection" in window ? "webrtc" : "websocket";
}

/**
 * Events: "phase" (detail: idle, asking, connecting, live, ending), "message" (detail: what the server sent) and
 * "problem" (detail: a `Problem`).
 */
export class Call extends EventTarget {
  constructor(settings, levels) {
    super();
    this.settings = settings;
    if (settings.livekit) loadClient(settings.livekit.client).catch(() => {}); // told when a call needs it
    this.levels = levels;
    this.phase = "idle";
    this.muted = false;
    this.audio = null;
    this.link = null;
  }

  get active() {
    return this.phase !== "idle";
  }

  /** Starts a call; with `microphone` false the user types and the agent still speaks. Resolves to success. */
  async start({ microphone = true } = {}) {
    if (this.active) return false;
    this.muted = false;
    this.lastError = null;
    this.levels.restart();
    const audio = (this.audio = new AudioGraph(this.levels)); // here, while the click still counts as one
    try {
      this.#enter("asking");
      const stream = microphone ? await openMicrophone() : null;
      if (!this.#owns(audio)) {
        stream?.getTracks().forEach((track) => track.stop());
        return false;
      }
      this.#enter("connecting");
      await audio.open(stream);
      const link = await this.#connect(audio);
      if (!this.#owns(audio)) {
        link.close();
        return false;
      }
      this.link = link;
      this.#enter("live");
      return true;
    } catch (error) {
      if (this.#owns(audio)) this.#fail(error);
      return false;
    }
  }

  /** Says goodbye and lets go of everything; at once if the server does not answer. */
  hangUp() {
    if (!this.active || this.phase === "ending") return;
    if (this.phase !== "live") {
      this.#release();
      return;
    }
    this.#enter("ending");
    this.link.silence();
    this.link.send({ type: "stop" });
    this.goodbye = setTimeout(() => this.#release(), GOODBYE_MS);
  }

  /** Typed words of the user. */
  say(text) {
    this.link?.send({ type: "text", text });
  }

  mute(muted) {
    this.muted = muted;
    this.audio?.mute(muted);
  }

  /** The page goes away: no time for a goodbye. */
  abandon() {
    this.link?.send({ type: "stop" });
    if (this.active) this.#release();
  }

  async #connect(audio) {
    if (this.settings.livekit) {
      return connectLiveKit(this.settings, audio, this.#handlers(audio), { client: "page" });
    }
    // Without a microphone's permission browsers hide their addresses from WebRTC; a WebSocket needs none.
    const kind = audio.hasMicrophone ? chosenTransport(this.settings) : "websocket";
    const metadata = { client: "page" };
    if (kind === "webrtc") {
      try {
        return await connectWebRtc(this.settings, audio, this.#handlers(audio), metadata);
      } catch (error) {
        if (!canFallBack(error) || !this.#owns(audio)) throw error;
        this.#tell("message", { type: "fallback", from: "webrtc", to: "websocket", code: error.code, message: error.message });
      }
    }
    return connectWebSocket(this.settings, audio, this.#handlers(audio), metadata);
  }

  #handlers(audio) {
    const mine = (act) => (value) => this.#owns(audio) && act(value);
    return {
      message: mine((message) => this.#take(message)),
      lost: mine((problem) => this.#lost(problem)),
      connection: mine((state) => this.#tell("message", { type: "connection", state })),
    };
  }

  #take(message) {
    if (message.type === "error") this.lastError = message;
    this.#tell("message", message);
    if (message.type !== "closed") return;
    this.#release();
    if (message.code) this.#tell("problem", serverProblem(message.code, this.lastError?.message ?? `The call ended: ${message.reason}.`));
  }

  #lost(problem) {
    const expected = this.phase === "ending";
    this.#release();
    if (!expected) this.#tell("problem", problem ?? serverGone("call"));
  }

  #fail(error) {
    this.#release();
    this.#tell("problem", asProblem(error));
  }

  #owns(audio) {
    return this.audio === audio;
  }

  #release() {
    clearTimeout(this.goodbye);
    const { link, audio } = this;
    this.link = this.audio = null;
    link?.close();
    audio?.close();
    this.#enter("idle");
  }

  #enter(phase) {
    if (this.phase === phase) return;
    this.phase = phase;
    this.#tell("phase", phase);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
