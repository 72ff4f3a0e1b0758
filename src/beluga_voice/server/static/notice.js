// Problems, shown where the eye already is: under the button, with what to do.

import { el } from "./dom.js";

export class Notice {
  /** @param {HTMLElement} box a region that is announced @param {{retry: () => void, type: () => void}} act */
  constructor(box, act) {
    this.box = box;
    this.act = act;
    this.timer = 0;
  }

  show(problem) {
    this.hide();
    const retry = el("button", { type: "button", class: "button small" }, "Try again");
    retry.addEventListener("click", () => this.act.retry());
    const buttons = [retry];
    if (problem.canType) {
      const type = el("button", { type: "button", class: "button small quiet" }, "Type instead");
      type.addEventListener("click", () => this.act.type());
      buttons.push(type);
    }
    this.box.append(
      el("h2", {}, problem.title),
      el("p", {}, problem.text),
      ...(problem.steps.length ? [el("ol", {}, ...problem.steps.map((step) => el("li", {}, step)))] : []),
      el("div", { class: "notice-actions" }, ...buttons, el("code", { class: "notice-code" }, problem.code)),
    );
    this.box.hidden = false;
    if (problem.retryAfter > 0) this.#countDown(retry, Math.ceil(problem.retryAfter));
  }

  hide() {
    clearInterval(this.timer);
    this.box.hidden = true;
    this.box.replaceChildren();
  }

  #countDown(button, seconds) {
    let left = seconds;
    const tick = () => {
      button.disabled = left > 0;
      button.textContent = left > 0 ? `Try again in ${left} s` : "Try again";
      if (left <= 0) clearInterval(this.timer);
      left -= 1;
    };
    tick();
    this.timer = setInterval(tick, 1000);
  }
}
