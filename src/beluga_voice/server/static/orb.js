// The orb: a pearl in deep water. It sends rings like sonar while the agent speaks, draws them in while you do,
// turns slowly while it thinks, and holds still for those who asked for less motion.

import { share } from "./levels.js";

const TAU = Math.PI * 2;
const POINTS = 72;
const RING_SECONDS = 2.2;
const REDUCED = window.matchMedia("(prefers-reduced-motion: reduce)");

const ICE = [226, 241, 248];
const SKY = [128, 196, 228];
const ACCENT = [255, 138, 102];
const mix = (a, b, t) => a.map((v, i) => Math.round(v + (b[i] - v) * t));
const rgba = (c, alpha) => `rgba(${c[0]},${c[1]},${c[2]},${alpha})`;

/** How each state looks: how bright the pearl is, its ring, which way rings travel, and how fast it turns. */
const LOOKS = {
  idle: { glow: 0.18, tint: 0.3, ring: "none", rings: 0, turn: 0 },
  asking: { glow: 0.25, tint: 0.25, ring: "arc", rings: 0, turn: 0.5 },
  connecting: { glow: 0.25, tint: 0.25, ring: "arc", rings: 0, turn: 0.9 },
  listening: { glow: 0.36, tint: 0.1, ring: "whole", rings: 0, turn: 0 },
  user_speaking: { glow: 0.45, tint: 0.0, ring: "whole", rings: -1, turn: 0 },
  deciding: { glow: 0.4, tint: 0.05, ring: "open", rings: 0, turn: 0.25 },
  thinking: { glow: 0.32, tint: 0.35, ring: "arcs", rings: 0, turn: 0.4 },
  speaking: { glow: 0.55, tint: 0.0, ring: "none", rings: 1, turn: 0 },
  interrupted: { glow: 0.3, tint: 0.2, ring: "broken", rings: 0, turn: 0, accent: true },
  problem: { glow: 0.12, tint: 0.55, ring: "broken", rings: 0, turn: 0, accent: true },
};

export class Orb {
  /** @param {HTMLCanvasElement} canvas @param {Levels} levels */
  constructor(canvas, levels) {
    this.canvas = canvas;
    this.paint = canvas.getContext("2d");
    this.levels = levels;
    this.state = "idle";
    this.look = { ...LOOKS.idle };
    this.rings = [];
    this.sinceRing = 0;
    this.angle = 0;
    this.mic = 0;
    this.agent = 0;
    this.last = 0;
    new ResizeObserver(() => this.#size()).observe(canvas);
    REDUCED.addEventListener("change", () => this.#wake());
    document.addEventListener("visibilitychange", () => this.#wake());
    this.#size();
    this.#wake();
  }

  show(state) {
    this.state = LOOKS[state] ? state : state === "draining" ? "speaking" : "idle";
    if (LOOKS[this.state].accent) this.rings = [];
    this.#wake();
  }

  #size() {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    this.side = this.canvas.clientWidth;
    this.canvas.width = this.canvas.height = Math.max(1, Math.round(this.side * ratio));
    this.paint.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#draw(0);
  }

  /** Thirty frames a second are calm enough; with reduced motion four, and nothing moves but the levels. */
  #wake() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    if (document.hidden) return;
    this.#draw(0);
    const next = () => {
      if (REDUCED.matches) {
        this.timer = setTimeout(() => (this.#draw(0), next()), 250);
        return;
      }
      this.frame = requestAnimationFrame((now) => {
        if (now - this.last >= 31) {
          const passed = Math.min(0.1, (now - this.last) / 1000);
          this.last = now;
          this.#draw(passed);
        }
        next();
      });
    };
    next();
  }

  #draw(passed) {
    const { paint, side } = this;
    if (!side) return;
    this.#move(passed);
    const still = REDUCED.matches;
    const level = Math.max(this.agent, this.mic * 0.6);
    const radius = side * 0.25;
    paint.clearRect(0, 0, side, side);
    paint.save();
    paint.translate(side / 2, side / 2);
    this.#glow(radius, level);
    this.#sonar(radius, still);
    this.#ring(radius, still);
    this.#pearl(radius, still ? 0 : level);
    paint.restore();
  }

  #move(passed) {
    const goal = LOOKS[this.state];
    const ease = REDUCED.matches ? 1 : 1 - Math.exp(-passed * 7);
    for (const key of ["glow", "tint", "turn"]) this.look[key] += (goal[key] - this.look[key]) * ease;
    const follow = (now, to) => now + (to - now) * (to > now ? 1 - Math.exp(-passed * 24) : 1 - Math.exp(-passed * 7));
    const snap = REDUCED.matches;
    const [mic, agent] = [share(this.levels.now.mic), share(this.levels.now.agent)];
    this.mic = snap ? mic : follow(this.mic, mic);
    this.agent = snap ? agent : follow(this.agent, agent);
    this.angle = (this.angle + passed * this.look.turn * TAU * 0.5) % TAU;
    this.time = (this.time ?? 0) + passed;
    this.sinceRing += passed;
    const strength = goal.rings > 0 ? this.agent : this.mic;
    if (goal.rings !== 0 && strength > 0.15 && this.sinceRing > 0.42 && this.rings.length < 7) {
      this.rings.push({ age: 0, way: goal.rings, strength });
      this.sinceRing = 0;
    }
    this.rings.forEach((ring) => (ring.age += passed));
    this.rings = this.rings.filter((ring) => ring.age < RING_SECONDS);
  }

  #glow(radius, level) {
    const reach = radius * (1.75 + level * 0.25);
    const glow = this.paint.createRadialGradient(0, 0, radius * 0.6, 0, 0, reach);
    const colour = LOOKS[this.state].accent ? ACCENT : SKY;
    glow.addColorStop(0, rgba(colour, this.look.glow * (0.75 + level * 0.5)));
    glow.addColorStop(1, rgba(colour, 0));
    this.paint.fillStyle = glow;
    this.paint.beginPath();
    this.paint.arc(0, 0, reach, 0, TAU);
    this.paint.fill();
  }

  #sonar(radius, still) {
    const { paint } = this;
    const ways = LOOKS[this.state].rings;
    const rings = still
      ? ways === 0 ? [] : [0.18, 0.42, 0.66].map((age) => ({ age: age * RING_SECONDS, way: 1, strength: 0.35 + 0.65 * Math.max(this.mic, this.agent) }))
      : this.rings;
    for (const { age, way, strength } of rings) {
      const part = age / RING_SECONDS;
      const out = way > 0 ? part : 1 - part;
      const size = radius * (1.08 + 0.82 * (1 - (1 - out) ** 1.6));
      const fade = way > 0 ? (1 - part) ** 1.4 : Math.sin(part * Math.PI) * 0.9;
      paint.strokeStyle = rgba(way > 0 ? ICE : SKY, fade * (0.2 + 0.55 * strength));
      paint.lineWidth = 1.2 + 2.2 * (1 - out);
      paint.beginPath();
      paint.arc(0, 0, size, 0, TAU);
      paint.stroke();
    }
  }

  #ring(radius, still) {
    const { paint } = this;
    const { ring, accent } = LOOKS[this.state];
    if (ring === "none") return;
    const size = radius * (1.24 + (ring === "whole" ? this.mic * 0.1 : 0));
    const turn = still ? -TAU / 4 : this.angle - TAU / 4;
    paint.lineCap = "round";
    paint.lineWidth = 2.5 + (ring === "whole" ? this.mic * 4 : 0);
    paint.strokeStyle = rgba(accent ? ACCENT : ICE, ring === "whole" ? 0.4 + this.mic * 0.5 : 0.8);
    const arcs = {
      whole: [[0, TAU]],
      open: [[0.35, TAU - 0.7]],
      arc: [[0, TAU * 0.22]],
      arcs: [[0, TAU * 0.2], [TAU / 3, TAU * 0.2], [(TAU * 2) / 3, TAU * 0.2]],
      broken: Array.from({ length: 12 }, (_, i) => [(i / 12) * TAU, TAU / 30]),
    }[ring];
    for (const [start, length] of arcs) {
      paint.beginPath();
      paint.arc(0, 0, size, turn + start, turn + start + length);
      paint.stroke();
    }
  }

  #pearl(radius, level) {
    const { paint } = this;
    const t = this.time ?? 0;
    const breath = REDUCED.matches ? 0 : Math.sin(t * 0.9) * 0.012;
    const size = radius * (1 + breath + level * 0.07);
    paint.beginPath();
    for (let i = 0; i <= POINTS; i += 1) {
      const a = (i / POINTS) * TAU;
      const wave =
        Math.sin(a * 3 + t * 1.7) * 0.45 + Math.sin(a * 5 - t * 2.3) * 0.3 + Math.sin(a * 2 + t * 1.1) * 0.4;
      const r = size * (1 + wave * (0.005 + level * 0.022));
      paint.lineTo(Math.cos(a) * r, Math.sin(a) * r);
    }
    paint.closePath();
    const shade = paint.createRadialGradient(-size * 0.35, -size * 0.45, size * 0.1, 0, 0, size * 1.15);
    const { tint } = this.look;
    const deep = [54, 108, 150];
    shade.addColorStop(0, rgba(mix([255, 255, 255], SKY, tint * 0.8), 1));
    shade.addColorStop(0.5, rgba(mix(ICE, deep, tint * 0.9), 1));
    shade.addColorStop(1, rgba(mix([138, 186, 214], [24, 62, 98], tint * 0.9), 1));
    paint.fillStyle = shade;
    paint.fill();
  }
}
