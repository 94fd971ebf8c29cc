// The rule_engine example, as its users meet it: rules come, fail and go while others decide.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import { root, run, test } from "./harness.mjs";
import { Server } from "./server.mjs";

const program = process.env.RULE_ENGINE ?? path.join(root, "build/dev/examples/example_rule_engine");
const order = { total: 120, customer: "new", items: [{ item: "tea", count: 2 }] };

async function withEngine(work) {
  const server = await new Server(program).start(0);
  const ask = async (method, at, body) => {
    const answer = await fetch(server.url + at, { method, body });
    return { status: answer.status, body: await answer.json() };
  };
  try {
    await work({
      load: (name, text) => ask("PUT", `/rules/${name}`, text),
      unload: (name) => ask("DELETE", `/rules/${name}`),
      list: async () => (await ask("GET", "/rules")).body,
      decide: async () => (await ask("POST", "/decisions", JSON.stringify(order))).body,
      ask,
    });
    assert.ok(server.isAlive());
  } finally {
    await server.kill();
  }
}

const example = (name) => fs.readFileSync(path.join(root, `examples/rule_engine/rules/${name}.js`), "utf8");

test("every rule decides, and asks the shop over the one door that it has", () =>
  withEngine(async ({ load, decide, ask }) => {
    assert.deepEqual(await load("discount", example("discount")), { status: 201, body: { rules: 1 } });
    assert.equal((await load("stock", example("stock"))).status, 201);
    assert.deepEqual(await decide(), [
      { rule: "discount", decision: { discount: 18 } },
      { rule: "stock", decision: "deliver" },
    ]);
    assert.equal((await ask("POST", "/decisions", "{")).status, 400);
  }));

test("a rule that never ends, throws or takes all memory does not keep others from deciding", () =>
  withEngine(async ({ load, decide, list }) => {
    await load("endless", example("endless"));
    await load("thrower", "export function decide() { throw new RangeError('no'); }");
    await load("glutton", "const all = []; export function decide() { for (;;) all.push(new Array(100000).fill(0)); }");
    await load("leaver", "export function decide() { Beam.exit('bye'); }");
    await load("discount", example("discount"));
    for (let i = 0; i < 2; i++) {
      const outcomes = Object.fromEntries((await decide()).map((outcome) => [outcome.rule, outcome]));
      assert.deepEqual(outcomes.discount.decision, { discount: 18 });
      assert.match(outcomes.endless.error, /no decision within/);
      assert.match(outcomes.thrower.error, /RangeError: no/);
      assert.match(outcomes.glutton.error, /memory|no decision/);
      assert.match(outcomes.leaver.error, i === 0 ? /the rule has ended/ : /the rule is broken/);
    }
    assert.match((await list()).find((rule) => rule.name === "leaver").state, /bye/);
  }));

test("a rule that does not load is refused with the reason, and the version before it stays", () =>
  withEngine(async ({ load, decide, list }) => {
    await load("discount", example("discount"));
    const refused = await load("discount", "export function decide( {");
    assert.equal(refused.status, 422);
    assert.match(refused.body.message, /SyntaxError/);
    assert.match((await load("none", "let x = 1;")).body.message, /a rule exports a function decide/);
    assert.equal((await list()).length, 1);
    assert.equal((await decide()).length, 1);
  }));

test("a rule is replaced and taken out while it runs", () =>
  withEngine(async ({ load, unload, decide, list }) => {
    await load("one", "export const decide = () => 1;");
    await load("one", "export const decide = () => 2;");
    assert.deepEqual(await decide(), [{ rule: "one", decision: 2 }]);
    assert.deepEqual(await unload("one"), { status: 200, body: true });
    assert.deepEqual(await unload("one"), { status: 200, body: false });
    assert.deepEqual(await list(), []);
  }));

// Answers as engine.ts asks for them, with numbers of questions that others were asked.
const forger = `const real = Beam;
globalThis.Beam = { ...real, send(engine, { id }) {
  for (let other = id - 5; other < id + 5; other++) real.send(engine, { id: other, decision: 'forged' });
  for (const nothing of [null, undefined, 7, [], { id: {} }]) real.send(engine, nothing);
} };
export function decide() {}`;

test("a rule answers for itself only, however it numbers its answers", () =>
  withEngine(async ({ load, decide }) => {
    await load("before", "export const decide = () => Beam.sleep(200).then(() => 'mine');");
    await load("forger", forger);
    await load("after", "export const decide = () => Beam.sleep(200).then(() => 'mine');");
    assert.deepEqual(await decide(), [
      { rule: "before", decision: "mine" },
      { rule: "forger", decision: "forged" },
      { rule: "after", decision: "mine" },
    ]);
  }));

test("a rule that listens to nobody is replaced and taken out as any other", () =>
  withEngine(async ({ load, unload, decide, list }) => {
    const deaf = (i) => `export function decide() { Beam.onMessage(() => {}); return ${i}; }`;
    for (let i = 0; i < 120; i++) {
      const loaded = await load("deaf", deaf(i));
      assert.deepEqual(loaded, { status: 201, body: { rules: 1 } });
      assert.deepEqual(await decide(), [{ rule: "deaf", decision: i }]);
    }
    assert.equal((await unload("deaf")).body, true);
    assert.deepEqual(await list(), []);
  }));

test("rules reach nothing else: no other handler, no process of the host, no children beyond the limit", () =>
  withEngine(async ({ load, decide }) => {
    await load("spy", `export async function decide() {
      const got = [typeof fetch, typeof process, typeof require];
      try { await Beam.call('system', 'id'); } catch (error) { got.push(error.name); }
      try { for (let i = 0; i < 200; i++) Beam.unlink(Beam.spawn('export const a = 1;')); } catch (error) { got.push(error.message); }
      return got;
    }`);
    const [{ decision }] = await decide();
    assert.match(decision.pop(), /children/);
    assert.deepEqual(decision, ["undefined", "undefined", "undefined", "ReferenceError"]);
  }));

await run();
