// Saving the view as a PNG of a chosen size.

import { byId } from "./panels.js";
import { ask } from "./server.js";
import { words } from "./geometry.js";

export function listenToSaving(page, command) {
  const form = byId("save-form"), note = byId("save-note");
  for (const name of ["save-width", "save-height"]) {
    byId(name).addEventListener("input", (event) => {
      event.target.dataset.edited = "true";
      byId("command").textContent = command(page.view, page.state);
    });
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [width, height] = ["save-width", "save-height"].map((name) => Number(byId(name).value.trim()));
    if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
      note.textContent = "A size is two whole numbers from 1.";
      return;
    }
    note.textContent = "drawing …";
    try {
      const response = await ask("picture.png", { ...words({ ...page.view, width, height }), passes: page.switches });
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await response.blob());
      link.download = `${page.state.name.replace(/\.vm$/, "")}.png`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
      note.textContent = `${link.download}: ${width} × ${height} pixels`;
    } catch (error) {
      note.textContent = error.message;
    }
  });
}
