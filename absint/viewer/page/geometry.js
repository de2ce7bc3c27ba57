// Views, as absint's View has them: width and height in pixels, centre x and y, scale, z.
// Sample i of an axis of n pixels is drawn as the square from i to i + 1, so it lies at i + 1/2.

export const LEAST_SCALE = 1e-14;
export const MOST_SCALE = 1e9;
const FURTHEST = 1e12;

/** Model units from one pixel to the next. */
export function step(view) {
  const shorter = Math.min(view.width, view.height);
  return (2 * view.scale) / Math.max(1, shorter - 1);
}

/** The model's coordinates at a place on the canvas, in pixels from its top left corner. */
export function toModel(view, px, py) {
  const unit = step(view);
  return { x: view.x + (px - view.width / 2) * unit, y: view.y - (py - view.height / 2) * unit };
}

/** The inverse of `toModel`. */
export function toCanvas(view, x, y) {
  const unit = step(view);
  return { px: (x - view.x) / unit + view.width / 2, py: (view.y - y) / unit + view.height / 2 };
}

/** A view whose content has moved by so many pixels. */
export function moved(view, dx, dy) {
  const unit = step(view);
  return kept({ ...view, x: view.x - dx * unit, y: view.y + dy * unit });
}

/** A view magnified by a factor about a place on the canvas, which keeps its point of the model. */
export function zoomed(view, factor, px = view.width / 2, py = view.height / 2) {
  const scale = Math.min(MOST_SCALE, Math.max(LEAST_SCALE, view.scale / factor));
  const point = toModel(view, px, py);
  const unit = step({ ...view, scale });
  return kept({
    ...view, scale, x: point.x - (px - view.width / 2) * unit, y: point.y + (py - view.height / 2) * unit,
  });
}

/** A view of which a picture can be asked for. */
export function kept(view) {
  const within = (value) => Math.min(FURTHEST, Math.max(-FURTHEST, value));
  const scale = Math.min(MOST_SCALE, Math.max(LEAST_SCALE, view.scale));
  return { ...view, x: within(view.x), y: within(view.y), z: within(view.z), scale };
}

/** The words by which a view is asked for. */
export function words(view) {
  return { width: view.width, height: view.height, x: view.x, y: view.y, scale: view.scale, z: view.z };
}

export function same(a, b) {
  return a.width === b.width && a.height === b.height && a.x === b.x && a.y === b.y
    && a.scale === b.scale && a.z === b.z;
}

/** A number, short enough to be read. */
export function shown(value, digits = 6) {
  return typeof value === "number" ? String(Number(value.toPrecision(digits))).replace("-", "−") : String(value);
}
