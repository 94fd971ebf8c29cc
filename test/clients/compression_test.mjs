// Compressed sockets with clients that are not ours: npm's ws in Node, which compresses what is long and what it is told to, and
// Chromium, which offers compression always.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";

import WebSocket from "ws";

import { startChromium } from "./chromium.mjs";
import { run, test, until } from "./harness.mjs";
import { Client, openRaw, push, startServer } from "./server.mjs";

const AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=15";

/** A class of sockets with these options of ws. */
const sockets = (perMessageDeflate) =>
  class extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { perMessageDeflate });
    }
  };

const Plain = sockets(false);
const Eager = sockets({ threshold: 0 }); // all that it sends is compressed

const received = (client) => client.socket.conn._socket.bytesRead;
const say = (room, sender, text) => push(room.channel, "send_message", { sender, text });
const long = (i) => `message ${i}: ${"all work and no play makes a dull room. ".repeat(12)}the end`;

test("a history reaches who offers compression in a third of the bytes, and the same", async (t) => {
  const server = await t.keep(startServer());
  const ann = await t.keep(new Client(server));
  const room = await ann.join("room:bytes", { name: "Ann" });
  for (let i = 0; i < 100; i++) await say(room, "Ann", `message ${i}`);
  const plain = await t.keep(new Client(server, { transport: Plain }));
  const eager = await t.keep(new Client(server, { transport: Eager }));
  await until("both being connected", () => plain.socket.isConnected() && eager.socket.isConnected());
  assert.equal(plain.socket.conn.extensions, "");
  assert.equal(eager.socket.conn.extensions, "permessage-deflate");
  const before = [received(plain), received(eager)];
  const a = await plain.join("room:bytes", { name: "Bob" });
  const b = await eager.join("room:bytes", { name: "Bob" });
  assert.deepEqual(b.reply.history, a.reply.history);
  assert.equal(a.reply.history.length, 100);
  const [plainBytes, squeezedBytes] = [received(plain) - before[0], received(eager) - before[1]];
  console.log(`# the history: ${plainBytes} bytes plain, ${squeezedBytes} compressed`);
  assert.ok(squeezedBytes * 3 < plainBytes, `${squeezedBytes} of ${plainBytes} bytes`);
});

test("messages of all lengths reach a room where some compress and some do not, in order and unharmed", async (t) => {
  const server = await t.keep(startServer());
  const clients = [];
  for (const transport of [WebSocket, Plain, Eager, WebSocket, Plain, Eager]) clients.push(await t.keep(new Client(server, { transport })));
  const rooms = await Promise.all(clients.map((client, i) => client.join("room:mixed", { name: `name ${i}` })));
  const wanted = [];
  for (let i = 0; i < 60; i++) {
    const text = i % 3 === 0 ? long(i) : i % 3 === 1 ? `short ${i}` : `\u{1f600} ${"\u00e4\u20ac".repeat(i * 2)}`;
    wanted.push(text);
    await say(rooms[i % rooms.length], `name ${i % rooms.length}`, text);
  }
  await until("all having all", () => rooms.every((room) => room.got.length === wanted.length));
  for (const room of rooms) assert.deepEqual(room.got.map((message) => message.text), wanted);
});

test("binary and fragmented messages that ws compresses arrive, and are answered", async (t) => {
  const server = await t.keep(startServer());
  const raw = new Eager(`ws://127.0.0.1:${server.port}/socket/websocket?vsn=2.0.0`);
  await t.keep({ close: () => raw.terminate() });
  await once(raw, "open");
  const answers = [];
  raw.on("message", (bytes) => answers.push(JSON.parse(bytes)));
  const beat = JSON.stringify([null, "7", "phoenix", "heartbeat", { padding: "x".repeat(3000) }]);
  raw.send(beat);
  raw.send(beat.slice(0, 10), { fin: false });
  raw.send(beat.slice(10, 2000), { fin: false });
  raw.ping("between");
  raw.send(beat.slice(2000), { fin: true });
  const [pong] = await once(raw, "pong");
  assert.equal(String(pong), "between");
  await until("both answers", () => answers.length === 2);
  assert.deepEqual(answers.map((answer) => answer[1]), ["7", "7"]);
});

test("a bomb ends its connection with 1009 and the server goes on", async (t) => {
  const server = await t.keep(startServer());
  const bomb = new Eager(`ws://127.0.0.1:${server.port}/socket/websocket?vsn=2.0.0`);
  await t.keep({ close: () => bomb.terminate() });
  bomb.on("error", () => {});
  await once(bomb, "open");
  bomb.send(Buffer.alloc(50_000_000));
  const [code] = await once(bomb, "close");
  assert.equal(code, 1009);
  const other = await t.keep(openRaw(server));
  other.send([null, "1", "phoenix", "heartbeat", {}]);
  assert.equal((await other.answer("1"))[4].status, "ok");
});

// ---------------------------------------------------------------- Chromium

/** Hands bytes on to the server and counts those that come back; may take the offers out of the requests. */
class Counter {
  async start(server, takeOut) {
    this.bytes = 0;
    this.answers = "";
    this.open = new Set();
    this.listener = net.createServer((client) => {
      const onward = net.connect(server.port, "127.0.0.1");
      for (const socket of [client, onward]) {
        this.open.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => {
          this.open.delete(socket);
          client.destroy();
          onward.destroy();
        });
      }
      let first = true;
      client.on("data", (bytes) => {
        if (first && takeOut) bytes = Buffer.from(bytes.toString("latin1").replace(/^Sec-WebSocket-Extensions:.*\r\n/im, ""), "latin1");
        first = false;
        onward.write(bytes);
      });
      onward.on("data", (bytes) => {
        this.bytes += bytes.length;
        if (bytes.includes(" 101 ")) this.answers += bytes.toString("latin1");
        client.write(bytes);
      });
    });
    await new Promise((resolve) => this.listener.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.listener.address().port}`;
    return this;
  }

  close() {
    for (const socket of this.open) socket.destroy();
    return new Promise((resolve) => this.listener.close(resolve));
  }
}

/** What Chromium's own socket gets in one room, through a counter. */
async function listen(t, server, takeOut, room) {
  const counter = await t.keep(new Counter().start(server, takeOut));
  const browser = await t.keep(startChromium());
  const page = await browser.newPage();
  await page.goto(`${counter.url}/index.html`);
  await page.evaluate(
    (room) =>
      new Promise((resolve, reject) => {
        window.texts = [];
        const socket = new WebSocket(`ws://${location.host}/socket/websocket?vsn=2.0.0`);
        window.own = socket;
        socket.onopen = () => socket.send(JSON.stringify(["1", "1", room, "phx_join", { name: "Chromium" }]));
        socket.onerror = reject;
        socket.onmessage = ({ data }) => {
          const [, ref, , event, payload] = JSON.parse(data);
          if (ref === "1") resolve();
          if (event === "new_message") window.texts.push(payload.text);
        };
      }),
    room,
  );
  return { counter, page, texts: () => page.evaluate(() => window.texts) };
}

test("Chromium agrees on compression, and the same words cost less than half the bytes", async (t) => {
  const server = await t.keep(startServer());
  const ann = await t.keep(new Client(server));
  const room = await ann.join("room:browser", { name: "Ann" });
  const squeezed = await listen(t, server, false, "room:browser");
  const plain = await listen(t, server, true, "room:browser");
  assert.ok(squeezed.counter.answers.includes(`sec-websocket-extensions: ${AGREED}\r\n`), squeezed.counter.answers);
  assert.ok(!plain.counter.answers.includes("sec-websocket-extensions"), plain.counter.answers);
  const before = [plain.counter.bytes, squeezed.counter.bytes];
  const wanted = Array.from({ length: 40 }, (_, i) => long(i));
  for (const text of wanted) await say(room, "Ann", text);
  await until("both having all", async () => (await plain.texts()).length === 40 && (await squeezed.texts()).length === 40);
  assert.deepEqual(await squeezed.texts(), wanted);
  assert.deepEqual(await plain.texts(), wanted);
  const [plainBytes, squeezedBytes] = [plain.counter.bytes - before[0], squeezed.counter.bytes - before[1]];
  console.log(`# 40 messages: ${plainBytes} bytes plain, ${squeezedBytes} compressed`);
  assert.ok(squeezedBytes * 2 < plainBytes, `${squeezedBytes} of ${plainBytes} bytes`);
  // and what Chromium compresses itself is understood
  await squeezed.page.evaluate((text) => window.own.send(JSON.stringify(["1", "2", "room:browser", "send_message", { sender: "Chromium", text }])), long(99));
  await until("its words coming back", async () => (await plain.texts()).length === 41);
  assert.equal((await plain.texts())[40], long(99));
});

await run();
