// The subcommands of `anqa`, against the chat_room example, programs that are only pretended, and none at all.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";

import { run, test, until, within } from "../clients/harness.mjs";
import { Client, startServer } from "../clients/server.mjs";
import { anqa, anqaJson, anqaStart, folder, ok, pretend, program } from "./anqa.mjs";

const OK = 0;
const FAILED = 1;
const USAGE = 2;
const UNREACHABLE = 3;

/* ---------------------------------------------------------------- finding programs */

test("where no program runs it says where it has looked", async () => {
  const { code, out, err } = await anqa("tree");
  assert.equal(code, UNREACHABLE);
  assert.equal(out, "");
  assert.equal(err, `anqa: no application is running (looked in ${folder}); --socket PATH names one elsewhere\n`);
  assert.deepEqual(await anqa("list", "--json"), { code: OK, out: "", err: "" });
});

test("the only program is found without being named", async (t) => {
  const server = await t.keep(startServer());
  assert.equal((await anqa("pid")).out, `${server.child.pid}\n`);
  assert.deepEqual(await anqaJson("pid"), { pid: server.child.pid });
  assert.match((await anqa("version")).out, /^chat_room 0\.1\.0 \(anqa \d+\.\d+\.\d+\)\n$/);
  const listed = await anqaJson("list");
  assert.equal(listed.name, "chat_room");
  assert.equal(listed.socket, path.join(folder, "chat_room.sock"));
  assert.equal((await anqaJson("--socket", listed.socket, "version")).pid, server.child.pid);
});

test("of several programs one must be chosen, by name or process id", async (t) => {
  const server = await t.keep(startServer());
  await t.keep(pretend("shop", (request) => ok(request, { name: "shop", version: "7", anqa: "0", pid: 1 })));
  const { code, err } = await anqa("pid");
  assert.equal(code, USAGE);
  assert.match(err, /several applications are running/);
  assert.match(err, /^chat_room +0\.1\.0 /m);
  assert.match(err, /^shop +7 /m);
  assert.equal((await anqaJson("pid", "--app", "chat_room")).pid, server.child.pid);
  assert.equal((await anqaJson("pid", `--app=${server.child.pid}`)).pid, server.child.pid);
  assert.equal((await anqaJson("pid", "--app", "shop")).pid, 1);
  const none = await anqa("pid", "--app", "bank");
  assert.equal(none.code, UNREACHABLE);
  assert.match(none.err, /no application 'bank' is running/);
});

test("a second program of the same name has its process id in its socket's", async (t) => {
  const first = await t.keep(startServer());
  const second = await t.keep(startServer());
  assert.equal((await anqa("pid", "--app", "chat_room")).code, USAGE);
  assert.equal((await anqaJson("pid", "--app", `chat_room-${second.child.pid}`)).pid, second.child.pid);
  assert.equal((await anqaJson("pid", "--app", `${first.child.pid}`)).pid, first.child.pid);
});

test("the socket of a killed program is passed over, and its successor takes it", async (t) => {
  const server = await t.keep(startServer());
  await server.kill();
  assert.ok(fs.existsSync(path.join(folder, "chat_room.sock")));
  assert.equal((await anqa("pid")).code, UNREACHABLE);
  await server.restart();
  assert.equal((await anqaJson("list")).socket, path.join(folder, "chat_room.sock"));
});

test("a folder that others may enter is not trusted", async (t) => {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  fs.chmodSync(folder, 0o755);
  await t.keep({ close: async () => fs.chmodSync(folder, 0o700) });
  const { code, err } = await anqa("tree");
  assert.equal(code, UNREACHABLE);
  assert.match(err, /others may enter the folder/);
});

/* ---------------------------------------------------------------- looking */

test("the tree shows rooms as they come", async (t) => {
  const server = await t.keep(startServer());
  const client = await t.keep(new Client(server));
  await client.join("room:lobby", { name: "Ada" });
  const { out } = await anqa("tree");
  assert.match(out, /^chat_room +<\d+\.\d+\.\d+>$/m);
  assert.match(out, /^(\u251c\u2500|\|-) rooms /m);
  assert.match(out, /room:lobby +<\d+\.\d+\.\d+>/);
  const { applications } = await anqaJson("tree");
  const top = applications.find(({ application }) => application === "chat_room");
  const rooms = top.children.find(({ id }) => id === "rooms");
  assert.equal(rooms.type, "supervisor");
  assert.deepEqual(rooms.children.map(({ id, state }) => [id, state]), [["room:lobby", "running"]]);
});

test("processes are listed in the order that is asked for, and no more of them", async (t) => {
  await t.keep(startServer());
  const { processes } = await anqaJson("processes", "--sort", "memory", "--limit", "5");
  assert.equal(processes.length, 5);
  for (let i = 1; i < processes.length; i++) assert.ok(processes[i - 1].memory >= processes[i].memory);
  const lines = (await anqa("processes", "--limit=3")).out.trimEnd().split("\n");
  assert.equal(lines.length, 4);
  assert.match(lines[0], /^PID +NAME +KIND +STATUS +MAILBOX +MEMORY +HANDLED +NOW$/);
  const wrong = await anqa("processes", "--sort", "beauty");
  assert.equal(wrong.code, FAILED);
  assert.match(wrong.err, /there is no order 'beauty'; there are mailbox, memory, handled, none/);
});

test("a process is found by its name and by its pid", async (t) => {
  await t.keep(startServer());
  const byName = await anqaJson("info", "who");
  assert.deepEqual(byName.names, ["who"]);
  assert.equal(byName.kind, "gen_server");
  assert.deepEqual((await anqaJson("info", byName.pid)).names, ["who"]);
  assert.match((await anqa("info", "who")).out, /^registered as +who$/m);
  for (const nobody of ["nobody", "<0.9.999999>", "<>", "\u001b[31m"]) {
    const { code, err } = await anqa("info", nobody);
    assert.equal(code, FAILED, nobody);
    assert.ok(!err.includes("\u001b"), "what was typed is not sent to the terminal as it is");
  }
});

test("the system's figures are those of the program", async (t) => {
  await t.keep(startServer());
  const system = await anqaJson("system");
  assert.ok(system.processes > 10 && system.processes < 100);
  assert.ok(system.schedulers.length > 0);
  assert.match((await anqa("system")).out, /^resident +[\d.]+ MB$/m);
});

test("metrics are what Prometheus reads", async (t) => {
  await t.keep(startServer());
  const { out } = await anqa("metrics");
  assert.match(out, /^# TYPE anqa_processes gauge$/m);
  assert.match(out, /^anqa_processes \d+$/m);
  for (const line of out.trimEnd().split("\n")) assert.match(line, /^(# (HELP|TYPE) |[a-z_]+(\{.*\})? -?[\d.e+]+$)/);
  const { type, text } = await anqaJson("metrics");
  assert.match(type, /version=0\.0\.4/);
  assert.match(text, /^anqa_processes \d+$/m);
});

/* ---------------------------------------------------------------- telling */

test("the log's level is told and set", async (t) => {
  const server = await t.keep(startServer());
  assert.equal((await anqa("log")).out, "notice\n");
  assert.equal((await anqa("log", "info")).out, "info\n");
  assert.deepEqual(await anqaJson("log"), { level: "info" });
  const wrong = await anqa("log", "loud");
  assert.equal(wrong.code, FAILED);
  assert.match(wrong.err, /there is no level 'loud'/);
  assert.ok(server.isAlive());
});

test("rpc runs an operation, and lists those there are", async (t) => {
  await t.keep(startServer());
  assert.match((await anqa("rpc")).out, /^ping +anqa +who runs here$/m);
  assert.equal((await anqaJson("rpc", "ping")).name, "chat_room");
  assert.equal((await anqaJson("rpc", "log_level", '{"level": "error"}')).level, "error");
  assert.equal((await anqa("rpc", "nothing")).code, FAILED);
  assert.equal((await anqa("rpc", "ping", "{")).code, USAGE);
  assert.equal((await anqa("rpc", "ping", "[]")).code, FAILED);
});

test("a program's own operations run inside of it", async (t) => {
  const server = await t.keep(startServer());
  assert.deepEqual(await anqaJson("rpc", "rooms"), {});
  for (const [room, name] of [["room:a", "Ada"], ["room:a", "Bob"], ["room:b", "Eve"]]) {
    const client = await t.keep(new Client(server));
    await client.join(room, { name });
  }
  const rooms = await until("who is there", async () => {
    const found = await anqaJson("rpc", "rooms");
    return Object.values(found).flat().length === 3 && found;
  });
  assert.deepEqual(Object.keys(rooms).sort(), ["room:a", "room:b"]);
  assert.deepEqual([rooms["room:a"].toSorted(), rooms["room:b"]], [["Ada", "Bob"], ["Eve"]]);
  assert.match((await anqa("rpc")).out, /^rooms +program +the rooms, and who is in them$/m);
});

test("stop returns when the program has ended in good order", async (t) => {
  const server = await t.keep(startServer());
  const ended = server.ended;
  assert.equal((await anqa("stop")).code, OK);
  assert.deepEqual(await within(30_000, "the program's end", ended), [0, null]);
  assert.ok(!fs.existsSync(path.join(folder, "chat_room.sock")));
  assert.equal((await anqa("stop")).code, UNREACHABLE);
});

test("restart returns when a successor serves and the program has ended in good order", async (t) => {
  const server = await t.keep(startServer());
  const [ended, closed] = [server.ended, once(server.child, "close")];
  assert.equal((await anqa("restart")).code, OK);
  assert.deepEqual(await within(30_000, "the program's end", ended), [0, null]);
  assert.equal((await fetch(server.url)).status, 200);
  const successor = /restart\.ready successor=(\d+)/.exec(server.said)[1];
  process.kill(Number(successor), "SIGTERM");
  await within(30_000, "the successor's end", closed);
});

test("the state of a supervisor is shown, and of a server that hides it is not", async (t) => {
  await t.keep(startServer());
  assert.match((await anqa("state", "rooms")).out, /^max_children: 10000$/m);
  assert.equal((await anqaJson("state", "rooms")).state.max_children, 10000);
  assert.equal((await anqaJson("state", "who")).state.replicas, 1);
  const { code, err } = await anqa("state", "tree");
  assert.equal(code, FAILED);
  assert.match(err, /no format_status/);
});

test("a suspended server waits until it is resumed", async (t) => {
  await t.keep(startServer());
  assert.match((await anqa("suspend", "tree")).out, /^<[\d.]+> is suspended/);
  const { handled } = await anqaJson("info", "tree");
  await until("a suspended server", async () => (await anqaJson("info", "tree")).status === "suspended");
  assert.match((await anqa("info", "tree")).out, /^status +suspended$/m);
  assert.match((await anqa("tree")).out, /tree +<[\d.]+> +suspended/);
  await until("messages that wait", async () => (await anqaJson("info", "tree")).mailbox >= 2);
  assert.ok((await anqaJson("info", "tree")).handled <= handled + 2);
  assert.match((await anqa("resume", "tree")).out, /^<[\d.]+> goes on/);
  await until("an empty mailbox", async () => (await anqaJson("info", "tree")).mailbox === 0);
});

test("a trace prints as many events as are asked for", async (t) => {
  await t.keep(startServer());
  const { code, out } = await anqa("trace", "tree", "--count", "4");
  assert.equal(code, OK);
  const lines = out.trimEnd().split("\n");
  assert.equal(lines.length, 4);
  for (const line of lines) assert.match(line, /^(receive|send|handled) +\S/);
  const json = (await anqa("trace", "tree", "--count=3", "--json")).out.trimEnd().split("\n");
  for (const line of json) assert.match(JSON.parse(line).event, /^(receive|send|handled)$/);
  assert.equal((await anqa("trace", "nobody")).code, FAILED);
});

test("a trace ends with its process", async (t) => {
  await t.keep(startServer());
  const trace = await t.keep(anqaStart("trace", "tree"));
  await until("the first event", () => trace.said !== "");
  assert.equal((await anqa("rpc", "kill", '{"process": "tree"}')).code, OK);
  assert.equal(await within(30_000, "the trace's end", trace.ended), OK);
  assert.match(trace.said, /^ended +killed/m);
});

/* ---------------------------------------------------------------- what is not to be trusted */

// A colour, a title, a right-to-left mark, a control of C1, an invisible character, half of a character.
const hostile = "\u001b[31mred\u001b]0;title\u0007\u202egnol\u009b2J\u200bx\u{1f600}";
const forbidden = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/;

test("text of a program does not reach the terminal unescaped, as text or as JSON", async (t) => {
  await t.keep(
    pretend("evil", (request) =>
      ok(request, {
        ping: { name: hostile, version: hostile, anqa: hostile, pid: 1 },
        info: { pid: hostile, names: [hostile], [hostile]: 1, label: hostile },
        processes: { processes: [{ pid: hostile, label: hostile, kind: hostile }] },
        tree: { applications: [{ application: hostile, error: hostile, children: [{ id: hostile, state: hostile, last_exit: hostile }] }] },
        metrics: { text: `a 1\n${hostile}` },
        state: { state: { [hostile]: [hostile, { a: hostile }] } },
      }[request.op] ?? hostile),
    ),
  );
  for (const command of [["version"], ["info", "x"], ["processes"], ["tree"], ["state", "x"], ["log"], ["list"], ["metrics"], ["rpc", "x"]]) {
    for (const json of [[], ["--json"]]) {
      const { code, out } = await anqa(...command, ...json);
      assert.equal(code, OK, command);
      assert.doesNotMatch(out, forbidden, `${command} ${json}`);
      if (json.length > 0) assert.ok(JSON.stringify(JSON.parse(out)).length > 0);
    }
  }
  assert.equal((await anqaJson("version")).name.length > 0, true);
});

test("nor does what a program says of an error", async (t) => {
  const refused = await t.keep(pretend("evil", ({ id }) => `${JSON.stringify({ id, error: { code: hostile, message: hostile } })}\n`));
  const { code, err } = await anqa("log", "--socket", refused.file);
  assert.equal(code, FAILED);
  assert.match(err, /^anqa: \\x1b\[31mred/);
  assert.doesNotMatch(err, forbidden);
});

test("the JSON that is printed is what the program has sent", async (t) => {
  const value = { a: [1, -0.5, 1e300, "\u001b\u202e\u{e0041}\u{1f600}\"\\", null, true, {}], b: "" };
  await t.keep(pretend("shop", (request) => ok(request, request.op === "ping" ? { name: "shop", pid: 1 } : value)));
  assert.deepEqual(await anqaJson("rpc", "x"), value);
});

const bad = {
  "hangs up": () => ({ last: "" }),
  "hangs up in the middle of a line": (request) => ({ last: `{"id":${request.id},"ok":{"name":"x"` }),
  "sends no JSON": () => "hello\n",
  "sends no object": () => "[1]\n",
  "sends neither answer nor error": (request) => `{"id":${request.id}}\n`,
  "never ends its line": () => "x".repeat(17 << 20),
};
for (const [what, answer] of Object.entries(bad)) {
  test(`a program that ${what} is as good as none`, async (t) => {
    const pretended = await t.keep(pretend("bad", answer));
    const { code, out, err } = await anqa("log", "--socket", pretended.file);
    assert.equal(code, UNREACHABLE, err);
    assert.equal(out, "");
    assert.match(err, /answer/);
    const unnamed = await anqa("log");
    assert.equal(unnamed.code, UNREACHABLE, "and it is not listed");
    assert.match(unnamed.err, /no application is running \(looked in .*\); 1 there does not answer/);
  });
}

/* ---------------------------------------------------------------- the command itself */

test("mistakes in the arguments are said, with exit status 2", async () => {
  const mistakes = [[], ["trees"], ["tree", "x"], ["info"], ["info", "a", "b"], ["tree", "--deep"], ["stop", "--timeout", "soon"],
    ["processes", "--limit"], ["processes", "--limit=-1"], ["processes", "--limit=10001"], ["observe", "--json"]];
  for (const args of mistakes) {
    const { code, out, err } = await anqa(...args);
    assert.equal(code, USAGE, args);
    assert.equal(out, "");
    assert.notEqual(err, "");
  }
});

test("help names all commands, and each explains itself", async () => {
  const { code, out } = await anqa("help");
  assert.equal(code, OK);
  const names = [...out.matchAll(/^ {2}([a-z]+) .*/gm)].map(([, name]) => name);
  assert.ok(names.includes("observe") && names.includes("stop"));
  for (const name of names) {
    const own = await anqa(name, "--help");
    assert.equal(own.code, OK, name);
    assert.match(own.out, new RegExp(`^usage: anqa ${name}`));
    assert.deepEqual(await anqa("help", name), own);
  }
});

test("output that cannot be written is a failure, and a reader that has gone is none", () => {
  const sh = (line) => execFileSync("bash", ["-c", line, "sh", program], { encoding: "utf8" });
  assert.equal(sh('"$1" help >/dev/full 2>/dev/null; echo $?'), `${FAILED}\n`);
  assert.match(sh('set -o pipefail; "$1" help | head -n 1'), /^usage/);
});

await run();
