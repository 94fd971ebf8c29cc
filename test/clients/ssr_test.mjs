// The ssr example: pages in JSX, rendered by a pool of JavaScript processes.

import assert from "node:assert/strict";
import path from "node:path";

import { root, run, test } from "./harness.mjs";
import { Server } from "./server.mjs";

const program = process.env.SSR ?? path.join(root, "build/dev/examples/example_ssr");

async function withShop(work) {
  const server = await new Server(program).start(0);
  const get = async (at) => {
    const answer = await fetch(server.url + at);
    return { status: answer.status, type: answer.headers.get("content-type"), text: await answer.text() };
  };
  try {
    await work(get);
    assert.ok(server.isAlive());
  } finally {
    await server.kill();
  }
}

test("a page shows what the server has looked up", () =>
  withShop(async (get) => {
    const { status, type, text } = await get("/items/sencha");
    assert.equal(status, 200);
    assert.match(type, /^text\/html/);
    assert.match(text, /^<!doctype html><html lang="en">.*<h1>Sencha, green<\/h1>.*7\.90 €, 12 left/);
    assert.match((await get("/items/assam")).text, /sold out/);
    assert.equal((await get("/items/none")).status, 404);
    const { text: found } = await get("/?search=green");
    assert.deepEqual(found.match(/items\/\w+/g), ["items/sencha"]);
  }));

test("what visitors and the catalogue say is text, never markup", () =>
  withShop(async (get) => {
    const { text } = await get(`/?search=${encodeURIComponent('"><script>alert(1)</script>')}`);
    assert.ok(!text.includes("<script"), text);
    assert.ok(text.includes("&lt;script>alert(1)&lt;/script>"), text);
    assert.ok((await get("/")).text.includes("Peppermint &lt;fresh>"));
  }));

test("a page that fails is an error of its visitor alone", () =>
  withShop(async (get) => {
    const all = Array.from({ length: 200 }, (_, i) => get(i % 4 === 0 ? "/items/lost" : "/"));
    const statuses = (await Promise.all(all)).map(({ status }) => status);
    assert.deepEqual([...new Set(statuses.filter((_, i) => i % 4 === 0))], [500]);
    assert.deepEqual([...new Set(statuses.filter((_, i) => i % 4 !== 0))], [200]);
  }));

await run();
