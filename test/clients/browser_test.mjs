// npm's Phoenix client in headless Chromium over each transport, on a page of its server and on one of another site.

import assert from "node:assert/strict";
import path from "node:path";

import { startChromium } from "./chromium.mjs";
import { root, run, test, until } from "./harness.mjs";
import { lives, tools } from "./lives.mjs";
import { Server } from "./server.mjs";

const program = process.env.ROOMS ?? path.join(root, "build/dev/test/clients_rooms");
process.env.PHOENIX_JS = path.join(root, "node_modules/phoenix/priv/static/phoenix.min.js");
const start = () => new Server(program).start(0);

const browser = await startChromium();

/** A page of that server, with `connect(url, options)` and `join(socket, topic)` in it. */
async function open(t, server) {
  const context = await browser.newContext();
  await t.keep(context);
  const page = await context.newPage();
  await page.goto(server.url);
  await page.evaluate(() => {
    window.connect = (url, { transport, ...options } = {}) => {
      const given = transport ? { transport: transport === "LongPoll" ? Phoenix.LongPoll : window[transport] } : {};
      const socket = new Phoenix.Socket(url, { ...given, timeout: 20_000, reconnectAfterMs: () => 50, rejoinAfterMs: () => 50, ...options });
      socket.connect();
      return socket;
    };
    window.joinRoom = (socket, topic, params = {}) =>
      new Promise((resolve, reject) => {
        const channel = socket.channel(topic, params);
        const room = { channel, got: [], joins: 0 };
        channel.on("said", (payload) => room.got.push(payload));
        channel
          .join()
          .receive("ok", (reply) => {
            room.joins++;
            room.reply = reply;
            resolve(room);
          })
          .receive("error", (error) => reject(new Error(JSON.stringify(error))));
      });
    window.push = (channel, event, payload) =>
      new Promise((resolve, reject) => {
        channel.push(event, payload).receive("ok", resolve).receive("error", (error) => resolve({ error })).receive("timeout", reject);
      });
  });
  return page;
}

for (const transport of ["WebSocket", "LongPoll"]) {
  for (const [name, life] of Object.entries(lives))
    test(`${transport}: ${name}`, async (t) => {
      const server = await t.keep(start());
      const page = await open(t, server);
      await page.evaluate(`(async () => {
        const transport = ${transport === "LongPoll" ? "Phoenix.LongPoll" : "WebSocket"};
        const given = (${tools})({ Socket: Phoenix.Socket, transport, base: "" });
        await (${life})(given);
        await given.close();
      })()`);
    });

  test(`${transport}: a browser joins, pushes text and bytes, hears broadcasts, and leaves`, async (t) => {
    const server = await t.keep(start());
    const page = await open(t, server);
    const seen = await page.evaluate(async (transport) => {
      const socket = connect("/socket", { transport, params: { name: "users:ann" }, authToken: "secret" });
      const me = await joinRoom(socket, "me");
      const room = await joinRoom(socket, "room:a");
      const echo = await push(room.channel, "echo", { a: "\u{1F525}" });
      const sum = await push(room.channel, "sum", Uint8Array.of(1, 2, 253).buffer);
      for (let i = 0; i < 20; i++) room.channel.push("shout", { i });
      await push(room.channel, "shout", { i: 20 });
      while (room.got.length < 21) await new Promise((resolve) => setTimeout(resolve, 5));
      const left = await new Promise((resolve) => room.channel.leave().receive("ok", () => resolve(true)));
      return { me: me.reply, echo, sum, got: room.got.map(({ i }) => i), left, used: socket.transport === Phoenix.LongPoll };
    }, transport);
    assert.deepEqual(seen, {
      me: { name: "users:ann", token: "secret" },
      echo: { got: { a: "\u{1F525}" } },
      sum: { count: 3, sum: 256 },
      got: Array.from({ length: 21 }, (_, i) => i),
      left: true,
      used: transport === "LongPoll",
    });
  });

  test(`${transport}: a browser whose server is killed joins again when it is back`, async (t) => {
    const server = await t.keep(start());
    const page = await open(t, server);
    await page.evaluate(async (transport) => {
      window.socket = connect("/socket", { transport });
      window.room = await joinRoom(window.socket, "room:a");
    }, transport);
    await server.kill();
    await until("hearing of it", () => page.evaluate(() => !window.socket.isConnected()));
    await server.restart();
    await until("joining again", () => page.evaluate(() => window.room.joins === 2));
    assert.deepEqual(await page.evaluate(() => push(window.room.channel, "echo", 1)), { got: 1 });
  });

  test(`${transport}: a page of another site is let in where its origin may, and nowhere else`, async (t) => {
    const server = await t.keep(start()), other = await t.keep(start());
    const page = await open(t, other);
    // To a browser another port is another site; to the rule for hosts it is not, so the host is another one.
    const url = `ws://localhost:${server.port}`;
    const reply = await page.evaluate(async ([at, transport]) => (await joinRoom(connect(at, { transport }), "room:a")).reply, [`${url}/anywhere`, transport]);
    assert.equal(reply.topic, "room:a");
    const error = await page.evaluate(
      ([at, transport]) =>
        new Promise((resolve) => {
          const socket = connect(at, { transport });
          socket.onError(() => resolve("error"));
          socket.onOpen(() => resolve("open"));
        }),
      [`${url}/socket`, transport],
    );
    assert.equal(error, "error");
  });
}

test("a browser that cannot open a WebSocket falls back to long-poll, and remembers", async (t) => {
  const server = await t.keep(start());
  const page = await open(t, server);
  const seen = await page.evaluate(async () => {
    const socket = connect("/polled", { longPollFallbackMs: 2000 });
    const room = await joinRoom(socket, "room:a");
    return { topic: room.reply.topic, fell: socket.transport === Phoenix.LongPoll, kept: sessionStorage.getItem("phx:fallback:LongPoll") };
  });
  assert.deepEqual(seen, { topic: "room:a", fell: true, kept: "true" });
});

test("an EventSource hears the rooms it names, and comes back by itself", async (t) => {
  const server = await t.keep(start());
  const page = await open(t, server);
  await page.evaluate(async () => {
    window.got = [];
    window.source = new EventSource("/socket/sse?vsn=2.0.0&topics[]=room:a&name=users:eve");
    window.source.onmessage = ({ data }) => window.got.push(JSON.parse(data));
    window.socket = connect("/socket");
    window.room = await joinRoom(window.socket, "room:a");
  });
  const heard = (i) => page.evaluate((i) => window.got.some(([, , topic, event, payload]) => topic === "room:a" && event === "said" && payload.i === i), i);
  const joins = () => page.evaluate(() => window.got.filter(([, , , event, payload]) => event === "phx_reply" && payload.status === "ok").length);
  await until("its join", async () => (await joins()) === 1);
  await page.evaluate(() => push(window.room.channel, "shout", { i: 1 }));
  await until("the first broadcast", () => heard(1));
  await page.evaluate(() => window.room.channel.push("disconnect", { id: "users:eve" }));
  await until("its second join", async () => (await joins()) === 2);
  await page.evaluate(() => push(window.room.channel, "shout", { i: 2 }));
  await until("the second broadcast", () => heard(2));
});

await run();
