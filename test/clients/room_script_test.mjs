// The script of a room by itself, as esbuild has made it: no server, no sandbox, one fresh module for each room.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import vm from "node:vm";

import { root, run, test } from "./harness.mjs";

const file = process.env.CHAT_ROOM_SCRIPT ?? path.join(root, "build/dev/examples/chat_room/chat-room.js");
const source = fs.readFileSync(file, "utf8").replace(/export \{([^}]*)\};/, "({$1})");
assert.match(source, /\(\{[^}]*send_message[^}]*\}\)/, `${file} exports no send_message`);

/** A room in a life of its own; `heard` is what it has told everybody. */
function room(random = Math.random) {
  const heard = [];
  const callSync = (handler, ...args) => heard.push([handler, ...JSON.parse(JSON.stringify(args))]);
  const world = { Beam: { callSync } };
  vm.createContext(world);
  world.Math = Object.assign(Object.create(Math), { floor: Math.floor, random });
  return { ...vm.runInContext(source, world), heard };
}

const plain = (value) => JSON.parse(JSON.stringify(value));
const said = (text, sender = "Ann") => ({ sender, text });

test("what is said is stored, told to everybody and returned, the same", async () => {
  const { send_message, history, heard } = room();
  const message = plain(send_message(said("hello")));
  assert.equal(message.text, "hello");
  assert.equal(message.sender, "Ann");
  assert.ok(Math.abs(message.at - Date.now()) < 5000, `at ${message.at}`);
  assert.deepEqual(heard, [["broadcast", "new_message", JSON.stringify(message)]]);
  assert.deepEqual(plain(history()), [message]);
});

test("the history keeps the last 200 messages", async () => {
  const { send_message, history } = room();
  for (let i = 1; i <= 205; i++) send_message(said(`message ${i}`));
  assert.equal(history().length, 200);
  assert.equal(history()[0].text, "message 6");
  assert.equal(history()[199].text, "message 205");
});

test("messages of two lives of a room have different names", async () => {
  const ids = new Set();
  for (let life = 0; life < 3; life++) {
    const { send_message } = room();
    for (let i = 0; i < 10; i++) ids.add(send_message(said("again")).id);
  }
  assert.equal(ids.size, 30);
});

test("a life gets its name when the first message comes, not when the script is loaded", async () => {
  let asked = 0;
  const { send_message } = room(() => (asked++, 0.5));
  assert.equal(asked, 0);
  send_message(said("first"));
  send_message(said("second"));
  assert.equal(asked, 1);
});

test("a newcomer is given the history, under a name without blanks around it", async () => {
  const { send_message, join } = room();
  send_message(said("before"));
  const reply = join({ name: "  Bob " });
  assert.equal(reply.name, "Bob");
  assert.equal(reply.history.length, 1);
});

const refused = [
  ["no argument", null, /must be text/],
  ["no sender", { text: "x" }, /sender's name must be text/],
  ["an empty sender", said("x", " "), /sender's name is empty/],
  ["a long sender", said("x", "a".repeat(41)), /longer than 40 characters/],
  ["a number as sender", said("x", 7), /must be text/],
  ["no text", { sender: "Ann" }, /message must be text/],
  ["blanks only", said(" \n "), /message is empty/],
  ["an object as text", said({}), /must be text/],
  ["a long text", said("a".repeat(2001)), /longer than 2000 characters/],
];
for (const [what, argument, words] of refused) {
  test(`${what} is refused, and neither stored nor told`, async () => {
    const { send_message, history, heard } = room();
    assert.throws(() => send_message(argument), words);
    assert.equal(history().length, 0);
    assert.equal(heard.length, 0);
  });
}

test("limits count characters, not the units they are stored in", async () => {
  const { send_message } = room();
  assert.equal([...send_message(said("\u{1F525}".repeat(2000), "\u{1F525}".repeat(40))).text].length, 2000);
  assert.throws(() => send_message(said("\u{1F525}".repeat(2001))), /longer than 2000/);
});

test("a name must be given to join", async () => {
  const { join } = room();
  for (const person of [null, {}, { name: "" }, { name: 3 }, { name: "a".repeat(41) }]) assert.throws(() => join(person), /name/);
});

test("crashing by exception, by recursion and in an unknown way ends in an error", async () => {
  const { crash } = room();
  assert.throws(() => crash({ how: "exception" }), /as it was asked to/);
  assert.throws(() => crash({ how: "stack" }), /call stack/);
  assert.throws(() => crash({ how: "politely" }), /no such way/);
  assert.throws(() => crash(null), /no such way/);
});

test("crashing by a loop does not come back by itself", async () => {
  const world = vm.createContext({});
  const { crash } = vm.runInContext(source, world);
  world.crash = crash;
  assert.throws(() => vm.runInContext(`crash({ how: "loop" })`, world, { timeout: 50 }), /timed out/);
});

await run();
