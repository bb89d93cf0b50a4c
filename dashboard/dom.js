// Elements, and numbers as people read them. All text goes in as text nodes.

// h("td", {class: "num"}, "3", child): attributes starting with "on" are listeners, null ones are left out.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else element.setAttribute(name, String(value));
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

export function replace(parent, ...children) {
  parent.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
}

// Four significant digits; the title of a cell holds all of them.
export function number(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "string") return value;
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return value.toLocaleString("en");
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2).replace(/\.?0+e/, "e");
  return value.toPrecision(4).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

export function clock(ms) {
  return ms ? new Date(ms).toLocaleString("sv-SE").slice(0, 16) : "–";
}

export function ago(ms) {
  return ms ? `${duration(Math.max(0, (Date.now() - ms) / 1000))} ago` : "–";
}

export function chip(state, count = null) {
  return h("span", {class: `chip ${state}`}, count === null ? state : `${count} ${state}`);
}

export function progress(value, label, wide = false) {
  return h("progress", {max: 1, value: value ?? 0, class: wide ? "wide" : null, "aria-label": label});
}
