// `anqa observe` in a terminal: each view, small and large windows, other locales, lost programs, every way to end.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";

import { run, test, until } from "../clients/harness.mjs";
import { Client, startServer } from "../clients/server.mjs";
import { Terminal, anqaJson, keepPicture, ok, pretend, program } from "./anqa.mjs";

if (!hasTmux()) {
  console.log("1..0 # SKIP tmux is not installed");
  process.exit(0);
}

function hasTmux() {
  try {
    execFileSync("tmux", ["-V"]);
    return true;
  } catch {
    return false;
  }
}

/** A terminal in which it runs, and has begun to listen to keys. */
async function observe(options) {
  const terminal = await Terminal.open(`'${program}' observe --interval 250`, options);
  try {
    await terminal.shows(/q quit/);
  } catch (error) {
    await terminal.close();
    throw error;
  }
  return terminal;
}

/** The title is the first line, the foot the last, and nothing is wider than the window. */
function checkFrame(lines, columns, rows) {
  assert.equal(lines.length, rows);
  for (const line of lines) assert.ok([...line].length <= columns, `"${line}" is wider than ${columns}`);
  assert.match(lines[0], /^ chat_room 0\.1\.0/);
  assert.match(lines.at(-1), /^ q quit/);
}

test("the list shows processes with their figures, and the schedulers above", async (t) => {
  await t.keep(startServer());
  const terminal = await t.keep(observe());
  const lines = await terminal.shows(/ endpoint /);
  await keepPicture("observe-processes", lines);
  checkFrame(lines, 100, 30);
  assert.match(lines[0], /pid \d+ {2}up .* every 250 ms$/);
  assert.match(lines[1], /^ processes \d+ {3}memory [\d.]+ MB {3}heaps /);
  assert.match(lines[2], /^ {2}1 \u2595[\u2588\u2591]{10}\u258f +\d+%/);
  assert.match(lines.join("\n"), /^ PID +NAME +STATUS +MAILBOX +MEMORY +HANDLED +NOW$/m);
});

test("the list is sorted, filtered, and keeps the chosen process", async (t) => {
  await t.keep(startServer());
  const terminal = await t.keep(observe());
  await terminal.shows(/ endpoint /);
  await terminal.keys("/");
  await terminal.type("acceptor");
  let lines = await terminal.shows(/filter: acceptor/);
  await terminal.keys("Enter");
  lines = await terminal.shows(/ filter: acceptor {2}Esc clears it/);
  const rows = lines.filter((line) => /^ <\d/.test(line));
  assert.ok(rows.length > 0);
  assert.ok(rows.every((line) => line.includes("acceptor")), "no other row");
  await terminal.keys("Escape");
  await terminal.shows(/ endpoint /);
  await terminal.keys("s", "s", "s");
  const slots = await until("the order of pids", async () => {
    const found = (await terminal.lines()).flatMap((line) => /^ <0\.(\d+)\./.exec(line)?.[1] ?? []).map(Number);
    return found.length > 10 && found.every((slot, i) => i === 0 || found[i - 1] < slot) && found;
  });
  await terminal.keys("Down", "Down", "Enter");
  await terminal.shows(new RegExp(`pid +<0\\.${slots[2]}\\.`));
});

test("the tree shows rooms, and a room that ended is gone", async (t) => {
  const server = await t.keep(startServer());
  const client = await t.keep(new Client(server));
  const { channel } = await client.join("room:lobby", { name: "Ada" });
  const terminal = await t.keep(observe());
  await terminal.keys("Tab");
  const lines = await terminal.shows(/room:lobby +<0\.\d+\.\d+>/);
  await keepPicture("observe-tree", lines);
  checkFrame(lines, 100, 30);
  const before = /room:lobby +(<[\d.]+>)/.exec(lines.join("\n"))[1];
  channel.push("crash", { how: "exception" });
  await until("another process for the room", async () => {
    const now = /room:lobby +(<[\d.]+>)/.exec((await terminal.lines()).join("\n"));
    return now !== null && now[1] !== before;
  });
});

test("a process is looked at from the tree", async (t) => {
  await t.keep(startServer());
  const { pid } = await anqaJson("info", "who");
  const terminal = await t.keep(observe());
  await terminal.keys("Tab");
  await terminal.shows(/who /);
  await terminal.keys("Down", "Down", "Enter");
  const lines = await terminal.shows(/registered as +who/);
  await keepPicture("observe-process", lines);
  checkFrame(lines, 100, 30);
  assert.ok(lines.some((line) => line.startsWith(" pid ") && line.endsWith(pid)));
  await terminal.keys("Escape");
  await terminal.shows(/endpoint +<0/);
});

test("a process is killed when that is confirmed, and not otherwise", async (t) => {
  await t.keep(startServer());
  const before = (await anqaJson("info", "who")).pid;
  const terminal = await t.keep(observe());
  await terminal.keys("Tab");
  await terminal.shows(/who /);
  await terminal.keys("Down", "Down", "K");
  await terminal.shows(new RegExp(`kill ${before}\\? y: yes`));
  await terminal.keys("n");
  await terminal.shows(/nothing done/);
  assert.equal((await anqaJson("info", "who")).pid, before);
  await terminal.keys("K");
  await terminal.shows(/kill .*\?/);
  await terminal.keys("y");
  await terminal.shows(/who +<[\d.]+> +restarted 1 time/);
  assert.notEqual((await anqaJson("info", "who")).pid, before);
});

test("a trace is followed as it grows, and ended by leaving it", async (t) => {
  await t.keep(startServer());
  const terminal = await t.keep(observe());
  await terminal.keys("Tab");
  await terminal.shows(/tree /);
  await terminal.keys("Down", "Down", "Down", "t");
  const lines = await terminal.shows(/ receive +look[^]* send +\$which_children +to </);
  await keepPicture("observe-trace", lines);
  checkFrame(lines, 100, 30);
  assert.match(lines.join("\n"), /^ trace of <[\d.]+> {2}\d+ events$/m);
  await terminal.shows(/ [4-9]\d events/);
  assert.match((await terminal.lines()).at(-2), /\S/, "the last event is shown");
  await terminal.keys("Home");
  await terminal.shows(/events\n receive +look/);
  await terminal.keys("Escape");
  await terminal.shows(/endpoint +<0/);
});

test("a server is suspended when that is confirmed, and resumed", async (t) => {
  await t.keep(startServer());
  const terminal = await t.keep(observe());
  await terminal.keys("Tab");
  await terminal.shows(/tree /);
  await terminal.keys("Down", "Down", "Down", "S");
  await terminal.shows(/suspend <[\d.]+>\? y: yes/);
  await terminal.keys("y");
  await terminal.shows(/tree +<[\d.]+> +suspended, mailbox \d/);
  await terminal.keys("R");
  await terminal.shows(/tree +<[\d.]+>$/m);
});

test("the state of a process is shown below what is seen of it", async (t) => {
  await t.keep(startServer());
  const terminal = await t.keep(observe());
  await terminal.keys("Tab");
  await terminal.shows(/rooms /);
  await terminal.keys("Down", "Enter");
  const lines = await terminal.shows(/^ state\n name: rooms\n max_restarts: 1000/m);
  await keepPicture("observe-state", lines);
});

test("help lists the keys", async (t) => {
  await t.keep(startServer());
  const terminal = await t.keep(observe());
  await terminal.shows(/ endpoint /);
  await terminal.keys("?");
  const lines = await terminal.shows(/trace its messages/);
  await keepPicture("observe-help", lines);
  await terminal.keys("K"); // none of a list's keys
  await terminal.shows(/ endpoint /);
});

/* ---------------------------------------------------------------- windows */

test("a window of 40 columns and 10 rows has room for what matters", async (t) => {
  await t.keep(startServer());
  const terminal = await t.keep(observe({ columns: 40, rows: 10 }));
  const lines = await terminal.shows(/PID +NAME +MAILBOX +MEMORY/);
  await keepPicture("observe-small", lines);
  checkFrame(lines, 40, 10);
  assert.match(lines[0], /every 250 ms$/);
  assert.match(lines[1], / [\d.,]+( [KMG]B)?$/, `the last column too: ${lines[1]}`);
  await terminal.keys("G");
  await terminal.shows(/<0\.\d+\.\d+>/);
  await terminal.keys("Tab");
  await keepPicture("observe-small-tree", await terminal.shows(/chat_room +<0/));
});

test("a window that changes its size is drawn anew, down to one cell and up to 250 columns", async (t) => {
  await t.keep(startServer());
  const terminal = await t.keep(observe());
  await terminal.shows(/ endpoint /);
  for (const [columns, rows] of [[60, 15], [10, 3], [1, 1], [2, 2], [250, 60]]) {
    await terminal.resize(columns, rows);
    await until(`${columns} columns`, async () => (await terminal.lines()).length === rows);
  }
  const lines = await terminal.shows(/KIND.*STATUS/);
  await keepPicture("observe-large", lines);
  checkFrame(lines, 250, 60);
});

test("in a locale without UTF-8 nothing is shown that it does not have", async (t) => {
  await t.keep(startServer());
  const terminal = await t.keep(observe({ locale: "C" }));
  await terminal.shows(/ endpoint /);
  await terminal.keys("Tab");
  const lines = await terminal.shows(/\|- rooms/);
  await keepPicture("observe-ascii", lines);
  assert.match(lines.join("\n"), /^[\x20-\x7e\n]*$/);
  assert.match(lines[2], /^ {2}1 \[[# ]{10}\] +\d+%/);
});

test("text of a program cannot control the terminal", async (t) => {
  const evil = "\u001b[2Jred\u001b]0;x\u0007\u202egnol\u009b5m";
  await t.keep(
    pretend("evil", (request) =>
      ok(request, {
        ping: { name: evil, version: evil, pid: 1 },
        system: { uptime_ns: 5e9, schedulers: [{ idle_ns: 0 }], processes: 1 },
        processes: { processes: [{ pid: "<0.1.1>", label: evil, kind: evil, status: evil, mailbox: 1 }] },
        tree: { applications: [{ application: evil, supervisor: "<0.1.1>", children: [{ id: evil, state: evil }] }] },
      }[request.op] ?? { pid: "<0.1.1>", label: evil, state: { [evil]: evil } }),
    ),
  );
  const terminal = await t.keep(observe());
  const shown = /\\x1b\[2Jred\\x1b\]0;x\\x07/;
  await terminal.shows(shown);
  await terminal.keys("Tab");
  await terminal.shows(shown);
  await terminal.keys("Enter");
  await terminal.shows(new RegExp(`state\n.*${shown.source}`));
});

/* ---------------------------------------------------------------- connections */

test("a program that is lost is waited for, and shown again when it is back", async (t) => {
  const server = await t.keep(startServer());
  const terminal = await t.keep(observe());
  await terminal.shows(/ endpoint /);
  await server.kill();
  const lines = await terminal.shows(/lost, retrying/);
  await keepPicture("observe-lost", lines);
  assert.match(lines.join("\n"), / endpoint /, "what was known is still there");
  await server.restart();
  await terminal.shows(new RegExp(`pid ${server.child.pid} .*every`));
});

test("a program that answers with nonsense is lost, not followed", async (t) => {
  let answers = 0;
  await t.keep(
    pretend("mad", (request) => {
      answers++;
      return request.op === "ping" && answers < 3 ? ok(request, { name: "mad", pid: 1 }) : "\u0000{]\n";
    }),
  );
  const terminal = await t.keep(observe());
  await terminal.shows(/lost, retrying/);
  await terminal.keys("q");
  await terminal.shows(/ended with 0/);
});

/* ---------------------------------------------------------------- ends */

/** The terminal is as it was: what is typed is echoed, the cursor shown, the shell's screen back. */
async function checkRestored(terminal) {
  const settings = (await terminal.tmux("display-message", "-p", "#{cursor_flag} #{wrap_flag} #{alternate_on}")).trim();
  assert.equal(settings, "1 1 0");
  const tty = (await terminal.tmux("display-message", "-p", "#{pane_tty}")).trim();
  const modes = execFileSync("stty", ["-a", "-F", tty], { encoding: "utf8" });
  for (const mode of ["echo", "icanon", "isig", "opost", "icrnl"]) assert.match(modes, new RegExp(`(^|\\s)${mode}\\b`), mode);
}

for (const [what, end] of [
  ["q", (terminal) => terminal.keys("q")],
  ["Ctrl-C", (terminal) => terminal.keys("C-c")],
  ["SIGTERM", async (terminal) => process.kill((await terminal.pids())[0], "SIGTERM")],
  ["SIGHUP", async (terminal) => process.kill((await terminal.pids())[0], "SIGHUP")],
]) {
  test(`${what} ends it and restores the terminal`, async (t) => {
    await t.keep(startServer());
    const terminal = await t.keep(observe());
    await terminal.shows(/ endpoint /);
    await end(terminal);
    await terminal.shows(/ended with 0/);
    await checkRestored(terminal);
  });
}

test("Ctrl-Z gives the terminal back until it goes on", async (t) => {
  await t.keep(startServer());
  const terminal = await t.keep(observe());
  await terminal.shows(/ endpoint /);
  const [pid] = await terminal.pids();
  await terminal.keys("C-z");
  await until("the shell's screen", async () => (await terminal.tmux("display-message", "-p", "#{alternate_on}")).trim() === "0");
  await checkRestored(terminal);
  process.kill(pid, "SIGCONT");
  await terminal.shows(/ endpoint /);
  await terminal.keys("q");
  await terminal.shows(/ended with 0/);
});

test("a crash restores the terminal too", async (t) => {
  await t.keep(startServer());
  const terminal = await t.keep(observe());
  await terminal.shows(/ endpoint /);
  process.kill((await terminal.pids())[0], "SIGSEGV");
  await terminal.shows(/ended with 139/);
  await checkRestored(terminal);
});

test("it ends with its terminal, and does not wait for what nobody reads", async (t) => {
  await t.keep(startServer());
  for (const end of ["kill-server", "hang-up"]) {
    const terminal = await t.keep(observe());
    await terminal.shows(/ endpoint /);
    const [pid] = await terminal.pids();
    if (end === "kill-server") await terminal.tmux(end);
    else process.kill(Number(await terminal.tmux("display-message", "-p", "#{pid}")), "SIGKILL");
    await until(`the end of observe after ${end}`, async () => !fs.existsSync(`/proc/${pid}`));
  }
});

test("without a terminal it says that it needs one", async (t) => {
  await t.keep(startServer());
  const terminal = await t.keep(Terminal.open(`'${program}' observe </dev/null`));
  await terminal.shows(/anqa: observe needs a terminal\s+ended with 1/);
});

test("a program with many processes is listed and scrolled", async (t) => {
  const server = await t.keep(startServer());
  const clients = await Promise.all(Array.from({ length: 40 }, () => t.keep(new Client(server))));
  await Promise.all(clients.map((client, i) => client.join(`room:r${i % 20}`, { name: `c${i}` })));
  const terminal = await t.keep(observe({ columns: 120, rows: 40 }));
  await terminal.keys("Tab");
  await terminal.shows(/room:r19 /);
  await terminal.keys("Tab");
  await terminal.shows(/PID/);
  await terminal.keys("End");
  await keepPicture("observe-many", await terminal.shows(/<0\.\d+\.\d+>/));
});

await run();
