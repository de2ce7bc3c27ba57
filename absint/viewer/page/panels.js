// The panel beside the picture: what the server says, as text and tables. Nothing is ever put in as HTML.

import { shown } from "./geometry.js";

export const byId = (id) => document.getElementById(id);

/** An element with a class and content. */
function made(tag, className, ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

const counted = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

export function showState(state) {
  byId("name").textContent = state.name;
  document.title = `${state.name} – absint view`;
  const facts = [counted(state.operations, "operation"), counted(state.lines, "line"), state.precision,
    `drawn by ${state.backend}`];
  if (state.box !== "all") facts.push(`holds for ${state.box}`);
  facts.push(state.watched ? "watched for changes" : "not watched");
  byId("facts").textContent = facts.join(" · ");
  byId("z-label").hidden = byId("z-slider").hidden = !state.hasZ;
  showTrouble(state.trouble);
}

function showTrouble(trouble) {
  byId("trouble").hidden = trouble === null;
  if (trouble === null) return;
  const [message, source] = byId("trouble").children;
  message.textContent = trouble.message;
  source.hidden = trouble.text === null;
  if (trouble.text !== null) {
    const number = `${trouble.line} | `;
    const before = trouble.text.slice(0, trouble.column - 1).replace(/[^\t]/g, " ");
    source.textContent = `${number}${trouble.text}\n${" ".repeat(number.length)}${before}^`;
  }
}

/** A switch for each pass. */
export function showSwitches(passes, on, onChange) {
  byId("passes").replaceChildren(...passes.map((name, place) => {
    const box = made("input");
    box.type = "checkbox";
    box.checked = on[place];
    box.dataset.pass = name;
    box.addEventListener("change", () => onChange(place, box.checked));
    const row = made("tr", on[place] ? "" : "off", made("td", "", made("label", "", box, name)));
    for (let i = 0; i < 3; i += 1) row.append(made("td", "number"));
    return row;
  }));
  if (passes.length === 0) byId("passes").append(made("tr", "off", made("td", "", "no pass was asked for")));
}

/** What each pass did; `stages` holds the source and then the passes that are on. */
export function showStages(stages, on) {
  const body = byId("passes");
  for (const row of body.querySelectorAll(".rules")) row.remove();
  const rows = [...body.children];
  let place = 0;
  on.forEach((isOn, i) => {
    const cells = [...rows[i].children].slice(1);
    rows[i].className = isOn ? "" : "off";
    if (!isOn) {
      for (const cell of cells) { cell.textContent = ""; cell.className = "number"; }
      return;
    }
    const before = stages[place];
    const after = stages[(place += 1)];
    const rules = Object.entries(after.rewrites);
    const numbers = [before.operations, after.operations, rules.reduce((sum, [, uses]) => sum + uses, 0)];
    cells.forEach((cell, k) => { cell.textContent = numbers[k].toLocaleString("en"); });
    cells[1].className = after.operations < before.operations ? "number fell" : "number";
    if (rules.length > 0) {
      const cell = made("td", "", rules.map(([rule, uses]) => `${rule} ${uses.toLocaleString("en")}`).join(", "));
      cell.colSpan = 4;
      rows[i].after(made("tr", "rules", cell));
    }
  });
  const first = stages[0].operations, last = stages[stages.length - 1].operations;
  byId("left").textContent = `${last.toLocaleString("en")} of ${counted(first, "operation")} left on this view. `
    + "The picture is the same whichever passes are on.";
}

export function showFrame(frame) {
  const { view } = frame;
  const facts = [`${view.width} × ${view.height}`, `${frame.milliseconds.toFixed(1)} ms`];
  if (frame.repeats > 0) facts.push("too deep: columns or rows repeat");
  byId("drawn").textContent = facts.join(" · ");
}

/** Why there is no frame. */
export function showFailure(message) { byId("drawn").textContent = message; }

export function showWhere(point, left) {
  const parts = [`x ${shown(point.x, 8)}`, `y ${shown(point.y, 8)}`];
  if (left !== null) parts.push(left < 0 ? "tile decided" : `${counted(left, "operation")} left on the tile`);
  byId("where").textContent = parts.join("   ");
}

export function showHeat(heat) {
  byId("legend").hidden = heat === null;
  if (heat === null) return;
  byId("most").textContent = String(Math.max(1, ...heat.left));
  byId("heat-facts").textContent = `${(100 * heat.undecided).toFixed(1)} % of ${heat.columns} × ${heat.rows} tiles `
    + `undecided, ${heat.mean} operations left there on average; bare tiles are decided.`;
}

export function showTerms(answer) {
  byId("box-facts").hidden = answer === null;
  if (answer === null) return;
  byId("box-facts").textContent = answer.lowered
    ? `${counted(answer.terms.length, "term")} on this view: f < 0 where one of them holds, which is nowhere outside of its box.`
    : "The pass predicates is off: nothing is lowered, so there are no terms.";
}

/** The term whose box is under the cursor. */
export function showTerm(term) {
  byId("term").hidden = term === null;
  if (term === null) return;
  const lines = term.lines.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`));
  const some = lines.slice(0, 6).join(", ") + (lines.length > 6 ? ` and ${lines.length - 6} more ranges` : "");
  byId("term").textContent = `Smallest box here: ${counted(term.comparisons, "comparison")}, `
    + `${counted(term.operations, "operation")}, made from ${lines.length === 0 ? "no line" : `lines ${some}`}.`;
}

/** What decides a pixel, the root first. */
export function showExplained(answer) {
  const place = `x ${shown(answer.x, 8)}, y ${shown(answer.y, 8)}`;
  byId("explained").textContent = `${answer.inside ? "Inside" : "Outside"}: f = ${shown(answer.value)} at ${place}. `
    + `${counted(answer.count, "instruction")} decide it`
    + `${answer.count > answer.rows.length ? `, the last ${answer.rows.length} are` : ","} shown from the last on. `
    + "Bounds are those on this view.";
  byId("rows").replaceChildren(...[...answer.rows].reverse().map(instruction));
}

function instruction(row) {
  const code = made("code", "", `${row.name} ${row.op}`);
  row.operands.forEach((operand, i) => {
    const name = i === row.winner ? made("span", "winner", `▸${operand}`) : operand;
    code.append(" ", name);
  });
  const line = made("span", "line", row.line === null ? "" : `line ${row.line}`);
  const bounds = `[${shown(row.lower, 4)}, ${shown(row.upper, 4)}]${row.may_nan ? " or NaN" : ""}`;
  const known = made("div", "known", `= ${shown(row.value)} in ${bounds}`);
  return made("li", "", line, code, known);
}

/** Forget what was said of a pixel. */
export function clearExplained(words) {
  byId("explained").textContent = words ?? "Point at the picture; a click holds the pixel. On the keyboard: I.";
  byId("rows").replaceChildren();
}
