// `anqa js`, against rooms of the chat_room example, and programs that are only pretended.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import { run, test, until } from "../clients/harness.mjs";
import { Client, startServer } from "../clients/server.mjs";
import { anqa, anqaJson, ok, pretend, runtimeDir } from "./anqa.mjs";

const OK = 0;
const FAILED = 1;
const USAGE = 2;

/** A room in which a message was said, and its process. */
async function room(t) {
  const server = await t.keep(startServer());
  const client = await t.keep(new Client(server));
  const joined = await client.join("room:lobby", { name: "Ada" });
  const { processes } = await anqaJson("js", "ps");
  assert.equal(processes.length, 1);
  return { server, channel: joined.channel, pid: processes[0].pid };
}

test("rooms are listed with what they have used", async (t) => {
  const { pid } = await room(t);
  const { out } = await anqa("js", "ps");
  assert.match(out, /^PID +SCRIPT +STATUS +MEMORY +TURNS +PREEMPTED +TIME$/m);
  assert.ok(out.includes(`${pid} `));
  assert.match(out, / chat-room +idle +[\d.]+ [KM]B +\d+ +\d+ +[\d.]+/);
  assert.deepEqual((await anqaJson("js", "ps", "--limit", "1")).processes.map((process) => process.script), ["chat-room"]);
});

test("the variables of a room are shown", async (t) => {
  const { pid, channel } = await room(t);
  channel.push("send_message", { sender: "Ada", text: "\u001b[31mhello" });
  const shown = await until("a message", async () => {
    const { out } = await anqa("js", "variables", pid);
    return out.includes("hello") && out;
  });
  assert.match(shown, /^HISTORY_MAX +number +module +200$/m);
  assert.match(shown, /^send_message +function +module +send_message$/m);
  assert.ok(!shown.includes("\u001b"));
  const { report } = await anqaJson("js", "report", pid);
  assert.ok(report.memory.objects > 100);
  assert.match((await anqa("js", "report", pid)).out, /^pending_calls: 0$/m);
});

test("a room in a loop is paused, and its stack told by the source's lines", async (t) => {
  const { pid, channel } = await room(t);
  assert.equal((await anqa("js", "stack", pid)).out, "it is in no turn\n");
  channel.push("crash", { how: "loop" });
  await until("a turn", async () => (await anqaJson("js", "ps")).processes[0].status === "running");
  assert.match((await anqa("js", "pause", pid)).out, /^<[\d.]+> is paused: anqa js resume has it go on$/m);
  assert.equal((await anqaJson("js", "ps")).processes[0].status, "paused");
  assert.match((await anqa("js", "stack", pid)).out, /^crash \(.*chat-room.*:\d+:\d+\)$/m);
  assert.match((await anqa("js", "resume", pid)).out, /^<[\d.]+> goes on$/m);
});

test("a profile is printed folded, or drawn", async (t) => {
  const { channel } = await room(t);
  const file = path.join(runtimeDir, "flame.svg");
  await until("a profile with the loop in it", async () => {
    channel.push("crash", { how: "loop" });
    const { out } = await anqa("js", "profile", "--seconds", "1");
    return /^crash \(.*chat-room.*:\d+\) \d+$/m.test(out);
  });
  assert.match((await anqa("js", "profile", "--script", "nobody", "--seconds=1", "--svg", file)).out,
    /^0 samples in 1 s, of half a millisecond of JavaScript each: .*flame\.svg$/m);
  assert.match(fs.readFileSync(file, "utf8"), /^<\?xml .*<svg .*<\/svg>\n$/s);
});

test("a flame graph shows what each function has of the time, whatever it is called", async (t) => {
  const file = path.join(runtimeDir, "hostile.svg");
  const folded = 'main (a.ts:1);left (a.ts:2) 3\nmain (a.ts:1);<script>&"\' \u0001\uffff 1\nnonsense\n;; 0\nbad x\n';
  await t.keep(pretend("odd", (request) => ok(request, { folded, samples: 4, lost: 2 })));
  const { out, err } = await anqa("js", "profile", "--seconds", "1", "--svg", file);
  assert.match(out, /^4 samples in 1 s/);
  assert.equal(err, "anqa: 2 samples were lost: too many different stacks\n");
  const svg = fs.readFileSync(file, "utf8");
  assert.ok(svg.includes("<title>main (a.ts:1): 4 of 4 samples, 100.0 %</title>"), svg);
  assert.ok(svg.includes("<title>left (a.ts:2): 3 of 4 samples, 75.0 %</title>"), svg);
  assert.ok(svg.includes("<title>&lt;script&gt;&amp;&quot;&apos; ??: 1 of 4 samples, 25.0 %</title>"), svg);
  assert.ok(!svg.includes("<script"));
  const bars = [...svg.matchAll(/<rect x="([\d.]+)" y="(\d+)" width="([\d.]+)"/g)].map(([, ...numbers]) => numbers.map(Number));
  assert.deepEqual(bars, [[10, 74, 1180], [10, 57, 1180], [10, 40, 295], [305, 40, 885]]);
  assert.equal((await anqa("js", "profile", "--seconds", "1", "--svg", "/nowhere/a.svg")).code, FAILED);
});

test("answers that are none are no harm", async (t) => {
  await t.keep(pretend("odd", (request) => ok(request, { variables: [1, { name: "\u001b[2J" }, null], stack: [{}, 7], report: 3, processes: [[], {}] })));
  for (const what of ["variables", "stack", "report"]) {
    const { code, out } = await anqa("js", what, "room");
    assert.equal(code, OK, what);
    assert.ok(!out.includes("\u001b"), what);
  }
  assert.equal((await anqa("js", "ps")).code, OK);
  assert.equal((await anqa("js", "profile", "--seconds", "1")).code, FAILED);
});

test("coverage is shown as a table, or written for lcov", async (t) => {
  const range = (line) => ({ start: { line, column: 0 }, end: { line, column: null } });
  const file = { path: "rooms/room.ts", statementMap: { 0: range(4), 1: range(2), 2: range(4) }, fnMap: { 0: { name: "post\n\u001b", loc: range(2) }, 1: { name: "never", loc: range(9) } },
    s: { 0: 1, 1: 0, 2: 7 }, f: { 0: 3, 1: 0 } };
  await t.keep(pretend("odd", (request) => ok(request, { scripts: [{ script: "room", coverage: { "rooms/room.ts": file, "odd.ts": 3, "empty.ts": {} } }, 1] })));
  const { out } = await anqa("js", "coverage");
  assert.match(out, /^FILE +STATEMENTS +FUNCTIONS$/m);
  assert.match(out, /^rooms\/room\.ts +2 of 3, +66 % +1 of 2, +50 %$/m);
  const lcov = path.join(runtimeDir, "lcov.info");
  assert.deepEqual(await anqa("js", "coverage", "--lcov", lcov), { code: OK, out: "", err: "" });
  assert.ok(fs.readFileSync(lcov, "utf8").startsWith("TN:\nSF:rooms/room.ts\nFN:2,post??\nFNDA:3,post??\nFN:9,never\nFNDA:0,never\nFNF:2\nFNH:1\n" +
    "DA:2,0\nDA:4,7\nLF:2\nLH:1\nend_of_record\n"), fs.readFileSync(lcov, "utf8"));
  assert.match((await anqa("js", "coverage", "--lcov", "/nowhere/x")).err, /^anqa: cannot write \/nowhere\/x: /);
});

test("without scripts that count there is no coverage", async (t) => {
  await room(t);
  assert.match((await anqa("js", "coverage")).out, /^no script counts what of it runs/);
  assert.deepEqual(await anqaJson("js", "coverage"), { scripts: [] });
});

test("bytecode is made of a module, and what is wrong with one is told with its place", async () => {
  const [file, out] = [path.join(runtimeDir, "m.js"), path.join(runtimeDir, "m.bytecode")];
  fs.writeFileSync(file, "export const one = 1;\n");
  assert.deepEqual(await anqa("js", "compile", file, "--out", out), { code: OK, out: "", err: "" });
  assert.equal(fs.readFileSync(out).subarray(0, 8).toString("latin1"), "anqa-js\u0001");
  assert.ok(fs.readFileSync(out).includes("m.js"));
  fs.writeFileSync(file, "export const one = ;\n");
  const wrong = await anqa("js", "compile", file, "--out", out, "--name", "named.js");
  assert.equal(wrong.code, FAILED);
  assert.match(wrong.err, /^anqa: script 'named\.js' does not compile: SyntaxError: .*named\.js:1:/);
  assert.match((await anqa("js", "compile", "/nowhere/m.js", "--out", out)).err, /^anqa: cannot read \/nowhere\/m\.js: /);
  fs.writeFileSync(file, "x".repeat((16 << 20) + 1));
  assert.match((await anqa("js", "compile", file, "--out", out)).err, /m\.js is longer than 16777216 bytes/);
  fs.writeFileSync(file, "1");
  assert.match((await anqa("js", "compile", file, "--out", "/nowhere/x")).err, /^anqa: cannot write \/nowhere\/x: /);
});

test("mistakes are told", async () => {
  for (const args of [[], ["dance"], ["stack"], ["stack", "a", "b"], ["ps", "x"], ["ps", "--limit", "10001"], ["profile", "--seconds", "0"],
    ["profile", "--seconds", "601"], ["profile", "a", "b"], ["compile"], ["compile", "a.js"]]) {
    const { code, out, err } = await anqa("js", ...args);
    assert.equal(code, USAGE, args);
    assert.equal(out, "");
    assert.notEqual(err, "");
  }
  assert.match((await anqa("help", "js")).out, /^pause PID\|NAME /m);
});

await run();
