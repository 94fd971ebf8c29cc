// EventSource (HTML Standard, 9.2), over the same requests as fetch.
import { eventStream } from './net/event_stream.js';
import { exchanges } from './net/exchange.js';

export default function (web, op) {
  const { Object, Symbol, String, TypeError, DOMException, EventTarget, Event, MessageEvent, TextDecoder, URL } = globalThis;
  const { fire, handlers, report } = web.events;
  const { exchange } = exchanges(web, op);
  const CONNECTING = 0, OPEN = 1, CLOSED = 2;
  const RETRY_MS = 3000, RETRY_MOST_MS = 3_600_000;
  const EVENT_MAX = 4 << 20; // characters of one event

  function field(headers, name) {
    for (let i = 0; i < headers.length; i += 2)
      if (headers[i] === name) return headers[i + 1];
    return '';
  }
  const isEvents = (head) => head.status === 200 && /^text\/event-stream[ \t]*(;|$)/i.test(field(head.headers, 'content-type'));

  class EventSource extends EventTarget {
    #url; #credentials = false; #state = CONNECTING; #retry = RETRY_MS; #lastId = ''; #timer; #stop;
    constructor(url, init) {
      if (arguments.length === 0) throw new TypeError('an EventSource needs a URL');
      super();
      let parsed;
      try {
        parsed = new URL(String(url));
      } catch {
        throw new DOMException('no URL', 'SyntaxError');
      }
      this.#url = parsed.href;
      this.#credentials = !!init?.withCredentials;
      this.#connect();
    }
    get url() { return this.#url; }
    get readyState() { return this.#state; }
    get withCredentials() { return this.#credentials; }
    close() {
      this.#state = CLOSED;
      web.timers.clear(this.#timer);
      this.#stop?.(undefined);
    }
    async #connect() {
      const headers = ['accept', 'text/event-stream', 'cache-control', 'no-store'];
      let body, closed = false;
      if (this.#lastId !== '') headers.push('last-event-id', this.#lastId);
      const onAbort = (fn) => {
        this.#stop = (reason) => {
          closed = true;
          fn(reason);
        };
      };
      try {
        const head = await exchange({ url: this.#url, method: 'GET', headers, redirect: 'follow', endless: true, onAbort });
        body = head.body;
        if (!isEvents(head)) {
          body.cancel();
          this.#fail();
          return;
        }
        this.#opened();
        await this.#read(head);
      } catch (error) {
        if (!closed && (error?.cause?.kind === 'refused' || error?.cause?.kind === 'limit')) return this.#fail();
      }
      if (!closed) this.#again();
    }
    async #read({ body, url }) {
      const origin = new URL(url).origin, decoder = new TextDecoder();
      const stream = eventStream(EVENT_MAX, ({ type, data, id }) => {
        this.#lastId = id;
        if (this.#state !== CLOSED) fire(this, new MessageEvent(type, { data, origin, lastEventId: id }));
      }, (ms) => { this.#retry = ms < RETRY_MOST_MS ? ms : RETRY_MOST_MS; });
      stream.id = this.#lastId;
      try {
        for (;;) {
          const part = await body.next();
          if (part === undefined || this.#state === CLOSED) return;
          if (!stream.feed(decoder.decode(part, { stream: true }))) break;
        }
      } finally {
        this.#lastId = stream.id;
      }
      body.cancel();
      report('an EventSource was given up', new TypeError(`an event of more than ${EVENT_MAX} characters`));
      this.#fail();
    }
    #opened() {
      if (this.#state === CLOSED) return;
      this.#state = OPEN;
      fire(this, new Event('open'));
    }
    #again() {
      if (this.#state === CLOSED) return;
      this.#state = CONNECTING;
      fire(this, new Event('error'));
      if (this.#state === CONNECTING) this.#timer = web.timers.add(() => this.#connect(), this.#retry, [], false);
    }
    #fail() {
      if (this.#state === CLOSED) return;
      this.#state = CLOSED;
      fire(this, new Event('error'));
    }
  }
  for (const target of [EventSource, EventSource.prototype])
    for (const [name, value] of [['CONNECTING', CONNECTING], ['OPEN', OPEN], ['CLOSED', CLOSED]])
      Object.defineProperty(target, name, { __proto__: null, value, enumerable: true });
  handlers(EventSource, 'open', 'message', 'error');
  Object.defineProperty(EventSource.prototype, Symbol.toStringTag, { __proto__: null, value: 'EventSource', configurable: true });
  web.define({ EventSource });
}
