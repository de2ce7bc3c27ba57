// Pictures: asks for the newest view, and paints what comes, moved to where it belongs by now.
// Questions are numbered. A frame older than the one that is painted is dropped; one that is newer but not of
// the view that is wanted is painted scaled and moved, until the wanted one comes.

import { ask, client } from "./server.js";
import { same, step, toCanvas, toModel, words } from "./geometry.js";

const MOST_IN_FLIGHT = 2;
const WHITE = 0xffffffff, BLACK = 0xff000000, NOWHERE = 0xff777777;

/** The eight pixels of each byte, the highest bit first. */
const PIXELS = new Uint32Array(256 * 8).map((_, i) => ((i >> 3) >> (7 - (i & 7))) & 1 ? WHITE : BLACK);

export class Frames {
  constructor(canvas, onPaint, onFailure) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.kept = document.createElement("canvas"); // the last frame that came
    this.last = null;
    this.wanted = null;
    this.asked = null;
    this.number = 0;
    this.flying = 0;
    this.onPaint = onPaint;
    this.onFailure = onFailure;
  }

  /** Show a view. `key`: what else the picture is of; with another key it is asked for again. */
  show(view, key) {
    this.wanted = { view, key };
    if (this.canvas.width !== view.width || this.canvas.height !== view.height) {
      this.canvas.width = view.width;
      this.canvas.height = view.height;
    }
    this.paint();
    this.askNext();
  }

  /** Whether what is painted is what is wanted. */
  get settled() {
    return this.last !== null && this.last.key === this.wanted.key && same(this.last.view, this.wanted.view);
  }

  /** Ask once more, after the server was away. */
  again() {
    if (this.wanted === null || this.settled || this.flying > 0) return;
    this.asked = null;
    this.askNext();
  }

  askNext() {
    const { wanted, asked } = this;
    if (this.flying >= MOST_IN_FLIGHT) return;
    if (asked && asked.key === wanted.key && same(asked.view, wanted.view)) return;
    this.asked = wanted;
    this.fetch(wanted, ++this.number);
  }

  async fetch(wanted, number) {
    this.flying += 1;
    try {
      const { view } = wanted;
      const response = await ask("frame", { ...words(view), passes: wanted.key.split(" ")[0], client, number });
      const bits = response && new Uint8Array(await response.arrayBuffer());
      if (bits && (this.last === null || number > this.last.number)) {
        this.take({ ...wanted, number, ...facts(response.headers) }, bits);
      }
    } catch (error) {
      if (this.asked === wanted) this.onFailure(error.message);
    } finally {
      this.flying -= 1;
      this.askNext();
    }
  }

  take(frame, bits) {
    const { view, defined } = frame;
    const image = decoded(bits, view.width, view.height, defined);
    this.kept.width = view.width;
    this.kept.height = view.height;
    this.kept.getContext("2d", { alpha: false }).putImageData(image, 0, 0);
    this.last = frame;
    this.paint();
    this.onPaint(frame);
  }

  paint() {
    const { context, last, wanted } = this;
    const { view } = wanted;
    const settled = this.settled;
    if (!settled) {
      context.fillStyle = "#777";
      context.fillRect(0, 0, view.width, view.height);
    }
    if (last !== null) {
      const ratio = settled ? 1 : step(last.view) / step(view);
      const corner = toModel(last.view, 0, 0);
      const { px, py } = settled ? { px: 0, py: 0 } : toCanvas(view, corner.x, corner.y);
      context.imageSmoothingEnabled = ratio < 1;
      context.drawImage(this.kept, px, py, last.view.width * ratio, last.view.height * ratio);
    }
    this.canvas.dataset.settled = String(settled);
    this.canvas.dataset.view = Object.values(words(view)).join(" ");
  }
}

/** What the server says of a frame. */
function facts(headers) {
  const number = (name) => Number(headers.get(name));
  return {
    defined: headers.get("X-Defined").split(",").map(Number),
    generation: number("X-Generation"),
    operations: number("X-Operations"),
    repeats: number("X-Repeats"),
    milliseconds: number("X-Milliseconds"),
  };
}

/** Packed bits as an image; what lies outside of the defined part is grey. */
function decoded(bits, width, height, [left, top, right, bottom]) {
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const bytes = Math.ceil(width / 8);
  for (let row = 0; row < height; row += 1) {
    let place = row * width;
    const end = place + width;
    for (let i = row * bytes; place < end; i += 1) {
      const from = bits[i] * 8;
      const count = Math.min(8, end - place);
      for (let k = 0; k < count; k += 1) pixels[place + k] = PIXELS[from + k];
      place += count;
    }
    if (row < top || row >= bottom) pixels.fill(NOWHERE, row * width, end);
    else if (left > 0 || right < width) {
      pixels.fill(NOWHERE, row * width, row * width + left);
      pixels.fill(NOWHERE, row * width + right, end);
    }
  }
  return image;
}
