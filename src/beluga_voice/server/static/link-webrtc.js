// A call over WebRTC: one offer with all candidates, one answer, and a data channel for events.

import { Problem, serverGone, serverProblem } from "./problems.js";

const GATHERING_MS = 2000;
const CONNECT_MS = 10_000;
const TAIL_SECONDS = 0.2; // what may still be on its way to the ear, beside the jitter buffer, after a cut
const STATS_MS = 1000;

/** Failures after which the same call may work over a WebSocket. */
const NO_WEBRTC = new Set(["missing_extra", "not_found", "connection_timeout", "webrtc_failed"]);

/** Whether `error` is about WebRTC itself and not about the call. */
export function canFallBack(error) {
  return error instanceof Problem && NO_WEBRTC.has(error.code);
}

/**
 * Opens a call.
 *
 * @param {object} settings of the server (`ice_servers`, `ice_transport_policy`)
 * @param {AudioGraph} audio
 * @param {{message: (m: object) => void, lost: (p: Problem|null) => void, connection: (s: string) => void}} on
 * @param {object} metadata told to the server
 */
export async function connectWebRtc(settings, audio, on, metadata) {
  const pc = new RTCPeerConnection({
    iceServers: settings.ice_servers ?? [],
    iceTransportPolicy: settings.ice_transport_policy ?? "all",
  });
  const channel = pc.createDataChannel("beluga", { ordered: true });
  const buffer = watchJitterBuffer(pc);
  let open = false;
  let closing = false;

  channel.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === "clear") audio.cut(buffer.seconds + TAIL_SECONDS);
    // Typed words are answered sooner than the tail has passed: the new reply is what comes out of the buffer next.
    if (message.type === "turn" && message.phase === "agent_started") audio.endCut(buffer.seconds);
    on.message(message);
  };
  channel.onclose = () => {
    if (open && !closing) on.lost(null);
  };
  pc.ontrack = ({ streams, track }) => audio.playRemote(streams[0] ?? new MediaStream([track]));
  pc.addTrack(audio.microphoneTrack, audio.stream);

  const link = {
    kind: "webrtc",
    send(message) {
      if (channel.readyState === "open") channel.send(JSON.stringify(message));
    },
    silence() {
      audio.cut(60);
    },
    close() {
      closing = true;
      buffer.stop();
      pc.close();
    },
  };
  try {
    await pc.setLocalDescription(await pc.createOffer());
    await gathered(pc);
    const answer = await postOffer(pc.localDescription, metadata);
    await pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    await opened(pc, channel);
    open = true;
    on.message({ type: "ready", session_id: answer.session_id, transport: "webrtc" });
  } catch (error) {
    link.close();
    throw error;
  }
  pc.onconnectionstatechange = () => {
    if (closing) return;
    on.connection(pc.connectionState);
    if (pc.connectionState === "failed") on.lost(serverGone("call"));
  };
  return link;
}

/** How long audio waits in the browser's jitter buffer: the mean of the last second, in `seconds`. */
function watchJitterBuffer(pc) {
  let before = { jitterBufferDelay: 0, jitterBufferEmittedCount: 0 };
  const watch = { seconds: 0.06, stop: () => clearInterval(timer) };
  const timer = setInterval(async () => {
    const report = [...(await pc.getStats()).values()].find((entry) => entry.type === "inbound-rtp");
    if (!report) return;
    const emitted = report.jitterBufferEmittedCount - before.jitterBufferEmittedCount;
    if (emitted > 0) watch.seconds = Math.min(1, (report.jitterBufferDelay - before.jitterBufferDelay) / emitted);
    before = report;
  }, STATS_MS);
  return watch;
}

/** All candidates are known, or two seconds have passed (a STUN server may never answer). */
function gathered(pc) {
  if (pc.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, GATHERING_MS);
    pc.addEventListener("icegatheringstatechange", () => {
      if (pc.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    });
  });
}

async function postOffer(description, metadata) {
  let response;
  try {
    response = await fetch("rtc/offer", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ sdp: description.sdp, type: description.type, metadata }),
      signal: AbortSignal.timeout(CONNECT_MS),
    });
  } catch {
    throw serverGone("start");
  }
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  const code = body.error?.code ?? (response.status === 404 ? "not_found" : `http_${response.status}`);
  const message = body.error?.message ?? `The server answered ${response.status} ${response.statusText}.`;
  throw serverProblem(code, message, Number(response.headers.get("retry-after")) || 0);
}

/** The data channel is open: sound and words can pass. */
function opened(pc, channel) {
  return new Promise((resolve, reject) => {
    const fail = () =>
      reject(new Problem({ code: "webrtc_failed", title: "WebRTC found no way through", text: "No network path to the server could be set up." }));
    const timer = setTimeout(fail, CONNECT_MS);
    const check = () => {
      if (pc.connectionState === "failed") fail();
    };
    pc.addEventListener("connectionstatechange", check);
    channel.onopen = () => {
      clearTimeout(timer);
      pc.removeEventListener("connectionstatechange", check);
      resolve();
    };
  });
}
