// npm's Presence over each transport against a program of ours: states, diffs, updates, reconnects, and a crowd that comes and goes against a model.

import assert from "node:assert/strict";

import { LongPoll, Presence } from "phoenix";

import { run, test, until } from "./harness.mjs";
import { Client, keysOf, leave, push, startServer } from "./server.mjs";

const program = process.env.PRESENCE_SERVER;
const start = (t) => t.keep(startServer(program));

const TRANSPORTS = {
  WebSocket: () => ({}),
  LongPoll: (server) => ({ url: `${server.url}/socket`, transport: LongPoll }),
};

/** One test for each transport: `t.client(server)` is a client by it. */
function each(name, body) {
  for (const [word, options] of Object.entries(TRANSPORTS))
    test(`${word}: ${name}`, (t) => {
      t.word = word;
      t.client = (server) => t.keep(new Client(server, options(server)));
      return body(t);
    });
}

/** Without a word to the server; the client comes back by itself. */
function breakOff({ socket: { conn } }) {
  if (conn.terminate) conn.terminate();
  else conn.close();
}

/** Who comes into a room is told so twice, in the state and by a diff, of which either may be first: after this both have been. */
async function enter(t, server, name) {
  const client = await t.client(server);
  const person = Object.assign(await client.join("room:a", { name }), { client, name });
  const isTold = () => keysOf(person.presence).includes(name) && person.diffs.some(({ joins }) => joins[name]);
  await until(`${name} being told of ${name}`, isTold);
  return person;
}

const sees = (who, keys) => until(`${who.name} seeing ${keys}`, () => keysOf(who.presence).join() === keys);

each("a newcomer sees all, the others see the newcomer, and a leave is seen", async (t) => {
  const server = await start(t);
  const ann = await enter(t, server, "ann");
  await sees(ann, "ann");
  const ben = await enter(t, server, "ben");
  await sees(ben, "ann,ben");
  await sees(ann, "ann,ben");
  await leave(ben.channel);
  await sees(ann, "ann");
});

each("callbacks tell of first joins, of more of the same key, and of the last leave", async (t) => {
  const server = await start(t);
  const ann = await enter(t, server, "ann");
  await sees(ann, "ann");
  const told = [];
  ann.presence.onJoin((key, before, now) => told.push(`+${key} ${before?.metas.length ?? 0} ${now.metas.length}`));
  ann.presence.onLeave((key, left, gone) => told.push(`-${key} ${left.metas.length} ${gone.metas.length}`));
  const one = await enter(t, server, "ben");
  await until("ben", () => told.length === 1);
  const two = await enter(t, server, "ben");
  await until("ben again", () => told.length === 2);
  assert.equal(ann.presence.state.ben.metas.length, 2);
  await one.client.close();
  await until("one window closed", () => told.length === 3);
  await two.client.close();
  await until("the other window closed", () => told.length === 4);
  assert.deepEqual(told, ["+ben 0 1", "+ben 1 1", "-ben 1 1", "-ben 0 1"]);
  await sees(ann, "ann");
});

each("an update is seen with a new reference, and nobody seems to go meanwhile", async (t) => {
  const server = await start(t);
  const [ann, ben] = [await enter(t, server, "ann"), await enter(t, server, "ben")];
  await sees(ann, "ann,ben");
  await sees(ben, "ann,ben");
  ann.diffs.length = 0;
  const [before] = ann.presence.state.ben.metas;
  await push(ben.channel, "update", { status: "away", list: [1, { a: "\u2028\"" }] });
  await until("away", () => ann.presence.state.ben.metas[0].status === "away");
  const [now] = ann.presence.state.ben.metas;
  assert.equal(ann.presence.state.ben.metas.length, 1);
  assert.equal(now.phx_ref_prev, before.phx_ref);
  assert.notEqual(now.phx_ref, before.phx_ref);
  assert.match(now.phx_ref, /^[A-Za-z0-9_-]{16}$/);
  assert.deepEqual(now.list, [1, { a: "\u2028\"" }]);
  assert.deepEqual(ann.diffs, [{ joins: { ben: { metas: [now] } }, leaves: { ben: { metas: [before] } } }]);
});

each("more keys of one client, odd ones too, come and go", async (t) => {
  const server = await start(t);
  const [ann, ben] = [await enter(t, server, "ann"), await enter(t, server, "ben")];
  for (const key of ["__proto__", "a\"b\\", "\u0000", "x".repeat(255), ""]) {
    await push(ben.channel, "track", { key });
    await until(`key ${key}`, () => keysOf(ann.presence).includes(key));
    await assert.rejects(push(ben.channel, "track", { key }), /E_EXISTS/);
    await push(ben.channel, "untrack", { key });
    await until(`no key ${key}`, () => !keysOf(ann.presence).includes(key));
  }
  await sees(ann, "ann,ben");
});

each("a channel that crashed, and a connection that broke, join again and see all", async (t) => {
  const server = await start(t);
  const [ann, ben] = [await enter(t, server, "ann"), await enter(t, server, "ben")];
  await sees(ann, "ann,ben");
  const ref = ann.presence.state.ben.metas[0].phx_ref;
  ben.channel.push("crash", {});
  await until("ben again", () => ann.presence.state.ben && ann.presence.state.ben.metas[0].phx_ref !== ref);
  await sees(ben, "ann,ben");
  const again = ann.presence.state.ben.metas[0].phx_ref;
  breakOff(ben.client);
  await until("ben once more", () => ann.presence.state.ben?.metas.length === 1 && ann.presence.state.ben.metas[0].phx_ref !== again);
  await sees(ann, "ann,ben");
  await sees(ben, "ann,ben");
});

each("after a restart of the server all see exactly those who are back", async (t) => {
  const server = await start(t);
  const people = await Promise.all(["ann", "ben", "cid"].map((name) => enter(t, server, name)));
  for (const person of people) await sees(person, "ann,ben,cid");
  await server.kill();
  await people[2].client.close();
  await server.restart();
  for (const person of people.slice(0, 2)) await sees(person, "ann,ben");
});

function randomOf(seed) {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

/** "key status" of each meta, sorted. */
const shown = (presence) =>
  presence.list((key, { metas }) => metas.map((meta) => `${key} ${meta.status ?? ""}`)).flat().sort().join();

each("fifty clients that come, go, update and break are seen by all as a model has them", async (t) => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e9);
  console.log(`# seed ${seed}`);
  const random = randomOf(seed);
  const server = await start(t);
  const people = [];
  for (let i = 0; i < 50; i++) people.push({ client: await t.client(server), name: `p${i % 20}`, inside: null });
  for (let step = 0; step < 600; step++) {
    const person = people[random(people.length)];
    const what = random(6);
    if (person.inside === null) {
      person.inside = await person.client.join("room:crowd", { name: person.name });
      person.status = "here";
    } else if (what === 0) {
      await leave(person.inside.channel);
      person.inside = null;
    } else if (what === 1) {
      breakOff(person.client);
      person.status = "here";
      await until("being back", () => person.client.socket.isConnected() && person.inside.channel.state === "joined");
    } else if (what < 4) {
      person.status = `s${step}`;
      await until("having been tracked", () => push(person.inside.channel, "update", { status: person.status }).then(() => true, () => false));
    }
  }
  const inside = people.filter((person) => person.inside !== null);
  const model = inside.map((person) => `${person.name} ${person.status}`).sort().join();
  for (const person of inside) await until(`${person.name} seeing the model`, () => shown(person.inside.presence) === model);
  assert.ok(inside.length > 20);
});

each("a Presence that is made after the join sees all at the next one", async (t) => {
  const server = await start(t);
  const ann = await enter(t, server, "ann");
  await sees(ann, "ann");
  const late = new Presence(ann.channel);
  await enter(t, server, "ben");
  assert.equal(late.list().length, 0); // it waits for a state
  breakOff(ann.client);
  await until("a state", () => keysOf(late).join() === "ann,ben");
});

/** A hall of 400 presences and more than 1 MiB, which is more than may wait for a client. */
async function fill(t, server) {
  const people = await (await t.client(server)).join("hall:a", {});
  const text = ".".repeat(3000);
  for (let i = 0; i < 400; i += 40) // not all at once: of the diffs, too, no more may wait for a client than a megabyte
    await Promise.all(Array.from({ length: 40 }, (_, k) => push(people.channel, "track", { key: `k${i + k}`, meta: { text } })));
  return people;
}

const refs = (presence) => presence.list((key, { metas }) => `${key} ${metas.map((meta) => meta.phx_ref)}`).sort();

/** What the server has, as the next state says. */
function listed({ channel }) {
  return new Promise((resolve, reject) => {
    const ref = channel.on("presence_state", (state) => {
      channel.off("presence_state", ref);
      resolve(Object.entries(state).map(([key, { metas }]) => `${key} ${metas.map((meta) => meta.phx_ref)}`).sort());
    });
    push(channel, "push_state", {}).catch(reject);
  });
}

each("who leaves while a large state is on its way is gone, and joins again change nothing", async (t) => {
  const server = await start(t);
  const people = await fill(t, server);
  const client = await t.client(server);
  const told = [];
  const change = async (i) => {
    await push(people.channel, "untrack", { key: `k${i}` });
    await push(people.channel, "update", { key: `k${i + 1}`, meta: { i } });
    await push(people.channel, "track", { key: `new${i}` });
  };
  const ben = await client.join("hall:a", {});
  ben.presence.onJoin((key) => told.push(`+${key}`));
  ben.presence.onLeave((key) => told.push(`-${key}`));
  await change(398);
  await until("the state", () => ben.presence.list().length === 400);
  assert.deepEqual(refs(ben.presence), await listed(people));
  for (const i of [0, 200]) {
    const { joins } = ben;
    told.length = 0;
    ben.channel.socket.conn.close(); // it comes back by itself
    await until("being back", () => ben.joins > joins);
    await change(i);
    await until("having heard of all", () => ben.presence.state[`new${i}`] && !ben.presence.state[`k${i}`]);
    assert.deepEqual(refs(ben.presence), await listed(people));
    assert.ok(told.length < 20, `${told.length}: ${told.slice(0, 20)}`);
  }
});

await run();
