// A call over a WebSocket: binary messages are PCM both ways, text messages are JSON.

import { Problem, serverGone, serverProblem } from "./problems.js";

const OPEN_MS = 10_000;
const MAX_WAITING_BYTES = 192_000; // about a second of microphone; more means the network is gone

/**
 * Opens a call.
 *
 * @param {object} settings of the server (`websocket.subprotocol`)
 * @param {AudioGraph} audio
 * @param {{message: (m: object) => void, lost: (p: Problem|null) => void, connection: (s: string) => void}} on
 * @param {object} metadata told to the server
 */
export async function connectWebSocket(settings, audio, on, metadata) {
  const url = new URL("ws", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.search = url.hash = "";
  const socket = new WebSocket(url, settings.websocket?.subprotocol ?? "beluga-voice.v1");
  socket.binaryType = "arraybuffer";
  let playback = null;
  let capture = null;
  let closing = false;
  let refusal = null; // an error the server sent before it closed

  const link = {
    kind: "websocket",
    skippedFrames: 0,
    send(message) {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
    },
    silence() {
      playback?.disconnect();
    },
    close() {
      closing = true;
      capture?.disconnect();
      playback?.disconnect();
      socket.close(1000);
    },
  };

  const ready = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.close();
      reject(new Problem({ code: "connection_timeout", title: "The server takes too long", text: "No answer to the request for a call." }));
    }, OPEN_MS);
    socket.onopen = () => {
      link.send({ type: "start", sample_rate: audio.context.sampleRate, channels: 1, metadata });
    };
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") {
        playback?.port.postMessage(data, [data]);
        return;
      }
      const message = JSON.parse(data);
      if (message.type === "ready") {
        clearTimeout(timer);
        // Made here and not later, because audio may be in the very next message.
        playback = audio.makePlayback(message.output_sample_rate ?? 24_000);
        playback.port.onmessage = (event) => link.send({ type: "playback", buffered: round(event.data.buffered) });
        resolve(message);
      }
      if (message.type === "clear") playback?.port.postMessage("clear");
      if (message.type === "error") refusal = serverProblem(message.code, message.message, message.retry_after);
      if (playback && message.type !== "ready") on.message(message); // before that, an error is a refusal
    };
    socket.onclose = async (event) => {
      clearTimeout(timer);
      // A close code of the application or of the protocol belongs to the error sent just before it.
      if (playback && !closing) on.lost(event.code > 1006 ? refusal : null);
      else if (!playback) reject(refusal ?? (await whyRefused(event)));
    };
  });
  socket.onopen = null;
  on.message({ ...ready, transport: "websocket" });

  capture = audio.makeCapture();
  capture.port.onmessage = ({ data }) => {
    if (socket.readyState !== WebSocket.OPEN) return;
    if (socket.bufferedAmount > MAX_WAITING_BYTES) link.skippedFrames += 1;
    else socket.send(data);
  };
  return link;
}

const round = (seconds) => Math.round(seconds * 1000) / 1000;

/** A browser hides why a WebSocket was refused; the server's readiness tells "full" from "gone". */
async function whyRefused(event) {
  try {
    const response = await fetch("readyz", { signal: AbortSignal.timeout(3000) });
    const body = await response.json().catch(() => ({}));
    if (response.status === 503) {
      const error = body.error ?? {};
      return serverProblem(
        error.code ?? "session_limit_exceeded",
        error.message ?? "All lines are busy.",
        Number(response.headers.get("retry-after")) || 5,
      );
    }
    const reason = event.reason ? ` (${event.reason})` : "";
    return serverProblem("connection_failed", `The server refused the connection${reason}. You may be calling too often.`, 5);
  } catch {
    return serverGone("start");
  }
}
