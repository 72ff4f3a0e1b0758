// Small ways to make and find elements; text is always set as text, never as markup.

/** The element with `id`; a missing one is a mistake in index.html and is said so at once. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no element #${id}`);
  return found;
}

/** A new element: `el("p", {class: "hint"}, "words", child)`. Attributes that are null or false are left out. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Seconds as people read them: 48 ms, 412 ms, 1.24 s. */
export function readable(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (Math.abs(seconds) < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  return `${seconds.toFixed(2)} s`;
}

/** Puts `text` on the clipboard, also on pages that are not secure; returns whether it worked. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el("textarea", { class: "visually-hidden", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** Says on a button that its work is done, and puts its own words back after a moment. */
export function confirmOn(button, words) {
  const label = button.querySelector("[data-label]") ?? button;
  button.dataset.own ??= label.textContent;
  label.textContent = words;
  clearTimeout(Number(button.dataset.timer));
  button.dataset.timer = String(setTimeout(() => (label.textContent = button.dataset.own), 1600));
}
