// The chat_room example over https and wss: npm's Phoenix client in Node, headless Chromium, a restart, and a new
// certificate while it runs.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import https from "node:https";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import tls from "node:tls";

import WebSocket from "ws";

import { startChromium } from "./chromium.mjs";
import { root, run, sleep, test, until, within } from "./harness.mjs";
import { Client, push, startServer } from "./server.mjs";

const command = process.env.ANQA ?? path.join(root, "build/dev/anqa");
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "anqa-wss-"));
process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
const certfile = path.join(folder, "cert.pem");
const keyfile = path.join(folder, "key.pem");

function makeCertificate(name) {
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
    "-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", keyfile, "-out", certfile],
    { stdio: "ignore" });
  return fs.readFileSync(certfile);
}

const ca = makeCertificate("first");
Object.assign(process.env, { HTTPS_PORT: "0", TLS_CERTFILE: certfile, TLS_KEYFILE: keyfile });

class Trusting extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { ca });
  }
}

/** A server that listens for https too: `secure` is its port. */
async function startSecure() {
  const server = await startServer();
  await until("listening on https", () => {
    const found = /listening on https:\/\/127\.0\.0\.1:(\d+)/.exec(server.said);
    if (found) server.secure = Number(found[1]);
    return found;
  });
  return server;
}

const client = (server) => new Client(server, { url: `wss://127.0.0.1:${server.secure}/socket`, transport: Trusting });

/** Status and body of a GET, on a connection of its own unless there is an agent. */
function get(server, target, options = {}) {
  return new Promise((resolve, reject) => {
    const request = https.get(`https://127.0.0.1:${server.secure}${target}`, { ca, agent: false, ...options }, (response) => {
      let body = "";
      response.on("data", (bytes) => (body += bytes));
      response.on("end", () => resolve({ status: response.statusCode, body }));
      response.on("error", reject);
    });
    request.on("error", reject);
  });
}

/** The name in the certificate that is shown now. */
async function shown(server) {
  const socket = tls.connect({ port: server.secure, host: "127.0.0.1", rejectUnauthorized: false });
  await within(30_000, "a handshake", once(socket, "secureConnect"));
  const name = socket.getPeerCertificate().subject.CN;
  socket.destroy();
  return name;
}

test("clients of npm's phoenix chat over wss", async (t) => {
  const server = await t.keep(startSecure());
  const ann = await t.keep(client(server));
  const bob = await t.keep(client(server));
  const hers = await ann.join("room:lobby", { name: "Ann" });
  const his = await bob.join("room:lobby", { name: "Bob" });
  for (let i = 0; i < 20; i++) await push(hers.channel, "send_message", { sender: "Ann", text: `message ${i}: ${"x".repeat(1 + i * 10)}` });
  await until("Bob having them", () => his.got.length === 20);
  assert.ok(his.got.every((message, i) => message.text.startsWith(`message ${i}: `)));
});

test("who chats over ws and who does over wss are in one room", async (t) => {
  const server = await t.keep(startSecure());
  const ann = await t.keep(client(server));
  const bob = await t.keep(new Client(server));
  const hers = await ann.join("room:lobby", { name: "Ann" });
  const his = await bob.join("room:lobby", { name: "Bob" });
  await push(his.channel, "send_message", { sender: "Bob", text: "in the clear" });
  await push(hers.channel, "send_message", { sender: "Ann", text: "sealed" });
  const words = (joined) => joined.got.map((message) => message.text).join();
  await until("both having both", () => words(hers) === "in the clear,sealed" && words(his) === "in the clear,sealed");
});

test("the page works in a browser over https", async (t) => {
  const server = await t.keep(startSecure());
  const key = new X509Certificate(ca).publicKey.export({ type: "spki", format: "der" });
  const digest = createHash("sha256").update(key).digest("base64");
  const browser = await t.keep(startChromium(`--ignore-certificate-errors-spki-list=${digest}`));
  const shots = process.env.SCREENSHOTS ?? path.join(root, "build/screenshots");
  const page = await (await browser.newContext()).newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (line) => line.type() === "error" && errors.push(line.text()));
  await page.addInitScript(() => {
    localStorage.setItem("name", '"Ann"');
    localStorage.setItem("rooms", "[]");
  });
  await page.goto(`https://127.0.0.1:${server.secure}/#lobby`);
  await page.locator("#connection[data-state=connected]").waitFor();
  await until("being in the room", () => page.locator("#crash").isEnabled());
  await page.locator("#text:enabled").fill("hello over TLS");
  await page.locator("#text").press("Enter");
  await page.locator("#log .message .text").filter({ hasText: "hello over TLS" }).first().waitFor();
  assert.equal(await page.evaluate(() => location.protocol), "https:");
  fs.mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: path.join(shots, "chat-https.png") });
  assert.deepEqual(errors, []);
});

test("a program that restarts refuses nobody over https, and its clients join again", async (t) => {
  const server = await t.keep(startSecure());
  const clients = await Promise.all(Array.from({ length: 6 }, () => t.keep(client(server))));
  const rooms = await Promise.all(clients.map((each, i) => each.join(`room:r${i % 2}`, { name: `c${i}` })));
  const over = once(server.child, "close");
  const visits = { count: 0, failed: [], over: false };
  const visitors = Array.from({ length: 3 }, async () => {
    while (!visits.over) {
      try {
        assert.equal((await get(server, "/")).status, 200);
        visits.count++;
      } catch (error) {
        visits.failed.push(String(error));
      }
      await sleep(5);
    }
  });
  let pid = server.child.pid;
  for (let i = 1; i <= 2; i++) {
    const before = pid;
    process.kill(before, "SIGUSR2");
    await until("a successor that is ready", () => {
      const ready = [...server.said.matchAll(/restart\.ready successor=(\d+)/g)].at(-1);
      if (ready) pid = Number(ready[1]);
      return pid !== before;
    });
    await until("all clients joined again", () => rooms.every((room) => room.joins > i));
  }
  visits.over = true;
  await Promise.all(visitors);
  process.kill(pid, "SIGTERM");
  await within(30_000, "the last one ending", over);
  assert.deepEqual(visits.failed, []);
  assert.ok(visits.count > 10);
});

test("a new certificate is shown after anqa's reload, a broken one is not", async (t) => {
  const server = await t.keep(startSecure());
  const anqa = (...args) => execFileSync(command, [...args, "--app", String(server.child.pid)], { encoding: "utf8", stdio: "pipe" });
  assert.equal(await shown(server), "first");
  makeCertificate("second");
  assert.equal(await shown(server), "first");
  assert.equal(anqa("reload"), "read again\n");
  assert.equal(await shown(server), "second");
  fs.writeFileSync(certfile, "nonsense");
  assert.throws(() => anqa("reload"), /the certificate .*cert\.pem/);
  assert.equal(await shown(server), "second");
});

test("anqa gen-cert makes a certificate that a client accepts, and writes over nothing", async (t) => {
  const place = fs.mkdtempSync(path.join(folder, "made-"));
  const made = path.join(place, "cert.pem");
  const key = path.join(place, "key.pem");
  const genCert = (...args) => execFileSync(command, ["gen-cert", "--dir", place, ...args], { encoding: "utf8", stdio: "pipe" });
  assert.equal(genCert(), `TLS_CERTFILE=${made} TLS_KEYFILE=${key} HTTPS_PORT=4001\n`);
  assert.equal(fs.statSync(key).mode & 0o777, 0o600);
  const before = fs.readFileSync(key);
  assert.throws(() => genCert(), /key\.pem is there already, and is not written over/);
  fs.renameSync(key, `${key}.old`);
  assert.throws(() => genCert(), /cert\.pem is there already/);
  assert.ok(!fs.existsSync(key), "a key without its certificate is left");
  fs.writeFileSync(key, before);
  fs.copyFileSync(made, certfile);
  fs.copyFileSync(key, keyfile);
  const server = await t.keep(startSecure());
  assert.equal((await get(server, "/", { ca: fs.readFileSync(made) })).status, 200);
  fs.rmSync(made);
  fs.rmSync(key);
  genCert("shop.example", "*.shop.example", "192.0.2.7");
  const own = new X509Certificate(fs.readFileSync(made));
  for (const host of ["shop.example", "a.shop.example"]) assert.ok(own.checkHost(host), host);
  assert.ok(own.checkIP("192.0.2.7"));
  assert.equal(own.checkHost("localhost"), undefined);
  for (const bad of ["a,DNS:b", "", "a b", "email:x"]) assert.throws(() => genCert(bad), /no name of a host/);
});

// A service manager names its sockets: that one is for https, the endpoint takes all others for http.
test("of a service manager's sockets the one that is named https is for https", async (t) => {
  const program = process.env.CHAT_ROOM ?? path.join(root, "build/dev/examples/example_chat_room");
  const sockets = await Promise.all([0, 1].map(async () => {
    const socket = net.createServer();
    socket.listen(0, "127.0.0.1");
    await once(socket, "listening");
    return socket;
  }));
  const [secure, plain] = sockets.map((socket) => socket.address().port);
  makeCertificate("managed");
  const child = spawn("/bin/sh", ["-c", 'LISTEN_PID=$$ exec "$0"', program], {
    env: { ...process.env, PORT: "1", HTTPS_PORT: "2", LISTEN_FDS: "2", LISTEN_FDNAMES: "https:web" },
    stdio: ["ignore", "pipe", "ignore", sockets[0]._handle.fd, sockets[1]._handle.fd],
  });
  for (const socket of sockets) socket.close(); // the child has them now
  const ended = once(child, "exit");
  await t.keep({ close: () => (child.kill("SIGTERM"), ended) });
  let said = "";
  child.stdout.on("data", (bytes) => (said += bytes));
  await until("listening on both", () => /listening on http:.*\n/.test(said) && /listening on https:.*\n/.test(said));
  assert.match(said, new RegExp(`https://127.0.0.1:${secure}\\n`));
  assert.match(said, new RegExp(`http://127.0.0.1:${plain}\\n`));
  assert.equal(await shown({ secure }), "managed");
  const response = await fetch(`http://127.0.0.1:${plain}/`);
  assert.equal(response.status, 200);
});

await run();
