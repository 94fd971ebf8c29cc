// The smallest runner that speaks TAP as test/harness.h does: each test has a name that is a sentence and a limit on its
// time, and what it opened is closed after it, in reverse order. An argument selects tests whose name contains it.
//
//     test("rooms are isolated", async (t) => { const server = await t.keep(startServer()); ... });
//     await run();

import { AssertionError } from "node:assert";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The tree that the tests are of. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");

// They are met when something hangs, not when a busy machine is slow.
const LIMIT_MS = 180_000;
const CLOSE_MS = 40_000;
const UNTIL_MS = 30_000;
const tests = [];

export function test(name, body, limitMs = LIMIT_MS) {
  tests.push({ name, body, limitMs });
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A promise with a limit; `what` says what did not happen. */
export function within(ms, what, promise) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

/** Looks again and again until `look` gives something true, which is the result. */
export async function until(what, look, ms = UNTIL_MS) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms`);
    await sleep(10);
  }
}

function explain(error) {
  const text = error instanceof AssertionError ? `${error.message}\n${error.stack}` : String(error?.stack ?? error);
  process.stdout.write(text.split("\n").slice(0, 30).map((line) => `# ${line}\n`).join(""));
}

async function runOne({ name, body, limitMs }) {
  const kept = [];
  const t = {
    /** Closes a thing (or what a promise gives) when the test has ended, well or not. */
    async keep(thing) {
      const opened = await thing;
      kept.push(opened);
      return opened;
    },
  };
  let failure = null;
  try {
    await within(limitMs, "the test", body(t));
  } catch (error) {
    failure = error;
  }
  for (const thing of kept.reverse()) {
    try {
      await within(CLOSE_MS, "closing", Promise.resolve(thing.close()));
    } catch (error) {
      failure ??= error;
    }
  }
  return failure;
}

export async function run() {
  const wanted = tests.filter(({ name }) => name.includes(process.argv[2] ?? ""));
  let failed = 0;
  console.log(`1..${wanted.length}`);
  for (const [i, each] of wanted.entries()) {
    const failure = await runOne(each);
    console.log(`${failure === null ? "ok" : "not ok"} ${i + 1} - ${each.name}`);
    if (failure === null) continue;
    failed++;
    explain(failure);
  }
  process.exit(failed === 0 ? 0 : 1); // sockets of the client may still want to reconnect
}
