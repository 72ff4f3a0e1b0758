// Problems, shown where the eye already is: under the button, with what to do.

import { el } from "./dom.js";

export class Notice {
  /** @param {HTMLElement} box a region that is announced @param {() => void} type lets the user type instead */
  constructor(box, type) {
    this.box = box;
    this.type = type;
  }

  show(problem) {
    this.hide();
    const actions = el("div", { class: "notice-actions" });
    if (problem.canType) {
      const type = el("button", { type: "button", class: "button small quiet" }, "Type instead");
      type.addEventListener("click", () => this.type());
      actions.append(type);
    }
    actions.append(el("code", { class: "notice-code" }, problem.code));
    this.box.append(
      el("h2", {}, problem.title),
      el("p", {}, problem.text),
      problem.steps.length > 1
        ? el("ol", {}, ...problem.steps.map((step) => el("li", {}, step)))
        : el("p", {}, problem.steps[0] ?? ""),
      actions,
    );
    this.box.hidden = false;
  }

  hide() {
    this.box.hidden = true;
    this.box.replaceChildren();
  }
}
