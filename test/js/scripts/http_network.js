// What a module for the network does with `web.http` and `web.streams`, as they say at their tops. A copy of the modules is bundled
// here: a script reaches those of its own process as little as any other does.
import blob from '../../../src/js/web/blob.js';
import http from '../../../src/js/web/http.js';
import streams from '../../../src/js/web/streams.js';

const made = {};
const web = {
  define(names) { Object.assign(made, names); },
  cloneable() {}, // nothing is sent here
  events: { isSignal: (value) => value instanceof AbortSignal, onAbort: () => () => {} },
};
streams(web);
blob(web);
http(web);
const { Request, ReadableStream } = made;
const name = (fn) => {
  try {
    fn();
    return 'ok';
  } catch (error) {
    return error.name;
  }
};
const url = 'http://h/x';
const source = (list, extra) => web.streams.readable({
  pull(c) { if (list.length > 0) c.enqueue(new Uint8Array([list.shift()])); else c.close(); }, ...extra,
}, { bytes: true, mark: 0 });

export function asked() {
  const { signal } = new AbortController();
  const state = web.http.request(url, { method: 'POST', body: 'abc', headers: { B: '1', a: '2' }, redirect: 'manual', signal });
  return [state.method, state.url, state.redirect, state.signal === signal, web.http.fieldsOf(state)];
}
export function states() {
  return [typeof web.http.requestOf(new Request(url)), typeof web.http.requestOf({}), typeof web.http.requestOf(null)];
}
export function bytes() {
  const state = web.http.request(url, { method: 'POST', body: 'abc' }), { bytes, reader } = web.http.takeBody(state);
  return [[...bytes], reader === undefined, name(() => web.http.takeBody(state)), web.http.takeBody(web.http.request(url))];
}
export async function chunks() {
  const body = new ReadableStream({ start(c) { c.enqueue(new Uint8Array([1])); c.enqueue('bad'); } });
  const asked = new Request(url, { method: 'POST', duplex: 'half', body });
  const { bytes, reader } = web.http.takeBody(web.http.request(asked));
  return [bytes === undefined, [...web.http.bytesOf((await reader.next()).value)],
    web.http.bytesOf((await reader.next()).value) === undefined, asked.bodyUsed];
}
export async function answered() {
  const answer = web.http.makeResponse({ status: 200, statusText: 'OK', headers: ['Set-Cookie', 'a', 'x', 'y', 'set-cookie', 'b'],
    url, redirected: true, type: 'basic', body: source([1, 2, 3]) }), copy = answer.clone();
  return [answer.status, answer.statusText, answer.url, answer.redirected, answer.type, [...answer.headers],
    name(() => answer.headers.set('a', 'b')), [...await answer.bytes()], [...await copy.bytes()]];
}
export async function known() {
  const empty = web.http.makeResponse({ status: 204 }), full = web.http.makeResponse({ status: 200, body: new Uint8Array([104, 105]) });
  return [empty.body, await empty.text(), await full.text(), web.http.errorResponse().type];
}
export async function broken() {
  const body = source([1], { pull(c) { c.fail(new TypeError('the connection is gone')); } });
  return web.http.makeResponse({ status: 200, body }).text().catch((error) => error.message);
}
export async function unwanted() {
  let why;
  const body = source([1], { cancel(reason) { why = reason; } });
  await web.http.makeResponse({ status: 200, body }).body.cancel('no more');
  return why;
}
export async function pulled() {
  const list = [1, 2, 3, 4, 5, 6, 7, 8], reader = web.http.makeResponse({ status: 200, body: source(list) }).body.getReader();
  await reader.read();
  await reader.read();
  return list.length;
}
