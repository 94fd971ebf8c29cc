// The supervision tree, live, and the list of what happened to it.

import { $, el, setText, timeOf } from "./dom.js";

const KEPT_EVENTS = 40;
const FRESH_MS = 4000;

let before = new Map(); // id -> pid
const freshUntil = new Map();

/** Adds a line to "What happened"; `kind` is "bad", "good" or nothing. */
export function note(text, kind = "") {
  const list = $("events");
  list.prepend(el("li", { "data-kind": kind }, timeOf(Date.now()), el("span", {}, text)));
  while (list.children.length > KEPT_EVENTS) list.lastChild.remove();
}

const text = (value) => (value === null || value === undefined ? "" : String(value));

function nodesOf(push) {
  if (!Array.isArray(push?.nodes)) return [];
  return push.nodes
    .filter((node) => node !== null && typeof node === "object")
    .map((node) => ({
      id: text(node.id),
      pid: text(node.pid),
      label: text(node.label),
      kind: text(node.kind),
      state: text(node.state),
      depth: Math.min(Math.max(Number(node.depth) || 0, 0), 8),
    }));
}

/** A process that has another pid than before was started again: that is what one wants to see. */
function compare(nodes) {
  const now = Date.now();
  const next = new Map(nodes.map((node) => [node.id, node.pid]));
  for (const node of nodes) {
    const old = before.get(node.id);
    if (old === undefined || old === node.pid || node.pid === "") continue;
    freshUntil.set(node.id, now + FRESH_MS);
    note(`${node.label} was started again`, "good");
  }
  for (const [id, until] of freshUntil) if (until < now || !next.has(id)) freshUntil.delete(id);
  before = next;
}

function row(node, roomLabel) {
  const about = [node.kind, node.state].filter((word) => word !== "").join(" \u00b7 ");
  return el("li", {
    "data-depth": String(node.depth), "data-kind": node.kind, "data-state": node.state,
    "data-fresh": freshUntil.has(node.id), "data-current": node.label === roomLabel,
  },
    el("span", { class: "node-label", title: node.label }, node.label),
    el("span", { class: "node-about", title: about }, about),
    node.pid ? el("code", { class: "node-pid" }, node.pid) : null);
}

let last = [];

export function drawTree(push, roomLabel) {
  if (push !== null) {
    last = nodesOf(push);
    compare(last);
  }
  $("tree-empty").hidden = last.length > 0;
  $("tree").replaceChildren(...last.map((node) => row(node, roomLabel)));
}

export function treeLost(why) {
  if (last.length === 0) setText($("tree-empty"), why);
  $("tree").toggleAttribute("data-stale", last.length > 0);
}

export function treeBack() {
  $("tree").removeAttribute("data-stale");
}
