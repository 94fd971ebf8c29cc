// One room as this page knows it: a channel, what was said, who is there. It knows nothing of the DOM.
//
// A room is `joining`, `joined`, `lost` (the client tries again by itself), `refused` (the server said no and why; the
// client tries again too) or `closed` (the server ended it: somebody must ask again).

import { Presence } from "phoenix";

export const ROOM_NAME = /^[A-Za-z0-9_-]{1,64}$/;
export const TEXT_MAX = 2000;
const KEPT = 500;
const TYPING_MS = 4000;
const TYPING_EVERY_MS = 2000;

const text = (value) => (typeof value === "string" ? value : "");

/** What to tell people about a failed request. */
export function reasonOf(error) {
  return text(error?.message) || text(error?.reason) || "the server gave no reason";
}

function messageOf(value) {
  if (value === null || typeof value !== "object") return null;
  if (typeof value.id !== "string" && typeof value.id !== "number") return null;
  const at = Number.isFinite(value.at) ? value.at : Date.now();
  return { id: String(value.id), sender: text(value.sender), text: text(value.text), at };
}

export class Room {
  /** told(room, what): `what` is "state", "messages", "who" or "typing"; a new message of another comes as "news". */
  constructor(socket, id, me, told) {
    this.socket = socket;
    this.id = id;
    this.me = me;
    this.told = told;
    this.state = "joining";
    this.reason = "";
    this.messages = [];
    this.known = new Set();
    this.pending = [];
    this.who = [];
    this.typing = new Map();
    this.unread = 0;
    this.draft = "";
    this.typingSentAt = 0;
    this.enter();
  }

  enter() {
    const channel = this.socket.channel(`room:${this.id}`, () => ({ name: this.me.name }));
    this.channel = channel;
    channel.on("new_message", (message) => this.arrived(message));
    channel.on("typing", ({ sender }) => this.sawTyping(text(sender)));
    const presence = new Presence(channel);
    presence.onSync(() => this.setWho(presence.list((name) => name)));
    channel.onError(() => this.setState("lost"));
    channel.onClose(() => {
      if (this.channel === channel) this.setState("closed");
    });
    this.setState("joining");
    channel
      .join()
      .receive("ok", (reply) => this.joined(reply))
      .receive("error", (error) => this.setState("refused", reasonOf(error)))
      .receive("timeout", () => this.setState("lost"));
  }

  joined(reply) {
    for (const message of Array.isArray(reply.history) ? reply.history : []) this.add(messageOf(message));
    this.messages.sort((a, b) => a.at - b.at);
    this.setState("joined");
    this.told(this, "messages");
  }

  setState(state, reason = "") {
    this.state = state;
    this.reason = reason;
    if (state !== "joined") this.typing.clear();
    this.told(this, "state");
  }

  setWho(list) {
    this.who = list;
    this.told(this, "who");
  }

  /** False: it was there already. What was said may come as a push, as a reply and in a history. */
  add(message) {
    if (message === null || this.known.has(message.id)) return false;
    this.known.add(message.id);
    this.messages.push(message);
    const mine = this.pending.findIndex((p) => p.text === message.text && p.sender === message.sender);
    if (mine >= 0) this.pending.splice(mine, 1);
    while (this.messages.length > KEPT) this.known.delete(this.messages.shift().id);
    return true;
  }

  arrived(value) {
    const message = messageOf(value);
    if (!this.add(message)) return;
    this.typing.delete(message.sender);
    this.told(this, "typing");
    this.told(this, message.sender === this.me.name ? "messages" : "news");
  }

  send(body) {
    this.typingSentAt = 0; // who goes on typing after this is told of at once
    this.dispatch({ sender: this.me.name, text: body, failed: "" });
  }

  dispatch(pending) {
    pending.failed = "";
    if (!this.pending.includes(pending)) this.pending.push(pending);
    this.told(this, "messages");
    const fail = (why) => {
      if (!this.pending.includes(pending)) return;
      pending.failed = why;
      this.told(this, "messages");
    };
    const channel = this.channel;
    if (this.state !== "joined") {
      fail("this room is not connected");
      return;
    }
    channel
      .push("send_message", { sender: pending.sender, text: pending.text })
      .receive("ok", (reply) => {
        this.pending = this.pending.filter((p) => p !== pending);
        this.add(messageOf(reply.message));
        this.told(this, "messages");
      })
      .receive("error", (error) => fail(reasonOf(error)))
      .receive("timeout", () => fail("no answer came"));
  }

  drop(pending) {
    this.pending = this.pending.filter((p) => p !== pending);
    this.told(this, "messages");
  }

  /** Called at every key; tells the others now and then. */
  type() {
    const now = Date.now();
    if (this.state !== "joined" || now - this.typingSentAt < TYPING_EVERY_MS) return;
    this.typingSentAt = now;
    this.channel.push("typing", { sender: this.me.name });
  }

  sawTyping(sender) {
    if (sender === "" || sender === this.me.name || this.typing.size > 50) return;
    clearTimeout(this.typing.get(sender));
    const forget = () => {
      this.typing.delete(sender);
      this.told(this, "typing");
    };
    this.typing.set(sender, setTimeout(forget, TYPING_MS));
    this.told(this, "typing");
  }

  crash(how) {
    return new Promise((resolve) => {
      this.channel
        .push("crash", { how })
        .receive("ok", () => resolve({ ok: true }))
        .receive("error", (error) => resolve({ ok: false, reason: reasonOf(error) }))
        .receive("timeout", () => resolve({ ok: false, reason: "no answer came" }));
    });
  }

  /** Leaves for good, or to come back under another name. */
  leave() {
    const channel = this.channel;
    this.channel = null;
    channel.leave();
  }

  rejoin() {
    if (this.channel !== null) this.leave();
    this.enter();
  }
}
