// The same programs as in bench/js_bench.c, in Node. See bench/peers/runtime_peer.erl for how a peer is spoken to: it
// says "ready", and answers each line "go" with one figure, here milliseconds.

import { createInterface } from "node:readline";

function fib(n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

const programs = {
  fib: () => fib(27),
  objects: () => {
    const a = [];
    for (let i = 0; i < 50000; i++) a.push({ id: i, s: "m" + i });
    return JSON.stringify(a).length;
  },
  strings: () => {
    let s = "";
    for (let i = 0; i < 100000; i++) s += "ab" + i;
    return s.length;
  },
  floats: () => {
    let s = 0;
    const a = new Float64Array(1000);
    for (let i = 0; i < 500000; i++) {
      a[i % 1000] += Math.sqrt(i);
      s += a[(i * 7) % 1000];
    }
    return s;
  },
  match: () => {
    let c = 0;
    for (let i = 0; i < 10000; i++) c += /(\w+)@(\w+)\.com/.exec("hello user" + i + "@example.com there") ? 1 : 0;
    return c;
  },
};

const program = programs[process.argv[process.argv.indexOf("--case") + 1]];
if (program === undefined) {
  console.error("js_peer: --case is none of " + Object.keys(programs).join(", "));
  process.exit(2);
}
let sum = program(); // warm
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  if (line !== "go") break;
  const start = process.hrtime.bigint();
  sum += program();
  console.log(Number(process.hrtime.bigint() - start) / 1e6);
}
if (Number.isNaN(sum)) console.error("js_peer: the sum is none"); // the work is not to be left out
