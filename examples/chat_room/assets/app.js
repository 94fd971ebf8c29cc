// The chat page: rooms, the connection, the forms. What a room is stands in room.js, how it is drawn in messages.js.

import { Socket } from "phoenix";

import { $, avatar, el, setText, store } from "./dom.js";
import { menu } from "./menu.js";
import { draw } from "./messages.js";
import { ROOM_NAME, Room, TEXT_MAX } from "./room.js";
import { drawTree, note, treeBack, treeLost } from "./tree.js";

const FIRST_ROOM = "lobby";
const MOST_ROOMS = 20;
const NAME_MAX = 40;

const me = { name: nameOf(store.get("name", "")) || `guest-${1000 + Math.floor(Math.random() * 9000)}` };
const rooms = new Map();
let current = null;

function nameOf(value) {
  return typeof value === "string" ? value.trim().slice(0, NAME_MAX) : "";
}

// ---------------------------------------------------------------- connection

const socket = new Socket("/socket");
let wasOpen = false;

function setConnection(state, words) {
  $("connection").dataset.state = state;
  setText($("connection-text"), words);
}

socket.onOpen(() => {
  setConnection("connected", "Connected");
  if (wasOpen) note("the connection is back", "good");
  wasOpen = true;
});
socket.onClose(() => {
  if ($("connection").dataset.state === "connected") note("the connection was lost", "bad");
  setConnection("reconnecting", wasOpen ? "Reconnecting" : "Connecting");
});

// ---------------------------------------------------------------- the room on the screen

function banner() {
  if (current === null || current.state === "joined") return ["", false];
  switch (current.state) {
    case "refused": return [`The room did not let you in: ${current.reason}.`, true];
    case "closed": return ["The server has closed this room.", true];
    case "lost":
      return [socket.isConnected() ? "Your channel crashed. Joining again." : "No connection to the server. Trying again.", false];
    default: return [current.messages.length > 0 ? "Joining again." : "Joining.", false];
  }
}

function drawBanner() {
  const [words, canRetry] = banner();
  $("banner").hidden = words === "";
  setText($("banner-text"), words);
  $("banner-action").hidden = !canRetry;
}

function drawWho() {
  const list = current?.state === "joined" ? current.who : [];
  setText($("room-here"), list.length === 0 ? "" : list.length === 1 ? "1 person here" : `${list.length} people here`);
  const faces = list.slice(0, 6).map((name) => el("li", { title: name }, avatar(name), el("span", { class: "hidden" }, name)));
  if (list.length > 6) faces.push(el("li", { class: "more" }, `+${list.length - 6}`));
  $("who").replaceChildren(...faces);
}

function drawTyping() {
  const list = current === null ? [] : [...current.typing.keys()];
  const words = ["", `${list[0]} is typing`, `${list[0]} and ${list[1]} are typing`, "Several people are typing"];
  setText($("typing"), words[Math.min(list.length, 3)]);
}

function drawComposer() {
  const body = $("text").value;
  const left = TEXT_MAX - [...body].length;
  const ready = current !== null && current.state === "joined";
  $("send").disabled = !ready || body.trim() === "" || left < 0;
  $("crash").disabled = !ready;
  $("text").disabled = current === null;
  setText($("left"), left < 200 ? `${left} characters left` : "");
  $("text").style.height = "auto";
  $("text").style.height = `${Math.min($("text").scrollHeight, 160)}px`;
}

function roomLabel() {
  return current === null ? "" : `room:${current.id}`;
}

function drawRoom() {
  setText($("room-title"), current === null ? "No room" : current.id);
  document.title = current === null ? "Chat rooms" : `${current.id} · Chat rooms`;
  $("leave").hidden = current === null;
  draw(current);
  drawBanner();
  drawWho();
  drawTyping();
  drawComposer();
  drawTree(null, roomLabel());
}

// ---------------------------------------------------------------- the list of rooms

function drawRooms() {
  let unread = 0;
  const entries = [...rooms.values()].map((room) => {
    unread += room.unread;
    const words = room.unread > 0 ? `${room.id}, ${room.unread} unread` : room.id;
    return el("li", {},
      el("button", {
        type: "button", class: "room", "data-room": room.id, "data-state": room.state, "aria-label": words,
        "aria-current": room === current ? "true" : false, click: () => show(room),
      },
        el("span", { class: "hash", "aria-hidden": "true" }, "#"), el("span", { class: "label" }, room.id),
        room.unread > 0 ? el("span", { class: "count", "aria-hidden": "true" }, String(Math.min(room.unread, 99))) : null));
  });
  const focused = document.activeElement?.dataset?.room;
  $("rooms").replaceChildren(...entries);
  if (focused !== undefined) $("rooms").querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();
  $("tab-unread").hidden = unread === 0;
  setText($("tab-unread"), String(Math.min(unread, 99)));
}

function told(room, what) {
  const here = room === current;
  if (what === "news" && (!here || document.hidden || document.body.dataset.view === "rooms")) room.unread++;
  if (what === "state" || what === "news") drawRooms();
  if (what === "state" && room.state === "lost" && socket.isConnected()) note(`${room.id}: the channel crashed, joining again`, "bad");
  if (!here) return;
  if (what === "messages" || what === "news") draw(room, what === "news");
  else if (what === "who") drawWho();
  else if (what === "typing") drawTyping();
  else {
    draw(room);
    drawBanner();
    drawWho();
    drawTyping();
    drawComposer();
  }
}

function remember() {
  store.set("rooms", [...rooms.keys()]);
}

function show(room) {
  if (current !== null) current.draft = $("text").value;
  current = room;
  if (room !== null) {
    room.unread = 0;
    $("text").value = room.draft;
    if (location.hash !== `#${room.id}`) history.replaceState(null, "", `#${room.id}`);
  } else {
    $("text").value = "";
    history.replaceState(null, "", location.pathname);
  }
  setView("chat");
  drawRooms();
  drawRoom();
}

function enter(id) {
  if (!rooms.has(id)) {
    rooms.set(id, new Room(socket, id, me, told));
    remember();
  }
  show(rooms.get(id));
}

function leave(room) {
  room.leave();
  rooms.delete(room.id);
  remember();
  show(rooms.values().next().value ?? null);
}

function joinError(id) {
  if (id === "") return "Give the room a name.";
  if (!ROOM_NAME.test(id)) return "Letters, digits, - and _ only, 64 at most.";
  if (!rooms.has(id) && rooms.size >= MOST_ROOMS) return `You are in ${MOST_ROOMS} rooms: leave one first.`;
  return "";
}

$("join-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const id = $("join-name").value.trim();
  const error = joinError(id);
  setText($("join-error"), error);
  $("join-name").setAttribute("aria-invalid", String(error !== ""));
  if (error !== "") return;
  $("join-name").value = "";
  enter(id);
  $("text").focus();
});
$("join-name").addEventListener("input", () => setText($("join-error"), ""));
$("leave").addEventListener("click", () => leave(current));
$("banner-action").addEventListener("click", () => current.rejoin());

// ---------------------------------------------------------------- writing

$("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const body = $("text").value.trim();
  if ($("send").disabled || body === "") return;
  $("text").value = "";
  current.send(body);
  drawComposer();
  $("text").focus();
});
$("text").addEventListener("input", () => {
  if ($("text").value !== "") current.type();
  drawComposer();
});
$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("compose").requestSubmit();
});

// ---------------------------------------------------------------- name, theme, views

$("name").value = me.name;
function rename() {
  const name = nameOf($("name").value);
  $("name").value = name || me.name;
  if (name === "" || name === me.name) return;
  me.name = name;
  store.set("name", name);
  for (const room of rooms.values()) room.rejoin();
}
$("name-form").addEventListener("submit", (event) => {
  event.preventDefault();
  rename();
  $("text").focus();
});
$("name").addEventListener("change", rename);

const themes = { auto: ["Auto", "as the system"], light: ["Light", "light"], dark: ["Dark", "dark"] };
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  setText($("theme-text"), themes[theme][0]);
  $("theme").setAttribute("aria-label", `Colours: ${themes[theme][1]}`);
  store.set("theme", theme);
}
$("theme").addEventListener("click", () => {
  const order = Object.keys(themes);
  setTheme(order[(order.indexOf(document.documentElement.dataset.theme) + 1) % order.length]);
});
const kept = store.get("theme", "auto");
setTheme(Object.hasOwn(themes, kept) ? kept : "auto");

function setView(view) {
  document.body.dataset.view = view;
  for (const tab of document.querySelectorAll("[data-show]")) {
    if (tab.dataset.show === view) tab.setAttribute("aria-current", "true");
    else tab.removeAttribute("aria-current");
  }
}
for (const tab of document.querySelectorAll("[data-show]")) tab.addEventListener("click", () => setView(tab.dataset.show));

document.addEventListener("visibilitychange", () => {
  if (document.hidden || current === null) return;
  current.unread = 0;
  drawRooms();
});

// ---------------------------------------------------------------- crashing rooms, and the tree that shows it

const crashes = [
  { value: "exception", label: "Throw an exception", did: "throw an exception", hint: "an Error nobody catches" },
  { value: "loop", label: "Loop for ever", did: "loop for ever", hint: "stopped when its time is up" },
  { value: "memory", label: "Use up its memory", did: "use up its memory", hint: "grows until its own limit" },
  { value: "stack", label: "Recurse without end", did: "recurse without end", hint: "until its own stack is full" },
  { value: "null", label: "Dereference null in C", did: "dereference null in C", hint: "in your channel, outside the sandbox" },
];

async function crash(how) {
  const room = current;
  if (room === null) return;
  note(`${room.id} was told to ${crashes.find((entry) => entry.value === how).did}`, "bad");
  const result = await room.crash(how);
  if (!result.ok && how !== "null") note(`${room.id}: ${result.reason}`, "bad");
}
menu($("crash"), $("crash-menu"), crashes, crash);

const tree = socket.channel("tree", {});
tree.on("tree", (push) => drawTree(push, roomLabel()));
tree.onError(() => treeLost("The tree is not within reach."));
tree
  .join()
  .receive("ok", (reply) => {
    treeBack();
    drawTree(reply, roomLabel());
  })
  .receive("error", () => treeLost("This server does not show its tree."));

// ---------------------------------------------------------------- start

socket.connect();
const wanted = location.hash.slice(1); // no name of a room needs an escape
const keptRooms = store.get("rooms", [FIRST_ROOM]);
for (const id of Array.isArray(keptRooms) ? keptRooms.slice(0, MOST_ROOMS) : []) {
  if (typeof id === "string" && ROOM_NAME.test(id)) enter(id);
}
if (joinError(wanted) === "") enter(wanted);
else if (rooms.size === 0) enter(FIRST_ROOM);
else show(rooms.values().next().value);

window.addEventListener("hashchange", () => {
  const id = location.hash.slice(1);
  if (joinError(id) === "") enter(id);
});
