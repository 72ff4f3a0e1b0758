// A call in a LiveKit room: the server makes the room and a token, LiveKit's own client does the rest.

import { Problem, serverGone, serverProblem } from "./problems.js";

const JOIN_MS = 15_000;
const TAIL_SECONDS = 0.2; // what may still be on its way to the ear after a cut
const RECORDING_PIECE_MS = 20; // LiveKit's client loses the last piece of a recording (2.23)
const EVENTS_TOPIC = "beluga.events";
const CHAT_TOPIC = "lk.chat";

/**
 * Opens a call.
 *
 * @param {object} settings of the server (`livekit.client`: where LiveKit's client is)
 * @param {AudioGraph} audio
 * @param {{message: (m: object) => void, lost: (p: Problem|null) => void, connection: (s: string) => void}} on
 * @param {object} metadata told to the server
 */
export async function connectLiveKit(settings, audio, on, metadata) {
  const { LocalAudioTrack, Room, RoomEvent, Track } = await loadClient(settings.livekit.client);
  const room = new Room({ adaptiveStream: false, dynacast: false });
  const microphone = new LocalAudioTrack(audio.microphoneTrack, undefined, true);
  // What is said while the call is set up is recorded, and sent to the agent when it is there.
  if (audio.hasMicrophone) microphone.startPreConnectBuffer(RECORDING_PIECE_MS);
  let closing = false;

  room.on(RoomEvent.DataReceived, (payload, _participant, _kind, topic) => {
    if (topic !== EVENTS_TOPIC) return;
    const message = JSON.parse(new TextDecoder().decode(payload));
    if (message.type === "clear") audio.cut(TAIL_SECONDS);
    if (message.type === "turn" && message.phase === "agent_started") audio.endCut(0);
    on.message(message);
  });
  room.on(RoomEvent.TrackSubscribed, (track) => {
    if (track.kind === Track.Kind.Audio) audio.playRemote(new MediaStream([track.mediaStreamTrack]));
  });
  room.on(RoomEvent.Reconnecting, () => on.connection("disconnected"));
  room.on(RoomEvent.Reconnected, () => on.connection("connected"));
  room.on(RoomEvent.Disconnected, () => {
    if (!closing) on.lost(null);
  });

  const link = {
    kind: "livekit",
    room,
    send(message) {
      if (message.type === "text") room.localParticipant.sendText(message.text, { topic: CHAT_TOPIC });
      if (message.type !== "stop") return;
      closing = true; // the server ends a conversation whose visitor has left
      room.disconnect().then(() => on.message({ type: "closed", reason: "stopped", code: "" }));
    },
    silence() {
      audio.cut(60);
    },
    close() {
      closing = true;
      room.disconnect();
    },
  };
  let invitation;
  try {
    invitation = await invite(metadata);
  } catch (error) {
    microphone.stopPreConnectBuffer();
    throw error;
  }
  try {
    await room.connect(invitation.url, invitation.token);
    await room.localParticipant.publishTrack(microphone, {
      source: Track.Source.Microphone,
      dtx: true,
      red: true,
    });
  } catch (error) {
    microphone.stopPreConnectBuffer();
    link.close();
    throw new Problem({
      code: "connection_failed",
      title: "The LiveKit server cannot be reached",
      text: `${invitation.url}: ${error?.message ?? error}`,
      steps: ["Check that the LiveKit server is running and that this browser can reach it.", "Then press Try again."],
    });
  }
  on.message({ type: "ready", session_id: invitation.session_id, transport: "livekit" });
  return link;
}

/** LiveKit's client library; ask early, so that nothing waits for it when the call begins. */
export async function loadClient(url) {
  try {
    return await import(new URL(url, document.baseURI));
  } catch {
    throw new Problem({
      code: "missing_extra",
      title: "LiveKit's client library is missing",
      text: "The server has no livekit-client to hand out.",
      steps: ["In the folder the server was started in: npm install livekit-client", "Or set LIVEKIT_CLIENT_JS to its livekit-client.esm.mjs."],
    });
  }
}

/** Asks the server for a room with an agent in it, and a token to join it. */
async function invite(metadata) {
  let response;
  try {
    response = await fetch("livekit/join", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ metadata }),
      signal: AbortSignal.timeout(JOIN_MS),
    });
  } catch {
    throw serverGone("start");
  }
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  const message = body.error?.message ?? `The server answered ${response.status} ${response.statusText}.`;
  throw serverProblem(body.error?.code ?? `http_${response.status}`, message, Number(response.headers.get("retry-after")) || 0);
}
