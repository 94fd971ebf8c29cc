// Requests and their answers, as fetch.js and eventsource.js make them: plain objects, no classes of the platform. Each hop of a
// redirect goes by the host, which looks at its URL anew.
import { ASK, COST, PART, WINDOW, link } from './link.js';

const REDIRECTS = 20;
const DROPPED_WITH_BODY = ['content-encoding', 'content-language', 'content-location', 'content-type', 'content-length'];
const DROPPED_ELSEWHERE = ['authorization', 'cookie', 'host', 'proxy-authorization'];

export function exchanges(web, op) {
  const { Promise, TypeError, URL } = globalThis;
  const net = link(web, op);
  const broken = (kind, why) => new TypeError(`fetch failed: ${why}`, { cause: { kind, message: why } });

  // A body that comes: next() is a promise of bytes, of undefined at its end, or of why there is no more. `link` has taken(bytes) and
  // drop(). onFail(error), when set, hears that all of it is in vain.
  class Incoming {
    onFail;
    #link; #parts = []; #over = false; #error; #waiting;
    constructor(link) { this.#link = link; }
    next() {
      if (this.#parts.length > 0) return Promise.resolve(this.#take());
      if (this.#error !== undefined) return Promise.reject(this.#error.value);
      if (this.#over) return Promise.resolve(undefined);
      return new Promise((resolve, reject) => { this.#waiting = { resolve, reject }; });
    }
    fail(error) {
      this.#link.drop();
      this.#parts = [];
      this.end(error);
      this.onFail?.(error);
    }
    cancel() {
      this.#link.drop();
      this.#parts = [];
      this.end();
    }
    add(part) {
      this.#parts.push(part);
      this.#wake();
    }
    end(error) {
      if (this.#over || this.#error !== undefined) return;
      if (error === undefined) this.#over = true;
      else this.#error = { value: error };
      this.#wake();
    }
    #take() {
      const part = this.#parts.shift();
      this.#link.taken(part.length);
      return part;
    }
    #wake() {
      const waiting = this.#waiting;
      if (waiting === undefined) return;
      this.#waiting = undefined;
      if (this.#parts.length > 0) waiting.resolve(this.#take());
      else if (this.#error !== undefined) waiting.reject(this.#error.value);
      else waiting.resolve(undefined);
    }
  }

  // Sends what `body` has (see `exchange`), no further ahead than a window.
  class Upload {
    #job; #body; #failed; #room = WINDOW; #rest; #going = false; #over = false;
    constructor(job, body, failed) {
      this.#job = job;
      this.#body = body;
      this.#failed = failed;
      this.#go();
    }
    sent(bytes) {
      this.#room += bytes;
      this.#go();
    }
    // Nobody wants the rest.
    stop(error) {
      if (this.#over) return;
      this.#over = true;
      this.#body.cancel?.(error);
    }
    async #go() {
      if (this.#going) return;
      this.#going = true;
      try {
        while (this.#room > 0 && !this.#over) await this.#part();
        this.#going = false;
      } catch (error) {
        if (!this.#over) this.#failed(error);
      }
    }
    async #part() {
      const bytes = this.#rest ?? await this.#body.next();
      this.#rest = undefined;
      if (this.#over) return;
      if (bytes === undefined) {
        this.#over = true;
        this.#job.send(ASK.BODY_END);
        return;
      }
      if (bytes.length > PART) this.#rest = bytes.subarray(PART);
      if (bytes.length === 0) return;
      const part = bytes.length > PART ? bytes.subarray(0, PART) : bytes;
      this.#job.send(ASK.BODY, part);
      this.#room -= part.length + COST;
    }
  }

  // One request and its answer. Returns {head, stop}: a promise of {status, reason, headers, body}, and a function that ends all
  // of it with an error.
  function hop({ url, method, headers, body, endless }) {
    let job, upload, answer;
    const drop = (error) => {
      job?.drop();
      upload?.stop(error);
    };
    const incoming = new Incoming({ drop, taken: (bytes) => job.take(bytes + COST) });
    const head = new Promise((resolve, reject) => { answer = { resolve, reject }; });
    const stop = (error) => {
      upload?.stop(error);
      incoming.fail(error);
      answer.reject(error); // unless it is there
    };
    function hear(told) {
      if (told.byteLength !== undefined) return incoming.add(told);
      switch (told[0]) {
        case 'head': return answer.resolve({ status: told[1], reason: told[2], headers: told[3], body: incoming });
        case 'sent': return upload?.sent(told[1]);
        case 'end':
          upload?.stop();
          answer.reject(broken('network', 'there is no answer')); // unless it is there
          return incoming.end();
        case 'error': {
          const error = broken(told[1], told[2]);
          upload?.stop(error);
          incoming.end(error);
          answer.reject(error);
        }
      }
    }
    try {
      job = net.open(ASK.REQUEST, { url, method, headers, length: body?.length, endless: endless === true }, hear);
      if (body !== undefined) upload = new Upload(job, body, stop);
    } catch (error) {
      body?.cancel?.(error);
      answer.reject(broken('network', error.message));
    }
    return { head, stop };
  }

  function without(headers, names) {
    const kept = [];
    for (let i = 0; i < headers.length; i += 2)
      if (!names.includes(headers[i].toLowerCase())) kept.push(headers[i], headers[i + 1]);
    return kept;
  }
  function location(headers) {
    for (let i = 0; i < headers.length; i += 2)
      if (headers[i] === 'location') return headers[i + 1];
    return undefined;
  }
  const redirects = (status) => status === 301 || status === 302 || status === 303 || status === 307 || status === 308;

  // The request that a redirect asks for.
  function next(request, status, target) {
    const from = new URL(request.url);
    let to;
    try {
      to = new URL(target, from);
    } catch {
      throw broken('network', 'a redirect to what is no URL');
    }
    if (to.protocol !== 'http:' && to.protocol !== 'https:') throw broken('refused', 'a redirect to what is neither http nor https');
    if (to.username !== '' || to.password !== '') throw broken('refused', 'a redirect with a password');
    if (to.hash === '') to.hash = from.hash;
    const asked = { ...request, url: to.href };
    if (((status === 301 || status === 302) && request.method === 'POST') ||
        (status === 303 && request.method !== 'GET' && request.method !== 'HEAD')) {
      asked.method = 'GET';
      asked.body = undefined;
      asked.headers = without(asked.headers, DROPPED_WITH_BODY);
    } else if (request.body !== undefined && request.body.again === undefined) {
      throw broken('network', 'a body that was a stream cannot be sent once more');
    } else {
      asked.body = request.body?.again();
    }
    if (to.origin !== from.origin) asked.headers = without(asked.headers, DROPPED_ELSEWHERE);
    return asked;
  }

  // Asks, and follows redirects as request.redirect says ('follow', 'error', 'manual').
  // request: {url, method, headers: [name, value, ...], redirect, body, endless, onAbort}
  //   body: {length (-1: unknown), next(): a promise of bytes or, at its end, undefined; again(): the same body anew, if it can be;
  //     cancel(error), if anybody cares: the rest is not wanted}
  //   onAbort(fn): has fn(reason) called when all of it is to end; returns a function that takes that back
  // A promise of {status, reason, headers, url, redirected, body: Incoming, off}; off() takes onAbort back.
  async function exchange(request) {
    let stop, aborted;
    const off = request.onAbort?.((reason) => {
      aborted = { reason };
      stop?.(reason);
    });
    const going = (fn) => {
      stop = fn;
      if (aborted !== undefined) throw aborted.reason;
    };
    try {
      return { ...await follow(request, going), off };
    } catch (error) {
      off?.();
      throw error;
    }
  }
  async function follow(request, going) {
    let current = request;
    for (let hops = 0; ; hops++) {
      going(undefined); // an abort between two hops counts, too
      const { hash } = new URL(current.url);
      const { head: promise, stop } = hop({ ...current, url: current.url.slice(0, current.url.length - hash.length) });
      going(stop);
      const head = await promise;
      going(stop);
      const target = redirects(head.status) ? location(head.headers) : undefined;
      if (target === undefined || request.redirect === 'manual') return { ...head, url: current.url, redirected: hops > 0 };
      head.body.cancel();
      if (request.redirect === 'error') throw broken('refused', 'a redirect, which the request forbids');
      if (hops === REDIRECTS) throw broken('limit', `more than ${REDIRECTS} redirects`);
      current = next(current, head.status, target);
    }
  }
  return { exchange };
}
