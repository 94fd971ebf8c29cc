// What the page needs of the DOM. Text from outside only ever becomes text: nothing here takes markup.

export const $ = (id) => document.getElementById(id);

/** An element with properties (class, aria-*, data-* and the like as attributes) and children, which are nodes or text. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Sets text only where it changes, so that a status is not read aloud again. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** A time element for milliseconds since 1970; anything that is no time shows none. */
export function timeOf(ms) {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return el("time", {}, "");
  return el("time", { datetime: date.toISOString(), title: full.format(date) }, clock.format(date));
}

/** One of eight hues for a name, always the same. */
export function hueOf(name) {
  let hash = 0;
  for (const c of name) hash = (hash * 31 + c.codePointAt(0)) >>> 0;
  return String(hash % 8);
}

export function avatar(name) {
  const first = [...name.trim()][0] ?? "?";
  return el("span", { class: "avatar", "data-hue": hueOf(name), "aria-hidden": "true" }, first.toUpperCase());
}

/** What was kept on this machine, where that is allowed. */
export const store = {
  get(key, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(key)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(key, JSON.stringify(value));
    } catch {
      // A page that may not keep anything works all the same.
    }
  },
};
