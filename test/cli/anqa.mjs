// The `anqa` command as a child, programs for it to find in a folder of the test's own, and a terminal to run it in.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";

import { root, until } from "../clients/harness.mjs";

export const program = process.env.ANQA ?? path.join(root, "build/dev/anqa");

// Programs that are started from here put their sockets there, and the command looks for them there.
export const runtimeDir = fs.mkdtempSync(path.join(os.tmpdir(), "anqa-cli-"));
export const folder = path.join(runtimeDir, "anqa");
process.env.XDG_RUNTIME_DIR = runtimeDir;
process.on("exit", () => fs.rmSync(runtimeDir, { recursive: true, force: true }));

/** Runs the command to its end: { code, out, err }. */
export function anqa(...args) {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: 30_000, maxBuffer: 1 << 26 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : error.code, out, err });
    });
  });
}

/** Starts the command: { said: what it has printed so far, ended: its exit status }. */
export function anqaStart(...args) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const running = { said: "", ended: once(child, "close").then(([code]) => code), close: () => child.kill() };
  child.stdout.on("data", (bytes) => (running.said += bytes));
  return running;
}

/** What it prints with --json. */
export async function anqaJson(...args) {
  const { code, out, err } = await anqa("--json", ...args);
  if (code !== 0) throw new Error(`anqa ${args.join(" ")}: ${code}: ${err}`);
  return JSON.parse(out);
}

/** A socket that answers each line with what `answer` makes of the request: text, { last: text } before hanging up. */
export async function pretend(name, answer) {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, `${name}.sock`);
  const server = net.createServer((peer) => {
    let rest = "";
    peer.on("error", () => {});
    peer.on("data", (bytes) => {
      const lines = (rest + bytes).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const text = answer(JSON.parse(line));
        if (typeof text === "string") peer.write(text);
        else peer.end(text.last);
      }
    });
  });
  server.listen(file);
  await once(server, "listening");
  return {
    file,
    async close() {
      server.close();
      fs.rmSync(file, { force: true });
    },
  };
}

/** An answer's line. */
export const ok = (request, value) => `${JSON.stringify({ id: request.id, ok: value })}\n`;

const exec = promisify(execFile);
let terminals = 0;

/** A window of tmux, on a server of its own, with a command line in it. */
export class Terminal {
  static async open(commandLine, { columns = 100, rows = 30, locale = "C.UTF-8" } = {}) {
    const terminal = new Terminal();
    terminal.server = `anqa-test-${process.pid}-${++terminals}`;
    const env = { ...process.env, LC_ALL: locale, LANG: locale, TERM: "xterm-256color" };
    delete env.TMUX;
    delete env.NO_COLOR;
    terminal.env = env;
    await terminal.tmux("-f", "/dev/null", "new-session", "-d", "-x", `${columns}`, "-y", `${rows}`,
      `${commandLine}; echo "ended with $?"; exec sleep 1000`);
    return terminal;
  }

  async tmux(...args) {
    // -u: what the window shows is UTF-8, whatever the program in it believes
    const { stdout } = await exec("tmux", ["-u", "-L", this.server, ...args], { env: this.env });
    return stdout;
  }

  /** Names of keys, as tmux knows them. */
  async keys(...keys) {
    await this.tmux("send-keys", ...keys);
  }

  async type(text) {
    await this.tmux("send-keys", "-l", text);
  }

  async resize(columns, rows) {
    await this.tmux("resize-window", "-x", `${columns}`, "-y", `${rows}`);
  }

  /** The lines that are shown. */
  async lines() {
    return (await this.tmux("capture-pane", "-p")).replace(/\n$/, "").split("\n");
  }

  /** Waits until what is shown matches, and returns its lines. */
  async shows(pattern) {
    let last = "";
    try {
      return await until(`${pattern} on the screen`, async () => {
        const lines = await this.lines();
        last = lines.join("\n");
        return pattern.test(last) && lines;
      });
    } catch (error) {
      throw new Error(`${error.message}; it shows:\n${last}`);
    }
  }

  /** Process ids of the window's command line. */
  async pids() {
    const shell = (await this.tmux("display-message", "-p", "#{pane_pid}")).trim();
    const { stdout } = await exec("ps", ["-o", "pid=,args=", "--ppid", shell]);
    return stdout.split("\n").filter((line) => line.includes(" observe")).map((line) => Number.parseInt(line, 10));
  }

  async close() {
    await this.tmux("kill-server").catch(() => {});
  }
}

/** Copies what is shown to where it can be looked at. */
export async function keepPicture(name, lines) {
  if (process.env.SCREENSHOTS === undefined) return;
  fs.mkdirSync(process.env.SCREENSHOTS, { recursive: true });
  fs.writeFileSync(path.join(process.env.SCREENSHOTS, `${name}.txt`), `${lines.join("\n")}\n`);
}
