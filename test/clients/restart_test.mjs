// The chat_room example replaces itself (SIGUSR2) under npm's Phoenix client in Node and fetch: everybody finds the successor.

import assert from "node:assert/strict";
import { once } from "node:events";

import { run, sleep, test, until, within } from "./harness.mjs";
import { Client, push, startServer } from "./server.mjs";

const RESTARTS = 5;
const CLIENTS = 12;

/** The program and its successors, which write to the pipes of the first one. */
class Line {
  async start() {
    this.server = await startServer();
    this.over = once(this.server.child, "close");
    this.pid = this.server.child.pid;
    return this;
  }

  async restart() {
    const before = this.pid;
    process.kill(before, "SIGUSR2");
    await until("a successor that is ready", () => {
      const ready = [...this.server.said.matchAll(/restart\.ready successor=(\d+)/g)].at(-1);
      if (ready) this.pid = Number(ready[1]);
      return this.pid !== before;
    });
  }

  async close() {
    process.kill(this.pid, "SIGTERM");
    await within(30_000, "the last one ending", this.over);
  }
}

// A connection without a request for a second is closed by a program that restarts: who comes later may find it so.
const IDLE_MS = 900;

/** Requests, one after the other, until it is told to stop. */
async function visit(url, visits) {
  let before, asked = performance.now();
  while (!visits.over) {
    [before, asked] = [asked, performance.now()];
    try {
      const response = await fetch(url);
      await response.text();
      assert.equal(response.status, 200);
      visits.count++;
    } catch (error) {
      if (asked - before < IDLE_MS) visits.failed.push(String(error.cause ?? error));
    }
    await sleep(2);
  }
}

test("clients of a program that restarts join their rooms again, and no request fails", async (t) => {
  const line = await t.keep(new Line().start());
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => t.keep(new Client(line.server))));
  const rooms = await Promise.all(clients.map((client, i) => client.join(`room:r${i % 4}`, { name: `c${i}` })));
  const visits = { count: 0, failed: [], over: false };
  const visitors = Array.from({ length: 4 }, () => visit(line.server.url, visits));
  for (let i = 1; i <= RESTARTS; i++) {
    await line.restart();
    await until("all clients joined again", () => rooms.every((room) => room.joins > i));
    await Promise.all(rooms.map(({ channel }, n) => push(channel, "send_message", { sender: `c${n}`, text: `after ${i}` })));
  }
  visits.over = true;
  await Promise.all(visitors);
  assert.deepEqual(visits.failed, []);
  assert.ok(visits.count > RESTARTS);
});

await run();
