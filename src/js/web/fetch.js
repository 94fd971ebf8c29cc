// fetch (Fetch Standard, 5.6), over the network of net.h.
import { readDataUrl } from './net/data_url.js';
import { exchanges } from './net/exchange.js';
import { checkIntegrity, readIntegrity } from './net/integrity.js';
import { uncurry } from './lib/base.js';

export default function (web, op) {
  const { Promise, TypeError, Uint8Array, WeakRef, FinalizationRegistry } = globalThis;
  const DIGEST = op + 3; // see net.c
  const { http, streams, events } = web;
  const { exchange } = exchanges(web, op);
  // Who lets go of an answer that was not read to its end lets go of its transfer.
  const register = uncurry(FinalizationRegistry.prototype.register), unregister = uncurry(FinalizationRegistry.prototype.unregister);
  const unread = new FinalizationRegistry((incoming) => incoming.cancel());

  function ofBytes(bytes) {
    let rest = bytes;
    return {
      length: bytes.length,
      next() {
        const all = rest;
        rest = undefined;
        return Promise.resolve(all);
      },
      again: () => ofBytes(bytes),
    };
  }
  const ofReader = (reader) => ({
    length: -1,
    async next() {
      const { value, done } = await reader.next();
      if (done) return undefined;
      const bytes = http.bytesOf(value);
      if (bytes !== undefined) return bytes;
      const error = new TypeError('a chunk of a body is neither a view nor a buffer');
      reader.cancel(error);
      throw error;
    },
    cancel: (error) => reader.cancel(error).then(undefined, () => {}),
  });
  function bodyOf(request) {
    const taken = http.takeBody(request);
    if (taken === null) return undefined;
    return taken.bytes !== undefined ? ofBytes(taken.bytes) : ofReader(taken.reader);
  }

  // The stream that scripts read: what is asked for is taken.
  function streamOf(incoming, off) {
    let controller;
    const end = (error) => {
      off?.();
      unregister(unread, incoming);
      const to = controller.deref();
      if (error === undefined) to?.close();
      else to?.fail(error.value);
    };
    const stream = streams.readable({
      start(c) { controller = new WeakRef(c); },
      pull: (c) => incoming.next().then((part) => (part === undefined ? end() : c.enqueue(part)), (value) => end({ value })),
      cancel() {
        off?.();
        unregister(unread, incoming);
        incoming.cancel();
      },
    }, { bytes: true, mark: 0 });
    incoming.onFail = (value) => end({ value });
    register(unread, stream, incoming, incoming);
    return stream;
  }
  const isEmpty = (method, status) => method === 'HEAD' || status === 204 || status === 205 || status === 304;

  async function allOf(incoming) {
    const parts = [], most = web.limits.bytes;
    let length = 0;
    try {
      for (let part = await incoming.next(); part !== undefined; part = await incoming.next()) {
        length += part.length;
        if (length > most) throw new TypeError(`fetch failed: the integrity of more than ${most} bytes cannot be seen`);
        parts.push(part);
      }
      const all = new Uint8Array(length);
      for (const part of parts.reverse()) all.set(part, length -= part.length);
      return all;
    } catch (error) {
      incoming.cancel();
      throw error;
    }
  }
  // All of it has to be there before anybody sees a part.
  async function checked({ integrity }, bytes) {
    const wanted = readIntegrity(integrity);
    if (wanted !== undefined) await checkIntegrity(web, DIGEST, wanted, bytes);
    return bytes;
  }
  async function ofDataUrl(request) {
    const { type, bytes } = readDataUrl(request.url.split('#', 1)[0], http.typeOf);
    return http.makeResponse({
      status: 200, statusText: 'OK', headers: ['content-type', type], url: request.url.split('#', 1)[0], type: 'basic',
      body: request.integrity === '' ? bytes : await checked(request, bytes),
    });
  }

  async function fetch(input, init) {
    if (arguments.length === 0) throw new TypeError('fetch needs something to fetch');
    const request = http.request(input, init), { method, url, redirect, signal } = request, body = bodyOf(request);
    if (signal?.aborted) {
      body?.cancel?.(signal.reason);
      throw signal.reason;
    }
    if (url.startsWith('data:')) {
      body?.cancel?.();
      return ofDataUrl(request);
    }
    const { status, reason, headers, url: last, redirected, body: incoming, off } = await exchange({
      url, method, redirect, body, headers: http.fieldsOf(request),
      onAbort: signal && ((stop) => events.onAbort(signal, () => stop(signal.reason))),
    });
    const empty = isEmpty(method, status);
    if (empty) {
      off?.();
      incoming.cancel();
      if (request.integrity !== '') throw new TypeError('fetch failed: there is nothing that its integrity could be seen of');
    }
    let known;
    if (request.integrity !== '') {
      try {
        known = await checked(request, await allOf(incoming));
      } finally {
        off?.();
      }
    }
    return http.makeResponse({
      status, statusText: reason, headers, url: last.split('#', 1)[0], redirected, type: 'basic',
      body: empty ? null : known ?? streamOf(incoming, off),
    });
  }
  web.define({ fetch });
}
