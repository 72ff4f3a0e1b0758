// The page's audio graph: the microphone in, the agent's voice out, and both measured on one clock.

import { microphoneProblem, serverGone } from "./problems.js";

const CONSTRAINTS = { audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } };

/** Asks for the microphone; what goes wrong becomes a `Problem` that says what to do. */
export async function openMicrophone() {
  if (!navigator.mediaDevices?.getUserMedia) throw microphoneProblem();
  try {
    return await navigator.mediaDevices.getUserMedia(CONSTRAINTS);
  } catch (error) {
    throw microphoneProblem(error);
  }
}

export class AudioGraph {
  /** Must be called from a click or a key, or browsers keep it silent. */
  constructor(levels) {
    this.context = new AudioContext({ latencyHint: "interactive" });
    this.levels = levels;
    this.stream = null;
    this.meter = null;
    this.hasMicrophone = false;
    this.player = new Audio();
    this.player.autoplay = true;
    this.agentGain = new GainNode(this.context);
    this.unmuteTimer = 0;
  }

  /** Loads the worklets and connects `microphone` (a MediaStream), or silence where there is none. */
  async open(microphone) {
    const load = (name) => this.context.audioWorklet.addModule(new URL(name, import.meta.url));
    await this.context.resume();
    try {
      await Promise.all(["worklet-meter.js", "worklet-capture.js", "worklet-playback.js"].map(load));
    } catch {
      throw serverGone("start"); // these files come from the server, too
    }
    this.hasMicrophone = microphone !== null;
    this.stream = microphone ?? this.context.createMediaStreamDestination().stream;
    this.source = new MediaStreamAudioSourceNode(this.context, { mediaStream: this.stream });
    this.meter = new AudioWorkletNode(this.context, "beluga-meter", { numberOfInputs: 2 });
    this.meter.port.onmessage = ({ data }) => this.levels.add(data.time, data.mic, data.agent);
    this.source.connect(this.meter, 0, 0);
    this.agentGain.connect(this.meter, 0, 1);
    this.meter.connect(this.context.destination); // its output is silence, but unconnected nodes may not run
  }

  get microphoneTrack() {
    return this.stream.getAudioTracks()[0];
  }

  /** Mutes or opens the microphone. */
  mute(muted) {
    this.microphoneTrack.enabled = !muted;
  }

  /**
   * Plays a remote WebRTC stream through an audio element, which every browser's echo canceller knows. The branch
   * that is measured goes through a gain that is set whenever the element is muted, so levels show what is heard.
   */
  playRemote(stream) {
    this.player.srcObject = stream;
    this.player.play().catch(() => {}); // allowed after a click; if not, the element starts by itself later
    this.remote = new MediaStreamAudioSourceNode(this.context, { mediaStream: stream });
    this.remote.connect(this.agentGain);
  }

  /** Silences the remote stream at once for `seconds`: what is still on its way must not be heard. */
  cut(seconds) {
    clearTimeout(this.unmuteTimer);
    this.#setRemote(false);
    this.unmuteTimer = setTimeout(() => this.#setRemote(true), seconds * 1000);
  }

  /** Ends a `cut` after `seconds`, if it would last longer. */
  endCut(seconds) {
    if (this.player.muted) this.cut(seconds);
  }

  #setRemote(heard) {
    this.player.muted = !heard;
    this.agentGain.gain.value = heard ? 1 : 0;
  }

  /** A node that plays PCM pushed to it, at `rate` Hz. */
  makePlayback(rate) {
    const node = new AudioWorkletNode(this.context, "beluga-playback", {
      numberOfInputs: 0,
      outputChannelCount: [1],
      processorOptions: { inputRate: rate },
    });
    node.connect(this.context.destination);
    node.connect(this.agentGain);
    return node;
  }

  /** A node that gives the microphone as s16le frames of 20 ms. */
  makeCapture() {
    const node = new AudioWorkletNode(this.context, "beluga-capture", { numberOfInputs: 1, numberOfOutputs: 1 });
    this.source.connect(node);
    node.connect(this.context.destination); // silence, as above
    return node;
  }

  /** Lets go of the microphone and the speaker. */
  close() {
    clearTimeout(this.unmuteTimer);
    this.stream?.getTracks().forEach((track) => track.stop());
    this.player.srcObject = null;
    this.context.close().catch(() => {});
  }
}
