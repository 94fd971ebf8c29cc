// The page of the chat_room example in headless Chromium: what somebody sees and does. Screenshots go to
// build/screenshots (SCREENSHOTS names another folder).

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import { startChromium } from "./chromium.mjs";
import { root, run, test, until } from "./harness.mjs";
import { startServer } from "./server.mjs";

const shots = process.env.SCREENSHOTS ?? path.join(root, "build/screenshots");
const WAIT_MS = 30_000;

const browser = await startChromium();

/** A tab with nothing kept from others. Errors on its console fail the test that opened it, but those of a lost server. */
class Tab {
  static async open(server, name, room, options = {}) {
    const tab = new Tab();
    tab.name = name;
    tab.context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: "light", ...options });
    await tab.context.addInitScript((name) => {
      localStorage.setItem("name", JSON.stringify(name));
      if (localStorage.getItem("rooms") === null) localStorage.setItem("rooms", "[]");
    }, name);
    tab.page = await tab.context.newPage();
    tab.page.setDefaultTimeout(WAIT_MS);
    tab.errors = [];
    tab.page.on("pageerror", (error) => tab.errors.push(String(error)));
    tab.page.on("console", (line) => {
      if (line.type() === "error" && !/WebSocket connection|ERR_CONNECTION|ERR_EMPTY/.test(line.text())) tab.errors.push(line.text());
    });
    tab.page.on("dialog", (dialog) => {
      tab.errors.push(`a dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    await tab.page.goto(`${server.url}/#${room}`);
    await tab.connected();
    await tab.ready();
    return tab;
  }

  $(selector) {
    return this.page.locator(selector);
  }

  connected() {
    return this.$("#connection[data-state=connected]").waitFor();
  }

  /** The current room is joined. */
  async ready() {
    await this.$("#banner").waitFor({ state: "hidden" });
    await this.$("#text:enabled").waitFor();
    await until(`${this.name} being in the room`, () => this.$("#crash").isEnabled(), WAIT_MS);
  }

  async say(text) {
    await this.$("#text").fill(text);
    await this.$("#text").press("Enter");
  }

  sees(text) {
    return this.$("#log .message .text").filter({ hasText: text }).first().waitFor();
  }

  texts() {
    return this.$("#log .message .text").allTextContents();
  }

  async shot(name) {
    fs.mkdirSync(shots, { recursive: true });
    await this.page.screenshot({ path: path.join(shots, `${name}.png`) });
  }

  async close() {
    await this.context.close();
    assert.deepEqual(this.errors, [], `errors on ${this.name}'s page`);
  }
}

async function pair(t, room = "lobby") {
  const server = await t.keep(startServer());
  const ann = await t.keep(Tab.open(server, "Ann", room));
  const bob = await t.keep(Tab.open(server, "Bob", room));
  return { server, ann, bob };
}

// ---------------------------------------------------------------- chatting

test("two tabs chat: both see the message once, with its sender and time", async (t) => {
  const { ann, bob } = await pair(t);
  await ann.say("hello from Ann");
  await bob.sees("hello from Ann");
  await ann.sees("hello from Ann");
  await bob.say("hello from Bob");
  await ann.sees("hello from Bob");
  for (const tab of [ann, bob]) {
    assert.deepEqual(await tab.texts(), ["hello from Ann", "hello from Bob"]);
    assert.deepEqual(await tab.$("#log .message strong").allTextContents(), ["Ann", "Bob"]);
    assert.match(await tab.$("#log .message time").first().getAttribute("datetime"), /^\d{4}-\d\d-\d\dT/);
  }
  assert.equal(await ann.$("#log [data-pending]").count(), 0);
});

test("a newcomer sees what was said before", async (t) => {
  const { server, ann } = await pair(t);
  await ann.say("said early");
  await ann.sees("said early");
  const late = await t.keep(Tab.open(server, "Late", "lobby"));
  await late.sees("said early");
});

test("who is here, and who types, is shown and goes away again", async (t) => {
  const { server, ann, bob } = await pair(t);
  const cid = await Tab.open(server, "Cid", "lobby");
  await ann.$("#room-here").filter({ hasText: "3 people" }).waitFor();
  await cid.close();
  await ann.$("#room-here").filter({ hasText: "2 people" }).waitFor();
  await bob.$("#text").pressSequentially("so");
  await ann.$("#typing").filter({ hasText: "Bob is typing" }).waitFor();
  await bob.$("#text").press("Enter");
  await until("Bob typing no more", async () => (await ann.$("#typing").textContent()) === "");
  await bob.$("#text").pressSequentially("more");
  await ann.$("#typing").filter({ hasText: "Bob is typing" }).waitFor();
});

test("rooms are isolated; what is said elsewhere is counted, and seen when the room is opened", async (t) => {
  const { ann, bob } = await pair(t);
  await ann.$("#join-name").fill("garden");
  await ann.$("#join-name").press("Enter");
  await ann.$("#room-title").filter({ hasText: "garden" }).waitFor();
  await ann.ready();
  await ann.say("only in the garden");
  await ann.sees("only in the garden");
  await bob.say("only in the lobby");
  await ann.$("[data-room=lobby] .count").filter({ hasText: "1" }).waitFor();
  assert.deepEqual(await ann.texts(), ["only in the garden"]);
  assert.deepEqual(await bob.texts(), ["only in the lobby"]);
  await ann.$("[data-room=lobby]").click();
  await ann.sees("only in the lobby");
  assert.equal(await ann.$("#rooms .count").count(), 0);
});

test("leaving a room forgets it, and one who left hears nothing more", async (t) => {
  const { ann, bob } = await pair(t);
  await ann.$("#leave").click();
  await ann.$("#room-title").filter({ hasText: "No room" }).waitFor();
  await bob.$("#room-here").filter({ hasText: "1 person" }).waitFor();
  await bob.say("nobody listens");
  await bob.sees("nobody listens");
  assert.deepEqual(await ann.texts(), []);
  await ann.page.reload();
  await ann.connected();
});

test("a new name is taken at once, and kept over a reload", async (t) => {
  const { ann, bob } = await pair(t);
  await bob.$("#name").fill("Robert");
  await bob.$("#name").press("Enter");
  await bob.ready();
  await bob.say("under my new name");
  await ann.sees("under my new name");
  assert.deepEqual(await ann.$("#log .message strong").allTextContents(), ["Robert"]);
  await ann.$('#who [title="Robert"]').waitFor();
});

// ---------------------------------------------------------------- crashes

test("after each crash of the menu the room can be used again, and the other tab's room never stopped", async (t) => {
  const server = await t.keep(startServer());
  const ann = await t.keep(Tab.open(server, "Ann", "stormy"));
  const bob = await t.keep(Tab.open(server, "Bob", "calm"));
  const restarts = () => ann.$("#events").getByText("room:stormy was started again").count();
  for (const how of ["exception", "loop", "memory", "stack", "null"]) {
    const before = await restarts();
    await ann.$("#crash").click();
    await ann.$(`#crash-menu [data-value=${how}]`).click();
    await bob.say(`calm through ${how}`);
    await bob.sees(`calm through ${how}`);
    if (how === "null") await ann.$("#events").getByText("the channel crashed").waitFor();
    else await until(`a new process after ${how}`, async () => (await restarts()) > before, WAIT_MS);
    await until(`the room after ${how}`, async () => {
      if (!(await ann.$("#crash").isEnabled())) return false;
      await ann.say(`back after ${how}`);
      return ann.sees(`back after ${how}`).then(() => true, () => false);
    }, 90_000);
  }
  assert.equal(await bob.$("#events li[data-kind=bad]").count(), 0);
  await ann.shot("after-crashes");
}, 400_000);

test("the menu is used with keys alone: opened, walked through, left, focus back on its button", async (t) => {
  const { ann } = await pair(t);
  const focused = () => ann.page.evaluate(() => document.activeElement.dataset.value ?? document.activeElement.id);
  await ann.$("#crash").focus();
  await ann.page.keyboard.press("Enter");
  assert.equal(await focused(), "exception");
  await ann.page.keyboard.press("ArrowDown");
  assert.equal(await focused(), "loop");
  await ann.page.keyboard.press("End");
  assert.equal(await focused(), "null");
  await ann.page.keyboard.press("ArrowDown");
  assert.equal(await focused(), "exception");
  await ann.page.keyboard.press("Escape");
  assert.equal(await focused(), "crash");
  assert.equal(await ann.$("#crash").getAttribute("aria-expanded"), "false");
});

test("the server is killed and started again: both tabs say so, come back by themselves and show no message twice", async (t) => {
  const { server, ann, bob } = await pair(t);
  await ann.say("before the end");
  await bob.sees("before the end");
  await server.kill();
  for (const tab of [ann, bob]) await tab.$("#connection[data-state=reconnecting]").waitFor();
  await ann.shot("reconnecting");
  await server.restart();
  for (const tab of [ann, bob]) {
    await tab.connected();
    await tab.ready();
  }
  await bob.say("after it");
  await ann.sees("after it");
  assert.deepEqual(await ann.texts(), ["before the end", "after it"]);
});

test("a room that is joined again shows each message once", async (t) => {
  const { ann, bob } = await pair(t);
  for (const text of ["one", "two", "three"]) await ann.say(text);
  await bob.sees("three");
  await ann.$("#crash").click();
  await ann.$("#crash-menu [data-value=null]").click();
  await ann.$("#events").getByText("the channel crashed").waitFor();
  await ann.ready();
  await bob.say("four");
  await ann.sees("four");
  assert.deepEqual(await ann.texts(), ["one", "two", "three", "four"]);
  const ids = await ann.$("#log .message").evaluateAll((nodes) => nodes.map((node) => node.dataset.id));
  assert.equal(new Set(ids).size, 4);
});

// ---------------------------------------------------------------- hostile input

test("markup in messages and names is shown as text and does nothing", async (t) => {
  const server = await t.keep(startServer());
  const evil = `<img src=x onerror=alert(1)>`;
  const ann = await t.keep(Tab.open(server, "Ann", "lobby"));
  const mallory = await t.keep(Tab.open(server, evil, "lobby"));
  const messages = [`<script>alert(1)</script>`, evil, `<b>bold</b> &amp; "quoted"`, `javascript:alert(1)`];
  for (const text of messages) {
    await mallory.say(text);
    await ann.sees(text);
  }
  assert.deepEqual(await ann.texts(), messages);
  assert.equal(await ann.$("#log .message strong").first().textContent(), evil);
  assert.equal(await ann.$("#log :is(img, script, b, a, iframe), #who :is(img, script)").count(), 0);
});

test("the page's policy lets no script run that is not a file of this server", async (t) => {
  const { ann } = await pair(t);
  const ran = await ann.page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "globalThis.ranInline = true";
    document.body.append(script);
    return globalThis.ranInline === true;
  });
  assert.equal(ran, false);
  assert.equal(ann.errors.filter((line) => /Content Security Policy/.test(line)).length, 1);
  ann.errors.length = 0;
});

test("a name of a room that cannot be is refused beside the field, in words", async (t) => {
  const { ann } = await pair(t);
  for (const name of ["", "a b", "../x", "<b>", "caf\u00e9"]) {
    await ann.$("#join-name").fill(name);
    await ann.$("#join-name").press("Enter");
    await until(`words about ${JSON.stringify(name)}`, async () => (await ann.$("#join-error").textContent()) !== "");
    assert.equal(await ann.$("#join-name").getAttribute("aria-invalid"), "true");
  }
  assert.equal(await ann.$("#room-title").textContent(), "lobby");
});

test("a message of 2,000 characters can be sent, a longer one not", async (t) => {
  const { ann } = await pair(t);
  await ann.page.evaluate(() => document.getElementById("text").removeAttribute("maxlength"));
  await ann.$("#text").fill("a".repeat(2001));
  assert.equal(await ann.$("#send").isDisabled(), true);
  await ann.$("#text").fill("a".repeat(2000));
  assert.equal(await ann.$("#send").isEnabled(), true);
  await ann.$("#text").press("Enter");
  await ann.sees("a".repeat(2000));
});

test("a message without an answer says so, and is shown once when it turns out to have arrived", async (t) => {
  const { server, ann } = await pair(t);
  server.child.kill("SIGSTOP");
  await ann.say("is anybody there");
  await ann.$("#log [data-pending]").filter({ hasText: "Sending" }).waitFor();
  await ann.$("#log [data-pending]").filter({ hasText: "Not sent: no answer came" }).waitFor();
  server.child.kill("SIGCONT");
  await until("the message having arrived", async () => (await ann.$("#log [data-pending]").count()) === 0);
  assert.deepEqual(await ann.texts(), ["is anybody there"]);
});

test("a message that was not sent can be discarded, or sent again when the server is back", async (t) => {
  const { server, ann, bob } = await pair(t);
  server.child.kill("SIGSTOP");
  for (const text of ["first", "second"]) await ann.say(text);
  await until("both having failed", async () => (await ann.$("#log [data-failed]").count()) === 2, WAIT_MS);
  await server.kill();
  await server.restart();
  await ann.connected();
  await ann.ready();
  await ann.$("#log [data-pending]").first().getByText("Discard").click();
  await ann.$("#log [data-pending]").getByText("Send again").click();
  await bob.sees("second");
  assert.deepEqual(await bob.texts(), ["second"]);
});

// ---------------------------------------------------------------- how it looks

/** Some talk, so that there is something to look at. */
async function fill(ann, bob) {
  const talk = [
    [ann, "Morning! I moved the retry logic into the supervisor, it is half the code now."],
    [bob, "Nice. Does a room still come back when the script runs out of memory?"],
    [ann, "Yes: only that room ends. Its supervisor starts it again, and everybody who is in it stays connected."],
    [ann, "Try it yourself, the menu is on the right."],
    [bob, "Just did. The other room did not skip a beat."],
  ];
  for (const [tab, text] of talk) {
    await tab.say(text);
    await ann.sees(text);
  }
}

test("the page is drawn in light, in dark and on a phone, with nothing cut off", async (t) => {
  const server = await t.keep(startServer());
  const ann = await t.keep(Tab.open(server, "Ann", "lobby"));
  const bob = await t.keep(Tab.open(server, "Bob", "lobby"));
  const phone = await t.keep(Tab.open(server, "Cid", "lobby", {
    viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true, colorScheme: "dark",
  }));
  await fill(ann, bob);
  for (const room of ["deploys", "garden"]) {
    await ann.$("#join-name").fill(room);
    await ann.$("#join-name").press("Enter");
    await ann.ready();
  }
  await ann.shot("empty-room");
  await ann.$("[data-room=lobby]").click();
  await ann.ready();
  await bob.$("#text").pressSequentially("and");
  await ann.$("#typing").filter({ hasText: "Bob is typing" }).waitFor();
  await ann.shot("light");
  await ann.$("#crash").click();
  await ann.shot("menu");
  await ann.page.keyboard.press("Escape");
  await ann.page.emulateMedia({ colorScheme: "dark" });
  await ann.shot("dark");
  await phone.shot("phone");
  await phone.$("[data-show=tree]").click();
  await phone.shot("phone-processes");
  await phone.$("[data-show=rooms]").click();
  await phone.shot("phone-rooms");
  for (const tab of [ann, phone]) {
    const wide = await tab.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(wide, 0, `${tab.name}'s page is ${wide} pixels too wide`);
  }
});

test("text has a contrast of 4.5 to 1 at least, in light and in dark", async (t) => {
  const { ann, bob } = await pair(t);
  await fill(ann, bob);
  await ann.$("#crash").click();
  for (const colorScheme of ["light", "dark"]) {
    await ann.page.emulateMedia({ colorScheme });
    const poor = await ann.page.evaluate(poorContrast);
    assert.deepEqual(poor, [], colorScheme);
  }
});

/** In the page: texts whose colour is too near to what lies behind them. Colours are resolved by a canvas. */
function poorContrast() {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const paint = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) {
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
    }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (texts.currentNode.textContent.trim() === "" || node.closest("noscript, .hidden, .skip") || !node.checkVisibility({ visibilityProperty: true })) continue;
    const behind = [];
    for (let at = node; at !== null; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
    const surface = paint(behind), ink = paint([...behind, getComputedStyle(node).color]);
    const [high, low] = [light(surface), light(ink)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)}: ${node.tagName.toLowerCase()}.${node.className} ${texts.currentNode.textContent.slice(0, 30)}`);
  }
  return found;
}

test("everything that can be used has a name, and can be reached with Tab", async (t) => {
  const { ann } = await pair(t);
  const nameless = await ann.page.evaluate(() => [...document.querySelectorAll("button, input, textarea")]
    .filter((node) => node.checkVisibility() && !(node.getAttribute("aria-label") || node.labels?.length || node.textContent.trim()))
    .map((node) => node.outerHTML));
  assert.deepEqual(nameless, []);
  const reached = new Set();
  await ann.page.evaluate(() => document.activeElement.blur());
  for (let i = 0; i < 30; i++) {
    await ann.page.keyboard.press("Tab");
    reached.add(await ann.page.evaluate(() => document.activeElement.id || document.activeElement.dataset.room || document.activeElement.className));
  }
  for (const id of ["skip", "name", "theme", "lobby", "join-name", "leave", "log", "text", "crash"]) assert.ok(reached.has(id), `${id} among ${[...reached]}`);
});

test("the theme is chosen with a button and kept over a reload", async (t) => {
  const { ann } = await pair(t);
  const dark = () => ann.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await dark();
  await ann.$("#theme").click();
  await ann.$("#theme").click();
  assert.equal(await ann.$("#theme").getAttribute("aria-label"), "Colours: dark");
  assert.notEqual(await dark(), light);
  await ann.page.reload();
  await ann.connected();
  assert.equal(await ann.$("#theme").getAttribute("aria-label"), "Colours: dark");
});

await run();
