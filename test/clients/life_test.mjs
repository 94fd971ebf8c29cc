// The chat_room example as a program: how it starts, and how it stops.

import assert from "node:assert/strict";
import { once } from "node:events";

import WebSocket from "ws";

import { run, test, within } from "./harness.mjs";
import { SHUTDOWN_MS, launch, startServer } from "./server.mjs";

test("a port that is taken is named in the error, and the program ends with a status that is not 0", async (t) => {
  const server = await t.keep(startServer());
  const second = launch(server.port);
  let said = "";
  second.stderr.on("data", (bytes) => (said += bytes));
  const [code, signal] = await within(30_000, "the second server ending", once(second, "close"));
  assert.equal(signal, null);
  assert.notEqual(code, 0);
  const last = said.trimEnd().split("\n").at(-1);
  assert.match(last, new RegExp(`cannot listen on 127\\.0\\.0\\.1:${server.port}: Address already in use`));
  assert.match(last, /PORT/, "what to do");
  assert.ok(server.isAlive());
});

/** A connection with a joined room; `ended` gives [code, reason] of the close. */
async function sit(server, i) {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/socket/websocket?vsn=2.0.0`);
  socket.on("error", () => {});
  const ended = once(socket, "close");
  await once(socket, "open");
  socket.send(JSON.stringify(["1", "1", `room:r${i % 7}`, "phx_join", { name: `c${i}` }]));
  await once(socket, "message");
  return { ended, close: () => socket.terminate() };
}

for (const signal of ["SIGINT", "SIGTERM"]) {
  test(`${signal} ends it with status 0 before its time is up, and each client is told that it restarts`, async (t) => {
    const server = await t.keep(startServer());
    const clients = await Promise.all(Array.from({ length: 100 }, (_, i) => t.keep(sit(server, i))));
    server.child.kill(signal);
    const [code] = await within(SHUTDOWN_MS / 2, "the end", server.ended);
    assert.equal(code, 0, server.said);
    for (const { ended } of clients) assert.equal((await within(30_000, "the close", ended))[0], 1012);
  });
}

await run();
