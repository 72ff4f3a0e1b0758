// What can go wrong before and during a call, in words that say what to do next.

/** A failure the page can explain. `code` is the server's own code, or one of the page's. */
export class Problem extends Error {
  constructor({ code, title, text, steps = [], canType = false, retryAfter = 0 }) {
    super(text);
    Object.assign(this, { code, title, text, steps, canType, retryAfter });
  }
}

const SITE_SETTINGS = "Select the icon at the left of the address bar and set Microphone to Allow.";

/** Why the microphone cannot be used, from what getUserMedia threw (or from its absence). */
export function microphoneProblem(error) {
  const canType = true;
  if (!navigator.mediaDevices?.getUserMedia) {
    const local = `http://localhost${location.port ? `:${location.port}` : ""}${location.pathname}`;
    return window.isSecureContext
      ? new Problem({
          code: "microphone_unsupported", title: "This browser cannot record", canType,
          text: "It gives pages no access to a microphone.",
          steps: ["Open this page in a current Chrome, Edge, Firefox or Safari."],
        })
      : new Problem({
          code: "insecure_origin", title: "The microphone needs a secure page", canType,
          text: `Browsers give no microphone to ${location.origin}, because the connection is not private.`,
          steps: [`On the computer that runs the server, open ${local}`, "From another device, serve this page over https."],
        });
  }
  switch (error?.name) {
    case "NotAllowedError":
    case "SecurityError":
      return new Problem({
        code: "microphone_refused", title: "The microphone is blocked", canType,
        text: "The browser was told not to let this page listen.",
        steps: [SITE_SETTINGS, "If it is allowed there, allow the browser in the system's privacy settings.", "Then press Try again."],
      });
    case "NotFoundError":
    case "OverconstrainedError":
      return new Problem({
        code: "microphone_absent", title: "No microphone was found", canType,
        text: "This device has no microphone the browser can see.",
        steps: ["Plug in a microphone or headset, or switch it on.", "Then press Try again."],
      });
    case "NotReadableError":
    case "AbortError":
      return new Problem({
        code: "microphone_busy", title: "The microphone is busy", canType,
        text: "Another program holds it, or its driver failed.",
        steps: ["Close other programs that record or make calls.", "Then press Try again."],
      });
    default:
      return new Problem({
        code: "microphone_failed", title: "The microphone did not start", canType,
        text: error ? `${error.name}: ${error.message}` : "The browser gave no reason.",
        steps: ["Reload the page and try again."],
      });
  }
}

const TITLES = {
  session_limit_exceeded: "The server is full",
  rate_limit_exceeded: "Too many calls at once",
  authentication_failed: "The server did not let you in",
  authorization_failed: "You may not do this here",
  missing_extra: "The server lacks a part",
  connection_timeout: "The connection took too long",
  timeout: "The server took too long",
};

/** A refusal the server explained: its code and message, as sent. */
export function serverProblem(code, message, retryAfter = 0) {
  const steps = retryAfter > 0 ? [`Wait ${Math.ceil(retryAfter)} s, then press Try again.`] : [];
  return new Problem({ code, title: TITLES[code] ?? "The server ended the call", text: message, steps, retryAfter });
}

/** The server does not answer at all. */
export function serverGone(during) {
  return new Problem({
    code: "connection_failed",
    title: during === "call" ? "The connection was lost" : "The server does not answer",
    text: during === "call"
      ? "The server stopped answering in the middle of the call."
      : `Nothing answered at ${location.host}.`,
    steps: ["Check that beluga-voice demo is still running in its terminal.", "Then press Try again."],
  });
}

/** Any error as a `Problem`. */
export function asProblem(error) {
  if (error instanceof Problem) return error;
  return new Problem({
    code: "page_error", title: "Something went wrong in the page", text: `${error?.name ?? "Error"}: ${error?.message ?? error}`,
    steps: ["Reload the page; copy the event log if it happens again."],
  });
}
