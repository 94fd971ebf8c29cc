// The list of messages: draws what a room knows, keeps the reader's place, groups what one person says in a row.

import { $, avatar, el, timeOf } from "./dom.js";

const TOGETHER_MS = 5 * 60 * 1000;
const NEAR_END = 80;

const log = $("log");
let shown = null; // the room that is drawn
let atEnd = true;

log.addEventListener("scroll", () => {
  atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END;
  if (atEnd) $("to-end").hidden = true;
});
new ResizeObserver(() => {
  if (atEnd) log.scrollTop = log.scrollHeight;
}).observe(log);
$("to-end").addEventListener("click", () => toEnd());

function toEnd() {
  log.scrollTop = log.scrollHeight;
  $("to-end").hidden = true;
  atEnd = true;
}

function row(message, previous, me) {
  const goesOn = previous !== undefined && previous.sender === message.sender && message.at - previous.at < TOGETHER_MS;
  const attributes = { class: "message", "data-id": message.id, "data-mine": message.sender === me };
  const body = el("p", { class: "text" }, message.text);
  if (goesOn) return el("article", { ...attributes, "data-goes-on": true }, timeOf(message.at), body);
  const head = el("header", {}, el("strong", { dir: "auto" }, message.sender), timeOf(message.at));
  return el("article", attributes, avatar(message.sender), head, body);
}

function pendingRow(room, pending) {
  const body = el("p", { class: "text" }, pending.text);
  const note = pending.failed
    ? el("p", { class: "note error" }, `Not sent: ${pending.failed}. `,
        el("button", { type: "button", click: () => room.dispatch(pending) }, "Send again"),
        el("button", { type: "button", class: "quiet", click: () => room.drop(pending) }, "Discard"))
    : el("p", { class: "note muted" }, "Sending");
  return el("article", { class: "message", "data-mine": true, "data-pending": true, "data-failed": pending.failed !== "" },
    avatar(pending.sender), el("header", {}, el("strong", { dir: "auto" }, pending.sender)), body, note);
}

function emptyRow(room) {
  if (room.state !== "joined") return null;
  return el("p", { class: "empty" }, el("strong", {}, "Nothing was said here yet."), " Write the first message.");
}

/** What is on the screen stays the same nodes, so that neither selection nor reading aloud starts afresh. */
function sameSoFar(rows) {
  let same = 0;
  while (same < rows.length && log.children[same]?.dataset.id === rows[same].id && rows[same].id !== undefined) same++;
  return same;
}

/** Draws a room; `news`: somebody else has said something. */
export function draw(room, news = false) {
  if (room !== shown) {
    log.replaceChildren();
    atEnd = true;
    shown = room;
    $("to-end").hidden = true;
  }
  if (room === null) {
    log.replaceChildren(el("p", { class: "empty" }, el("strong", {}, "You are in no room."), " Join one, or create it by a name of yours."));
    return;
  }
  const same = sameSoFar(room.messages);
  while (log.children.length > same) log.lastChild.remove();
  for (let i = same; i < room.messages.length; i++) log.append(row(room.messages[i], room.messages[i - 1], room.me.name));
  for (const pending of room.pending) log.append(pendingRow(room, pending));
  if (log.children.length === 0) log.append(emptyRow(room) ?? "");
  if (atEnd) toEnd();
  else if (news) $("to-end").hidden = false;
}
