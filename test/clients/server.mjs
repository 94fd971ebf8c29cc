// The chat_room example as a child, and npm's Phoenix client in Node.

import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";

import { Presence, Socket } from "phoenix";
import WebSocket from "ws";

import { root, sleep, within } from "./harness.mjs";

const program = process.env.CHAT_ROOM ?? path.join(root, "build/dev/examples/example_chat_room");
const START_MS = 30_000;
const STOP_MS = 20_000;
/** For answers. */
export const ANSWER_MS = 20_000;
/** An endpoint that stops waits so long for clients who do not go. */
export const SHUTDOWN_MS = 30_000;
const SPOKEN_KEPT = 4000;

/** A program, told to listen at a port. */
export const launch = (port, what = program) =>
  spawn(what, [], { env: { ...process.env, PORT: String(port) }, stdio: ["ignore", "pipe", "pipe"] });

export class Server {
  constructor(what = program) {
    this.program = what;
  }

  async start(port) {
    this.said = "";
    this.child = launch(port, this.program);
    this.ended = once(this.child, "exit");
    const listening = new Promise((resolve, reject) => {
      const hear = (bytes) => {
        this.said = (this.said + bytes).slice(-SPOKEN_KEPT);
        const found = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(this.said);
        if (found) resolve(Number(found[1]));
      };
      this.child.stdout.on("data", hear);
      this.child.stderr.on("data", hear);
      this.child.on("error", reject);
      this.child.on("exit", (code, signal) => reject(new Error(`${this.program} ended (${code ?? signal}): ${this.said}`)));
    });
    listening.catch(() => {});
    this.port = await within(START_MS, `${this.program} listening`, listening);
    this.url = `http://127.0.0.1:${this.port}`;
    return this;
  }

  isAlive() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  async kill() {
    this.child.kill("SIGKILL");
    await this.ended;
  }

  /** Once more on the same port, which the dead one may have left a moment ago. */
  restart() {
    return this.start(this.port);
  }

  async close() {
    if (!this.isAlive()) return;
    this.child.kill("SIGTERM");
    await Promise.race([this.ended, sleep(STOP_MS)]);
    if (this.isAlive()) {
      await this.kill();
      throw new Error(`${this.program} did not end within ${STOP_MS} ms of SIGTERM`);
    }
  }
}

export const startServer = (run = program) => new Server(run).start(0);

/** A client with a connection of its own. */
export class Client {
  constructor(server, { url = `ws://127.0.0.1:${server.port}/socket`, transport = WebSocket } = {}) {
    this.socket = new Socket(url, { transport, timeout: ANSWER_MS, reconnectAfterMs: () => 100, rejoinAfterMs: () => 100 });
    this.socket.connect();
  }

  /** Joins and gives { channel, reply, got, diffs, presence }: `got` holds each new_message and `diffs` each presence_diff, in order of
   * arrival. */
  async join(topic, params) {
    const channel = this.socket.channel(topic, params);
    const joined = { channel, got: [], diffs: [], joins: 0, presence: new Presence(channel) };
    channel.on("new_message", (message) => joined.got.push(message));
    channel.on("presence_diff", (diff) => joined.diffs.push(diff));
    joined.reply = await new Promise((resolve, reject) => {
      channel
        .join()
        .receive("ok", (reply) => {
          joined.joins++;
          resolve(reply);
        })
        .receive("error", (error) => {
          channel.leave();
          reject(new Refused(error));
        })
        .receive("timeout", () => reject(new Error(`joining ${topic}: no answer`)));
    });
    return joined;
  }

  close() {
    return new Promise((resolve) => this.socket.disconnect(resolve));
  }
}

/** What the server answered with status "error". */
export class Refused extends Error {
  constructor(answer) {
    super(JSON.stringify(answer));
    this.answer = answer;
  }
}

export function push(channel, event, payload) {
  return new Promise((resolve, reject) => {
    channel
      .push(event, payload, ANSWER_MS)
      .receive("ok", resolve)
      .receive("error", (answer) => reject(new Refused(answer)))
      .receive("timeout", () => reject(new Error(`${event}: no answer`)));
  });
}

export function leave(channel) {
  return new Promise((resolve, reject) => {
    channel.leave().receive("ok", resolve).receive("timeout", () => reject(new Error("leaving: no answer")));
  });
}

/** A connection without the client, for frames that it would never send. */
export async function openRaw(server) {
  const raw = new WebSocket(`ws://127.0.0.1:${server.port}/socket/websocket?vsn=2.0.0`);
  raw.on("error", () => {});
  await within(ANSWER_MS, "connecting", once(raw, "open"));
  return {
    send: (frame) => raw.send(typeof frame === "string" || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame)),
    ended: once(raw, "close"),
    /** The next reply to `ref`. */
    answer: (ref) =>
      within(ANSWER_MS, `answer to ${ref}`, new Promise((resolve, reject) => {
        raw.on("message", (bytes) => {
          const frame = JSON.parse(bytes);
          if (frame[1] === ref) resolve(frame);
        });
        raw.on("close", () => reject(new Error(`the connection ended before the answer to ${ref}`)));
      })),
    close: () => raw.terminate(),
  };
}

/** The keys of a Presence, sorted. */
export const keysOf = (presence) => presence.list((key) => key).sort();
