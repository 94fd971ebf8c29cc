// WebSocket (WebSockets Standard), as a client. Handshake, frames and pings are net_socket.c's.
import { ASK, COST, PART, WINDOW, link } from './net/link.js';

export default function (web, op) {
  const { Object, String, Number, Math, Symbol, TypeError, ArrayBuffer, Uint8Array, Set, Array, DOMException, EventTarget, Event,
    MessageEvent, ErrorEvent, CloseEvent, Blob, URL } = globalThis;
  const { fire, handlers } = web.events;
  const net = link(web, op);
  const CONNECTING = 0, OPEN = 1, CLOSING = 2, CLOSED = 3;
  const CHARS = PART / 4; // of a part of text: at most three bytes each

  function utf8Length(text) {
    let length = text.length;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x800) length += unit >= 0xd800 && unit < 0xe000 ? 1 : 2;
      else if (unit >= 0x80) length++;
    }
    return length;
  }
  const syntax = (message) => new DOMException(message, 'SyntaxError');

  function address(url) {
    let parsed;
    try {
      parsed = new URL(String(url));
    } catch {
      throw syntax('no URL');
    }
    if (parsed.protocol === 'http:') parsed.protocol = 'ws:';
    else if (parsed.protocol === 'https:') parsed.protocol = 'wss:';
    if (parsed.protocol !== 'ws:' && parsed.protocol !== 'wss:') throw syntax('the URL is none of ws or wss');
    if (parsed.href.includes('#')) throw syntax('the URL has a fragment');
    return [parsed.origin, parsed.href];
  }
  function offered(protocols) {
    const all = typeof protocols === 'object' && protocols !== null ? Array.from(protocols, String) : [String(protocols)];
    for (const name of all)
      if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) throw syntax('a subprotocol is malformed');
    if (new Set(all).size !== all.length) throw syntax('a subprotocol is named twice');
    return all.join(', ');
  }
  const reasonOf = (reason) => {
    const text = String(reason).toWellFormed();
    if (utf8Length(text) > 123) throw syntax('the reason has more than 123 bytes');
    return text;
  };

  class WebSocket extends EventTarget {
    #url; #origin; #job; #state = CONNECTING; #protocol = ''; #binary = 'blob';
    #queue = []; // messages: {value, at, length, text}, or a promise of the bytes of a Blob
    #flights = []; // bytes of frames that were given out and are not sent
    #room = WINDOW; #buffered = 0; #closing; // what close() has asked for, when the queue is empty
    #parts = []; // of a message that comes
    constructor(url, protocols = []) {
      if (arguments.length === 0) throw new TypeError('a WebSocket needs a URL');
      super();
      [this.#origin, this.#url] = address(url);
      this.#job = net.open(ASK.SOCKET, { url: this.#url, protocols: offered(protocols) }, (told) => this.#hear(told));
    }
    get url() { return this.#url; }
    get readyState() { return this.#state; }
    get bufferedAmount() { return this.#buffered; }
    get protocol() { return this.#protocol; }
    get extensions() { return ''; }
    get binaryType() { return this.#binary; }
    set binaryType(type) {
      if (type === 'arraybuffer' || type === 'blob') this.#binary = type;
    }
    send(data) {
      if (arguments.length === 0) throw new TypeError('send needs something to send');
      if (this.#state === CONNECTING) throw new DOMException('the WebSocket is not open yet', 'InvalidStateError');
      let message;
      if (ArrayBuffer.isView(data)) message = { value: new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice() };
      else if (data instanceof ArrayBuffer) message = { value: new Uint8Array(data).slice() };
      else if (data instanceof Blob) message = { blob: data, length: data.size };
      else message = { value: String(data).toWellFormed(), text: true };
      message.at = 0;
      message.length ??= message.text ? utf8Length(message.value) : message.value.length;
      this.#buffered += message.length;
      if (this.#state !== OPEN) return; // it only counts
      this.#queue.push(message);
      this.#pump();
    }
    close(code, reason) {
      if (code !== undefined) {
        code = Number(code);
        code = code >= 0 && code <= 65535 ? Math.trunc(code) : 0; // [Clamp], of which few values are good anyway
        if (code !== 1000 && !(code >= 3000 && code <= 4999)) throw new DOMException('no code that may be given', 'InvalidAccessError');
      }
      const text = reason === undefined ? '' : reasonOf(reason);
      if (this.#state >= CLOSING) return;
      const early = this.#state === CONNECTING;
      this.#state = CLOSING;
      this.#closing = [code ?? (text === '' ? 1005 : 1000), text];
      if (early) this.#job.send(ASK.CLOSE, this.#closing);
      else this.#pump();
    }
    // Gives out as much of the queue as there is room for.
    #pump() {
      while (this.#queue.length > 0 && this.#room > 0) {
        const message = this.#queue[0];
        if (message.blob !== undefined) {
          this.#read(message);
          return;
        }
        const end = this.#partEnd(message), last = end === message.value.length;
        const part = message.text ? message.value.slice(message.at, end) : message.value.subarray(message.at, end);
        const length = message.text ? utf8Length(part) : part.length;
        const ask = message.text ? (last ? ASK.TEXT_LAST : ASK.TEXT) : last ? ASK.BYTES_LAST : ASK.BYTES;
        this.#job.send(ask, part);
        this.#flights.push(length);
        this.#room -= length + COST;
        message.at = end;
        if (last) this.#queue.shift();
      }
      if (this.#queue.length > 0 || this.#closing === undefined) return;
      this.#job.send(ASK.CLOSE, this.#closing);
      this.#closing = undefined;
    }
    #partEnd({ value, text, at }) {
      const end = at + (text ? CHARS : PART);
      if (end >= value.length) return value.length;
      const unit = text ? value.charCodeAt(end - 1) : 0;
      return unit >= 0xd800 && unit < 0xdc00 ? end - 1 : end; // a pair stays together
    }
    #read(message) {
      if (message.reading) return;
      message.reading = true;
      message.blob.arrayBuffer().then((bytes) => {
        message.value = new Uint8Array(bytes);
        message.blob = undefined;
        this.#pump();
      }, () => this.#job.drop());
    }
    #hear(told) {
      switch (told[0]) {
        case 'open': return this.#opened(told[1]);
        case 'text': case 'bytes': return this.#part(told);
        case 'sent': return this.#sent(told[1]);
        case 'closed': return this.#ended(told[1], told[2], told[3]);
        case 'error': return this.#ended(1006, '', false, told[2]);
      }
    }
    #opened(protocol) {
      if (this.#state !== CONNECTING) return;
      this.#state = OPEN;
      this.#protocol = protocol;
      fire(this, new Event('open'));
    }
    #sent(cost) {
      while (cost > 0) {
        const length = this.#flights.shift();
        cost -= length + COST;
        this.#room += length + COST;
        this.#buffered -= length;
      }
      this.#pump();
    }
    #part([word, part, last, cost]) {
      this.#job.take(cost);
      this.#parts.push(part);
      if (!last) return;
      const parts = this.#parts;
      this.#parts = [];
      if (this.#state !== OPEN) return;
      let data = parts.length === 1 ? parts[0] : word === 'text' ? parts.join('') : joined(parts);
      if (word === 'bytes') data = this.#binary === 'blob' ? new Blob([data]) : data.buffer;
      fire(this, new MessageEvent('message', { data, origin: this.#origin }));
    }
    #ended(code, reason, clean, why) {
      this.#state = CLOSED;
      this.#queue = [];
      this.#parts = [];
      if (!clean) fire(this, new ErrorEvent('error', { message: why }));
      fire(this, new CloseEvent('close', { code, reason, wasClean: clean }));
    }
  }
  function joined(parts) {
    let length = 0;
    for (const part of parts) length += part.length;
    const all = new Uint8Array(length);
    length = 0;
    for (const part of parts) {
      all.set(part, length);
      length += part.length;
    }
    return all;
  }
  for (const target of [WebSocket, WebSocket.prototype])
    for (const [name, value] of [['CONNECTING', CONNECTING], ['OPEN', OPEN], ['CLOSING', CLOSING], ['CLOSED', CLOSED]])
      Object.defineProperty(target, name, { __proto__: null, value, enumerable: true });
  handlers(WebSocket, 'open', 'error', 'close', 'message');
  Object.defineProperty(WebSocket.prototype, Symbol.toStringTag, { __proto__: null, value: 'WebSocket', configurable: true });
  web.define({ WebSocket });
}
