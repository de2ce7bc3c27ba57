// What lies over the picture: the heat map, the boxes of terms, and the pixel that is explained.

import { step, toCanvas } from "./geometry.js";

const RAMP = [[253, 231, 37], [248, 150, 30], [230, 57, 70], [142, 42, 139], [59, 15, 112]];

/** A colour of the ramp in style.css, at a place from 0 to 1. */
function colour(place) {
  const at = place * (RAMP.length - 1);
  const i = Math.min(RAMP.length - 2, Math.floor(at));
  const mixed = RAMP[i].map((low, k) => Math.round(low + (RAMP[i + 1][k] - low) * (at - i)));
  return `rgb(${mixed.join(" ")} / 0.62)`;
}

export class Overlay {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.heat = null;
    this.terms = null;
    this.chosen = null; // a term
    this.mark = null; // { x, y, held }: a pixel of the model
  }

  draw(view) {
    const { canvas, context } = this;
    if (canvas.width !== view.width || canvas.height !== view.height) {
      canvas.width = view.width;
      canvas.height = view.height;
    }
    context.clearRect(0, 0, view.width, view.height);
    if (this.heat) this.drawHeat(view);
    if (this.terms) this.drawTerms(view);
    if (this.mark) this.drawMark(view);
  }

  drawHeat(view) {
    const { columns, rows, left, box: [x0, x1, y0, y1] } = this.heat;
    const most = Math.max(1, ...left);
    const corner = toCanvas(view, x0, y1), far = toCanvas(view, x1, y0);
    const wide = (far.px - corner.px) / columns, high = (far.py - corner.py) / rows;
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) {
        const count = left[row * columns + column];
        if (count < 0) continue;
        this.context.fillStyle = colour(count / most);
        const px = Math.round(corner.px + column * wide), py = Math.round(corner.py + row * high);
        const right = Math.round(corner.px + (column + 1) * wide), low = Math.round(corner.py + (row + 1) * high);
        this.context.fillRect(px, py, right - px, low - py);
      }
    }
  }

  drawTerms(view) {
    const { context } = this;
    context.lineWidth = Math.max(1, devicePixelRatio);
    context.strokeStyle = "rgb(0 128 255 / 0.9)";
    for (const term of this.terms) {
      const [px, py, width, height] = rectangle(view, term.box);
      context.strokeRect(px, py, width, height);
    }
    if (this.chosen) {
      const [px, py, width, height] = rectangle(view, this.chosen.box);
      if (width * height < (view.width * view.height) / 8) { // a larger one would hide the picture
        context.fillStyle = "rgb(255 120 0 / 0.3)";
        context.fillRect(px, py, width, height);
      }
      context.strokeStyle = "rgb(255 120 0)";
      context.lineWidth = 2 * Math.max(1, devicePixelRatio);
      context.strokeRect(px, py, width, height);
    }
  }

  drawMark(view) {
    const { context, mark } = this;
    const { px, py } = toCanvas(view, mark.x, mark.y);
    const reach = 9 * Math.max(1, devicePixelRatio);
    for (const [stroke, width] of [["#000", 4], [mark.held ? "#00e5ff" : "#fff", 2]]) {
      context.strokeStyle = stroke;
      context.lineWidth = width * Math.max(1, devicePixelRatio);
      context.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(px + dx * reach * 0.4, py + dy * reach * 0.4);
        context.lineTo(px + dx * reach, py + dy * reach);
      }
      context.stroke();
    }
  }

  /** The smallest term's box that holds a point. */
  termAt(x, y) {
    let best = null, least = Infinity;
    for (const term of this.terms ?? []) {
      const [x0, x1, y0, y1] = term.box.map(Number);
      const area = (x1 - x0) * (y1 - y0);
      if (x >= x0 && x <= x1 && y >= y0 && y <= y1 && area < least) [best, least] = [term, area];
    }
    return best;
  }

  /** The operations left on the tile of a point, if the heat map has it. */
  heatAt(x, y) {
    if (!this.heat) return null;
    const { columns, rows, left, box: [x0, x1, y0, y1] } = this.heat;
    const column = Math.floor(((x - x0) / (x1 - x0)) * columns);
    const row = Math.floor(((y1 - y) / (y1 - y0)) * rows);
    return column >= 0 && column < columns && row >= 0 && row < rows ? left[row * columns + column] : null;
  }
}

/** A box of the model on the canvas, its sides kept within reach of a canvas's numbers, and at least a pixel. */
function rectangle(view, box) {
  const [x0, x1, y0, y1] = box.map(Number);
  const far = 2 * step(view) * (view.width + view.height);
  const clip = (value, middle) => Math.min(middle + far, Math.max(middle - far, value));
  const corner = toCanvas(view, clip(x0, view.x), clip(y1, view.y));
  const end = toCanvas(view, clip(x1, view.x), clip(y0, view.y));
  return [corner.px, corner.py, Math.max(1, end.px - corner.px), Math.max(1, end.py - corner.py)];
}
