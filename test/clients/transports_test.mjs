// npm's Phoenix client in Node over each transport against rooms that do what they are told: the life of channels, lost
// connections, and random sequences against a model. SEED=... in the environment repeats the latter.

import assert from "node:assert/strict";
import path from "node:path";

import { LongPoll, Socket } from "phoenix";
import WebSocket from "ws";

import { root, run, sleep, test, until, within } from "./harness.mjs";
import { lives, tools } from "./lives.mjs";
import { ANSWER_MS, Refused, SHUTDOWN_MS, Server, leave, push } from "./server.mjs";

const program = process.env.ROOMS ?? path.join(root, "build/dev/test/clients_rooms");
const start = () => new Server(program).start(0);

const TRANSPORTS = { WebSocket, LongPoll };

/** A client by one transport. `opens` counts its connections. */
class Client {
  constructor(server, transport, options = {}) {
    this.opens = 0;
    this.socket = new Socket(`ws://127.0.0.1:${server.port}${options.at ?? "/socket"}`, {
      transport,
      timeout: ANSWER_MS,
      reconnectAfterMs: () => 50,
      rejoinAfterMs: () => 50,
      ...options,
    });
    this.socket.onOpen(() => this.opens++);
    this.socket.connect();
  }

  /** `joins` and `got` go on to be filled; `errors` and `closes` count what the channel is told. */
  join(topic, params = {}, events = ["said"]) {
    const channel = this.socket.channel(topic, params);
    const room = { channel, got: [], joins: 0, errors: 0, closes: 0, refused: 0 };
    for (const event of events) channel.on(event, (payload) => room.got.push(payload));
    channel.onError(() => room.errors++);
    channel.onClose(() => room.closes++);
    room.reply = new Promise((resolve, reject) => {
      channel
        .join()
        .receive("ok", (reply) => {
          room.joins++;
          resolve(reply);
        })
        .receive("error", (error) => {
          room.refused++;
          reject(new Refused(error));
        });
    });
    room.reply.catch(() => {});
    return room;
  }

  async joined(topic, params, events) {
    const room = this.join(topic, params, events);
    await within(30_000, `joining ${topic}`, room.reply);
    return room;
  }

  close() {
    return new Promise((resolve) => this.socket.disconnect(resolve));
  }
}

const refusal = (promise) => promise.then(() => assert.fail("it was taken"), (error) => error.answer);

/** One test for each transport. */
function each(name, body, limitMs) {
  for (const [word, transport] of Object.entries(TRANSPORTS))
    test(`${word}: ${name}`, async (t) => {
      const server = await t.keep(start());
      const client = (options) => t.keep(new Client(server, transport, options));
      await body({ t, server, client, transport, word });
    }, limitMs);
}

// ---------------------------------------------------------------- the life of a channel

for (const [name, life] of Object.entries(lives))
  each(name, async ({ t, server, transport }) => {
    const given = tools({ Socket, transport, base: `ws://127.0.0.1:${server.port}` });
    await t.keep(given);
    await life(given);
  });

each("a join is answered, and what is pushed is", async ({ client }) => {
  const room = await (await client()).joined("room:a");
  assert.equal((await room.reply).topic, "room:a");
  assert.deepEqual(await push(room.channel, "echo", { a: [1, "\u{1F525}", null] }), { got: { a: [1, "\u{1F525}", null] } });
  assert.deepEqual(await refusal(push(room.channel, "fail", {})), { reason: "because" });
  assert.deepEqual(await push(room.channel, "later", {}), { late: true });
});

each("a broadcast reaches all in the room, in order, and those of others do not", async ({ client }) => {
  const [one, two] = [await client(), await client()];
  const a = await one.joined("room:a"), b = await two.joined("room:a"), other = await two.joined("room:b");
  for (let i = 0; i < 50; i++) a.channel.push("shout", { i });
  await push(a.channel, "shout_others", { i: 50 });
  await until("all of them", () => b.got.length === 51 && a.got.length === 50);
  assert.deepEqual(b.got.map(({ i }) => i), Array.from({ length: 51 }, (_, i) => i));
  assert.deepEqual(other.got, []);
});

each("an event that a channel intercepts is what the channel makes of it", async ({ client }) => {
  const room = await (await client()).joined("room:a", {}, ["seen", "hidden"]);
  room.channel.push("whisper", { a: 1 });
  await until("what was made of it", () => room.got.length === 1);
  assert.deepEqual(room.got, [{ a: 1 }]);
});

each("who leaves is closed and hears nothing more", async ({ client }) => {
  const [one, two] = [await client(), await client()];
  const a = await one.joined("room:a"), b = await two.joined("room:a");
  await leave(a.channel);
  assert.equal(a.closes, 1);
  await push(b.channel, "shout", { a: 1 });
  await until("the other hearing it", () => b.got.length === 1);
  await one.joined("room:a"); // what came before this answer has been heard by now
  assert.deepEqual([a.got, a.joins], [[], 1]);
});

each("while a join sleeps what follows waits, and nothing is lost", async ({ client }) => {
  const one = await client();
  const slow = one.join("room:slow", { sleep_ms: 300 });
  const fast = one.join("room:fast");
  slow.channel.push("echo", 1);
  await Promise.all([slow.reply, fast.reply]);
  assert.deepEqual(await push(slow.channel, "echo", 2), { got: 2 });
});

// ---------------------------------------------------------------- lost connections

each("a client whose server is killed joins again when it is back, and what it pushed meanwhile arrives", async ({ server, client }) => {
  const one = await client();
  const rooms = await Promise.all(["room:a", "room:b", "room:c"].map((topic) => one.joined(topic)));
  await server.kill();
  await until("hearing of it", () => !one.socket.isConnected());
  const late = push(rooms[0].channel, "echo", "late");
  await server.restart();
  await until("joining again", () => rooms.every(({ joins }) => joins === 2));
  assert.deepEqual(await late, { got: "late" });
  await push(rooms[1].channel, "shout", { a: 1 });
  await until("hearing it", () => rooms[1].got.length === 1);
});

each("a server that stops sends its clients away at once, and they join its successor", async ({ server, client }) => {
  const one = await client();
  const room = await one.joined("room:a");
  server.child.kill("SIGTERM");
  await within(SHUTDOWN_MS / 2, "its end", server.ended);
  await server.restart();
  await until("joining again", () => room.joins === 2);
});

each("who is refused by connect stays away", async ({ client }) => {
  const one = await client({ params: { name: "nobody" } });
  const room = one.join("room:a");
  await sleep(300);
  assert.deepEqual([one.opens, room.joins], [0, 0]);
});

// ---------------------------------------------------------------- bytes, tokens

each("binary pushes arrive as they were", async ({ client, word }) => {
  const room = await (await client()).joined("room:a", {}, ["bytes"]);
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i & 255);
  const sum = bytes.reduce((a, b) => a + b, 0);
  assert.deepEqual(await push(room.channel, "sum", bytes.buffer), { count: 1000, sum });
  assert.deepEqual(await push(room.channel, "sum", new ArrayBuffer(0)), { count: 0, sum: 0 });
  if (word === "LongPoll") {
    assert.deepEqual(await refusal(push(room.channel, "echo", bytes.buffer)), { reason: "no binary frames" });
    return;
  }
  assert.deepEqual(new Uint8Array(await push(room.channel, "echo", bytes.buffer)), bytes);
  room.channel.push("push_bytes", {});
  await until("bytes from the server", () => room.got.length === 1);
  assert.deepEqual([...new Uint8Array(room.got[0])], [0, 1, 2, 255]);
});

each("parameters and the token arrive", async ({ client }) => {
  const one = await client({ params: { name: "users:ann", nested: { a: 1 } }, authToken: "token>>" });
  assert.deepEqual(await (await one.joined("me")).reply, { name: "users:ann", token: "token>>" });
});

// ---------------------------------------------------------------- one transport only

test("a client that cannot open a WebSocket falls back to long-poll by itself", async (t) => {
  const server = await t.keep(start());
  const client = await t.keep(new Client(server, WebSocket, { at: "/polled", longPollFallbackMs: 2000 }));
  const room = await client.joined("room:a");
  assert.equal(client.socket.transport, LongPoll);
  assert.deepEqual(await push(room.channel, "echo", 1), { got: 1 });
});

test("a client whose WebSocket opens and answers nothing falls back to long-poll", async (t) => {
  const server = await t.keep(start());
  const client = await t.keep(new Client(server, WebSocket, { at: "/mute", longPollFallbackMs: 4000 }));
  const room = await client.joined("room:a");
  assert.equal(client.socket.transport, LongPoll);
  assert.equal(client.opens, 2);
  assert.deepEqual(await push(room.channel, "echo", 1), { got: 1 });
});

test("a client that can is not sent to long-poll", async (t) => {
  const server = await t.keep(start());
  const client = await t.keep(new Client(server, WebSocket, { longPollFallbackMs: 60_000 }));
  await client.joined("room:a");
  assert.equal(client.socket.transport, WebSocket);
});

test("heartbeats keep a WebSocket open", async (t) => {
  const server = await t.keep(start());
  const client = await t.keep(new Client(server, WebSocket, { heartbeatIntervalMs: 2000 }));
  await client.joined("room:a");
  const beats = [];
  client.socket.onMessage(({ topic, event }) => topic === "phoenix" && event === "phx_reply" && beats.push(event));
  await until("two beats", () => beats.length >= 2);
  assert.equal(client.opens, 1);
});

test("a heartbeat without an answer ends a WebSocket, and the client comes back", async (t) => {
  const server = await t.keep(start());
  const client = await t.keep(new Client(server, WebSocket, { heartbeatIntervalMs: 500 }));
  const calm = await client.joined("room:a");
  let joins = 0;
  const room = client.join("room:b", () => ({ sleep_ms: joins++ === 0 ? 3000 : 0 })); // nothing else is answered meanwhile
  await until("joining again", () => room.joins >= 1 && calm.joins >= 2);
  assert.ok(client.opens >= 2);
});

/** Has the client's POSTs changed by `change`, which gets the URL, until one was. */
function changePosts(t, change) {
  const real = globalThis.fetch;
  globalThis.fetch = (url, options) => real(options.method === "POST" ? change(url) : url, options);
  return t.keep({ close: () => (globalThis.fetch = real) });
}

test("a POST to a session that is gone (410) has the client that polls come back", async (t) => {
  const server = await t.keep(start());
  const client = await t.keep(new Client(server, LongPoll));
  const room = await client.joined("room:a");
  let changed = 0;
  await changePosts(t, (url) => (changed++ === 0 ? url.replace(/token=[^&]*/, "token=none") : url));
  room.channel.push("echo", 1);
  await until("joining again", () => room.joins === 2);
  assert.equal(client.opens, 2);
  assert.deepEqual(await push(room.channel, "echo", 2), { got: 2 });
});

test("a POST that is not taken within the window (408) has the client that polls come back", async (t) => {
  const server = await t.keep(start());
  const client = await t.keep(new Client(server, LongPoll, { at: "/polled" }));
  const calm = await client.joined("room:a");
  let joins = 0;
  const slow = client.join("room:slow", () => ({ sleep_ms: joins++ === 0 ? 6000 : 0 }));
  await until("the join on its way", () => joins === 1);
  calm.channel.push("echo", 1); // behind the join, for longer than a window
  await until("joining again", () => calm.joins >= 2 && slow.joins >= 1);
  assert.ok(client.opens >= 2);
  await until("an answer", () => push(calm.channel, "echo", 2).then(() => true, () => false));
});

test("a client that polls is there for many windows, and hears what comes in between", async (t) => {
  const server = await t.keep(start());
  const one = await t.keep(new Client(server, LongPoll, { at: "/polled" }));
  const two = await t.keep(new Client(server, LongPoll, { at: "/polled" }));
  const a = await one.joined("room:a"), b = await two.joined("room:a");
  for (let i = 0; i < 3; i++) {
    await sleep(2200); // longer than a window
    await push(b.channel, "shout", { i });
  }
  await until("all of them", () => a.got.length === 3);
  assert.equal(one.opens, 1);
});

// ---------------------------------------------------------------- random sequences

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const SEQUENCES = 1000;
const LANES = 30; // at a time, each with clients and rooms of its own

/** Small and known: the same seed gives the same sequence everywhere. */
function randomOf(start) {
  let x = start >>> 0;
  return (n) => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return Math.floor((x / 2 ** 32) * n);
  };
}

/** Clients join, leave, shout and lose their connections in two rooms; a model says what each of them must have heard. */
async function sequence(number, clients) {
  const random = randomOf(seed + number);
  const rooms = [0, 1].map((i) => ({ topic: `room:${number}-${i}`, inside: new Map() }));
  const steps = [];
  try {
    for (let step = 0; step < 4 + random(8); step++) {
      const who = random(clients.length), room = rooms[random(2)], what = ["join", "leave", "shout", "shout", "bytes", "drop"][random(6)];
      const inside = room.inside.get(who);
      steps.push(`${what} ${who} ${room.topic}`);
      if (what === "drop") {
        const mine = rooms.map(({ inside: all }) => all.get(who)).filter(Boolean);
        const joins = mine.map(({ room: joined }) => joined.joins);
        await clients[who].close();
        clients[who].socket.connect();
        await until("joining again", () => mine.every(({ room: joined }, i) => joined.joins > joins[i]));
      } else if (what === "join" && !inside) {
        room.inside.set(who, { room: await clients[who].joined(room.topic), wanted: [] });
      } else if (what === "leave" && inside) {
        await leave(inside.room.channel);
        room.inside.delete(who);
      } else if (what === "bytes" && inside) {
        const bytes = Uint8Array.from({ length: random(20) }, () => random(256));
        assert.equal((await push(inside.room.channel, "sum", bytes.buffer)).sum, bytes.reduce((a, b) => a + b, 0));
      } else if (what === "shout" && inside) {
        await push(inside.room.channel, "shout", { step });
        for (const { wanted } of room.inside.values()) wanted.push(step);
        // Who loses its connection before it has heard this will not: so all hear it first.
        await until("all hearing it", () => [...room.inside.values()].every(({ room: { got }, wanted }) => got.length >= wanted.length));
      }
    }
    for (const { inside } of rooms)
      for (const { room, wanted } of inside.values()) {
        assert.deepEqual(room.got.map(({ step }) => step), wanted);
        await leave(room.channel);
      }
  } catch (error) {
    error.message = `SEED=${seed}, sequence ${number}: ${steps.join(", ")}: ${error.message}`;
    throw error;
  }
}

each(`${SEQUENCES} random sequences go as a model says (SEED=${seed})`, async ({ client }) => {
  let next = 0;
  const lane = async () => {
    const clients = [await client(), await client(), await client()];
    while (next < SEQUENCES) {
      const number = next++;
      await within(120_000, `sequence ${number}`, sequence(number, clients));
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}, 400_000);

await run();
