// The page: one view, the picture of it, and what the panels say of it.

import { Frames } from "./frames.js";
import { kept, same, toModel, words, zoomed } from "./geometry.js";
import { listenToKeys, listenToPointers } from "./input.js";
import { Overlay } from "./overlay.js";
import * as panels from "./panels.js";
import { listenToSaving } from "./save.js";
import { listen, study } from "./server.js";

const { byId } = panels;
const SETTLED_AFTER = 250; // milliseconds without a movement, after which studies are asked for
const POINTED_AFTER = 60;
const MOST_PIXELS = 1 << 24; // of a frame; the server gives no more

class Page {
  constructor() {
    this.state = null;
    this.view = null;
    this.on = []; // whether each pass is
    this.held = false; // the explained pixel stays, wherever the pointer is
    this.settling = 0;
    this.pointing = 0;
    this.busy = 0;
    this.resized = null; // the size of the stage, once it is known
    this.overlay = new Overlay(byId("overlay"));
    this.frames = new Frames(byId("picture"), panels.showFrame, panels.showFailure);
  }

  say(message) { byId("news").textContent = message; }

  /** What is shown, besides the view. */
  get key() { return `${this.switches} ${this.state.generation} ${this.state.session}`; }

  get switches() { return this.on.map(Number).join(""); }

  /** Show another view. */
  go(view) {
    this.view = kept(view);
    this.show();
    showFields(this.view, this.state);
    this.soon();
  }

  show() {
    this.frames.show(this.view, this.key);
    this.overlay.draw(this.view);
  }

  /** Ask for studies when nothing has moved for a while. */
  soon(delay = SETTLED_AFTER) {
    clearTimeout(this.settling);
    this.pending = true;
    this.showBusy();
    this.settling = setTimeout(() => this.settle(), delay);
  }

  async settle() {
    const { view } = this;
    history.replaceState(null, "", `#${new URLSearchParams(place(view))}`);
    const given = { ...words(view), passes: this.switches };
    this.pending = false;
    this.busy += 1;
    this.showBusy();
    await Promise.all([this.askStages(given), this.askTerms(given), this.askHeat(given), this.askPixel()]);
    this.busy -= 1;
    this.showBusy();
  }

  /** Studies are under way, or will be asked for in a moment. */
  showBusy() { byId("panel").setAttribute("aria-busy", String(this.pending || this.busy > 0)); }

  /** A study's answer; null where it is not wanted, was superseded or failed. */
  async answer(kind, given) {
    try {
      return await study(kind, given);
    } catch (error) {
      this.say(error.message);
      return null;
    }
  }

  async askStages(given) {
    if (!byId("passes-section").open) return;
    const answer = await this.answer("stages", given);
    if (answer && given.passes === this.switches) panels.showStages(answer.stages, this.on);
  }

  async askHeat(given) {
    const answer = byId("heat").checked ? await this.answer("heat", given) : null;
    if (answer === null && byId("heat").checked) return;
    this.overlay.heat = answer;
    panels.showHeat(answer);
    this.overlay.draw(this.view);
  }

  async askTerms(given) {
    const answer = byId("boxes").checked ? await this.answer("terms", given) : null;
    if (answer === null && byId("boxes").checked) return;
    this.overlay.terms = answer && answer.terms;
    panels.showTerms(answer);
    this.choose();
  }

  /** Ask again what decides the marked pixel: its bounds are those on the view. */
  async askPixel() {
    const { mark } = this.overlay;
    if (mark === null) return;
    const { view } = this;
    const unit = toModel(view, 1, 0).x - toModel(view, 0, 0).x;
    const column = Math.floor((mark.x - toModel(view, 0, 0).x) / unit);
    const row = Math.floor((toModel(view, 0, 0).y - mark.y) / unit);
    if (column < 0 || row < 0 || column >= view.width || row >= view.height) {
      this.letGo("The pixel has left the view.");
      return;
    }
    try {
      const answer = await study("explain", { ...words(view), column, row });
      if (answer && this.overlay.mark) panels.showExplained(answer);
    } catch (error) {
      panels.clearExplained(error.message);
    }
  }

  choose() {
    const { mark } = this.overlay;
    this.overlay.chosen = mark && this.overlay.termAt(mark.x, mark.y);
    panels.showTerm(this.overlay.chosen);
    this.overlay.draw(this.view);
  }

  /** Mark the pixel at a place on the canvas, and say what decides it. */
  point(px, py, held, delay = 0) {
    const column = Math.min(this.view.width - 1, Math.max(0, Math.floor(px)));
    const row = Math.min(this.view.height - 1, Math.max(0, Math.floor(py)));
    this.held = held;
    this.overlay.mark = { ...toModel(this.view, column + 0.5, row + 0.5), held };
    this.choose();
    clearTimeout(this.pointing);
    this.pointing = setTimeout(() => this.askPixel(), delay);
  }

  letGo(text) {
    this.held = false;
    this.overlay.mark = null;
    clearTimeout(this.pointing);
    panels.clearExplained(text);
    this.choose();
  }

  // What pointers do

  hover(px, py) {
    if (this.view === null) return;
    const point = toModel(this.view, px, py);
    panels.showWhere(point, this.overlay.heatAt(point.x, point.y));
    if (!this.held) this.point(px, py, false, POINTED_AFTER);
  }

  click(px, py) {
    if (this.held) this.letGo();
    else this.point(px, py, true);
  }

  leave() { if (!this.held && this.overlay.mark) this.letGo(); }

  // What the server says

  take(state) {
    const first = this.state === null;
    const before = this.state;
    this.state = state;
    panels.showState(state);
    if (before === null || before.passes.join() !== state.passes.join()) {
      this.on = state.passes.map(() => true);
      panels.showSwitches(state.passes, this.on, (place_, isOn) => this.toggle(place_, isOn));
    }
    if (first) this.begin();
    else if (this.view) {
      this.say(state.trouble ? "" : state.generation === before.generation ? "" : `${state.name} has changed: text ${state.generation} since the start.`);
      this.show();
      this.frames.again();
      this.soon(0);
    }
  }

  /** The first view: that of the address, else the server's. */
  begin() {
    if (this.resized === null || this.state === null || this.view !== null) return;
    const given = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
    const start = { ...this.state.start };
    for (const name of Object.keys(start)) {
      const value = Number(given[name]);
      if (given[name] && Number.isFinite(value) && (name !== "scale" || value > 0)) start[name] = value;
    }
    this.say("");
    this.go({ ...this.resized, ...start });
  }

  resize(width, height) {
    if (width < 1 || height < 1) return;
    const least = Math.min(1, Math.sqrt(MOST_PIXELS / (width * height)));
    [width, height] = [Math.floor(width * least), Math.floor(height * least)];
    this.resized = { width, height };
    showSize(this.resized);
    if (this.view === null) this.begin();
    else if (!same(this.view, { ...this.view, width, height })) this.go({ ...this.view, width, height });
  }

  toggle(pass, isOn) {
    this.on[pass] = isOn;
    this.show();
    this.soon(0);
  }
}

/** The part of a view that an address keeps. */
function place({ x, y, scale, z }) { return { x, y, scale, z }; }

/** The fields say what the view is, but for one that is being written in. */
function showFields(view, state) {
  for (const [name, value] of Object.entries(place(view))) {
    const field = byId(name);
    if (field !== document.activeElement) {
      field.value = String(value);
      field.removeAttribute("aria-invalid");
    }
  }
  const slider = byId("z-slider");
  const reach = Math.max(1, Math.abs(view.z), Math.abs(state.start.z));
  slider.min = -reach;
  slider.max = reach;
  slider.value = view.z;
  byId("command").textContent = command(view, state);
}

/** What draws the same picture. */
export function command(view, state) {
  const quoted = /^[\w./+-]+$/.test(state.model) ? state.model : `'${state.model.replaceAll("'", "'\\''")}'`;
  const width = byId("save-width").value || view.width, height = byId("save-height").value || view.height;
  const target = `${state.name.replace(/\.vm$/, "").replace(/[^\w.-]/g, "_")}.png`;
  const z = view.z === 0 ? "" : ` --z ${view.z}`;
  return `absint render ${quoted} -o ${target} --size ${width}x${height} --center ${view.x},${view.y} `
    + `--scale ${view.scale}${z} --precision ${state.precision}`;
}

function showSize({ width, height }) {
  for (const [name, value] of [["save-width", width], ["save-height", height]]) {
    if (!byId(name).dataset.edited) byId(name).value = String(value);
  }
}

if (location.search) history.replaceState(null, "", location.pathname + location.hash); // the token is in a cookie now

const page = new Page();
const picture = byId("picture");

/** Pixels of the display along a side; the browser's own number, which not all have, where it is about right. */
function pixels(side, exact) {
  const computed = Math.round(side * devicePixelRatio);
  return Math.abs(exact - computed) <= 1 ? exact : computed;
}

const observer = new ResizeObserver(([entry]) => {
  const exact = entry.devicePixelContentBoxSize?.[0];
  const { width, height } = entry.contentRect;
  page.resize(pixels(width, exact?.inlineSize), pixels(height, exact?.blockSize));
});
try {
  observer.observe(picture, { box: "device-pixel-content-box" });
} catch {
  observer.observe(picture);
}
listenToPointers(picture, page);

const zoom = (factor) => () => page.view && page.go(zoomed(page.view, factor));
const reset = () => page.view && page.go({ ...page.view, ...page.state.start });
const flip = (id) => () => byId(id).click();
const slice = (sign) => () => {
  if (page.state?.hasZ) page.go({ ...page.view, z: Number((page.view.z + sign * page.view.scale / 50).toPrecision(12)) });
};
byId("zoom-in").addEventListener("click", zoom(1.5));
byId("zoom-out").addEventListener("click", zoom(1 / 1.5));
byId("reset").addEventListener("click", reset);
byId("heat").addEventListener("change", () => page.soon(0));
byId("boxes").addEventListener("change", () => page.soon(0));
byId("passes-section").addEventListener("toggle", () => page.view && page.soon(0));
listenToKeys(page, {
  0: reset, "[": slice(-1), "]": slice(1), h: flip("heat"), b: flip("boxes"),
  i: () => page.point(page.view.width / 2, page.view.height / 2, true),
  Escape: () => page.letGo(), s: () => byId("save-form").requestSubmit(),
  "?": () => { byId("keys").open = true; byId("keys").scrollIntoView(); byId("keys").firstElementChild.focus(); },
});

for (const name of ["x", "y", "scale", "z"]) {
  byId(name).addEventListener("change", (event) => {
    const value = Number(event.target.value.trim().replace("−", "-"));
    const good = event.target.value.trim() !== "" && Number.isFinite(value) && (name !== "scale" || value > 0);
    event.target.setAttribute("aria-invalid", String(!good));
    if (good) page.go({ ...page.view, [name]: value });
  });
}
byId("z-slider").addEventListener("input", (event) => page.go({ ...page.view, z: Number(event.target.value) }));
byId("view-form").addEventListener("submit", (event) => event.preventDefault());
listenToSaving(page, command);
listen((state) => page.take(state), (message) => page.say(message));
addEventListener("hashchange", () => { if (page.view) { page.view = null; page.begin(); } });
