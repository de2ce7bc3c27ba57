// Mouse, touch and keyboard, as movements of the view.

import { moved, zoomed } from "./geometry.js";

const CLICK = 4; // CSS pixels that a pointer may move and still have clicked

/** Pointers on the canvas. `host` has `view`, `go(view)`, `hover(px, py)`, `click(px, py)` and `leave()`. */
export function listenToPointers(canvas, host) {
  const down = new Map(); // pointers by id, in pixels of the canvas
  let travelled = 0;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    const unit = canvas.width / box.width;
    return { px: (event.clientX - box.left) * unit, py: (event.clientY - box.top) * unit };
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || host.view === null) return;
    canvas.setPointerCapture(event.pointerId);
    if (down.size === 0) travelled = 0;
    down.set(event.pointerId, place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = place(event);
    const before = down.get(event.pointerId);
    if (before === undefined) {
      if (event.pointerType !== "touch") host.hover(now.px, now.py);
      return;
    }
    const others = [...down].filter(([id]) => id !== event.pointerId).map(([, other]) => other);
    down.set(event.pointerId, now);
    travelled += Math.hypot(now.px - before.px, now.py - before.py);
    if (travelled <= CLICK * devicePixelRatio && others.length === 0) return;
    canvas.classList.add("dragged");
    if (others.length === 0) {
      host.go(moved(host.view, now.px - before.px, now.py - before.py));
      return;
    }
    const [other] = others; // the middle of two pointers moves, their distance zooms
    const distance = (a, b) => Math.max(1, Math.hypot(a.px - b.px, a.py - b.py));
    const shifted = moved(host.view, (now.px - before.px) / 2, (now.py - before.py) / 2);
    const factor = distance(now, other) / distance(before, other);
    host.go(zoomed(shifted, factor, (now.px + other.px) / 2, (now.py + other.py) / 2));
  });
  const lift = (event) => {
    if (!down.delete(event.pointerId) || down.size > 0) return;
    canvas.classList.remove("dragged");
    const { px, py } = place(event);
    if (event.type === "pointerup" && travelled <= CLICK * devicePixelRatio) host.click(px, py);
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", () => host.leave());
  canvas.addEventListener("dblclick", (event) => {
    if (host.view === null) return;
    const { px, py } = place(event);
    host.go(zoomed(host.view, event.shiftKey ? 1 / 2 : 2, px, py));
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (host.view === null) return;
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : 30;
    const speed = event.ctrlKey ? 0.01 : 0.0016; // with Ctrl: two fingers on a touch pad
    const { px, py } = place(event);
    host.go(zoomed(host.view, Math.exp(-event.deltaY * lines * speed), px, py));
  }, { passive: false });
}

/** Keys, but not those meant for a field. `actions`: what to do, by key; arrows, + and - are known. */
export function listenToKeys(host, actions) {
  const arrows = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.target;
    if (target.matches("input:not([type=checkbox]), select, textarea")) return;
    const { view } = host;
    if (view === null) return;
    if (event.key in arrows) {
      const far = event.shiftKey ? 1 : Math.round(Math.min(view.width, view.height) / 10);
      const [dx, dy] = arrows[event.key];
      if (target.closest("aside")) return; // there they scroll
      host.go(moved(view, dx * far, dy * far));
    } else if (event.key === "+" || event.key === "=") {
      host.go(zoomed(view, 1.25));
    } else if (event.key === "-" || event.key === "_") {
      host.go(zoomed(view, 1 / 1.25));
    } else {
      const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (action === undefined) return;
      action();
    }
    event.preventDefault();
  });
}
