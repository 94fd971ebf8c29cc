// Bodies of requests and responses (Fetch Standard, 5.3): bytes that are known, or a stream. A stream is made of bytes only when
// somebody asks for it.
import {
  JSON, Object, TypeError, Uint8Array, byteLength, bufferOf, bytesOf, copyBytes, defineProperty, isObject, joinBytes, quiet, rejected,
  resolved, scalarText, then, uncurry, viewTag,
} from '../lib/base.js';
import { decode, encode, lower } from '../lib/text.js';
import { parameterOf, typeOfField, typeText } from './mime.js';

const { URLSearchParams } = globalThis, { parse } = JSON;
const paramsText = uncurry(URLSearchParams.prototype.toString), eachParam = uncurry(URLSearchParams.prototype.forEach);
const paramsHave = uncurry(URLSearchParams.prototype.has);

export const env = { streams: undefined, blob: undefined, events: undefined }; // of web; set by the module

export class Body {
  bytes; // undefined: only the stream has them
  stream; // a state of web.streams; undefined: not made yet
  #used = false;
  constructor(bytes, stream) {
    this.bytes = bytes;
    this.stream = stream;
  }
  get used() { return this.#used || (this.stream !== undefined && this.stream.disturbed); }
  get unusable() { return this.used || (this.stream !== undefined && this.stream.locked); }
  // The stream, for scripts to read.
  open() {
    if (this.stream === undefined) {
      this.stream = env.blob.stream(this.bytes);
      if (this.#used) quiet(this.stream.cancel(undefined));
    }
    return this.stream;
  }
  // Whoever takes the body reads it alone: its bytes, or a reader.
  take() {
    if (this.unusable) throw new TypeError('the body is used already');
    this.#used = true;
    if (this.bytes === undefined) return { bytes: undefined, reader: env.streams.reader(this.stream) };
    if (this.stream !== undefined) {
      // a stream that nobody has read yet; who asks for it finds it at its end
      const reader = env.streams.reader(this.stream);
      quiet(reader.cancel(undefined));
      this.stream.disturbed = true;
    }
    return { bytes: this.bytes, reader: undefined };
  }
  clone() {
    if (this.bytes !== undefined) return new Body(this.bytes, undefined);
    const { left, right } = env.streams.tee(this.stream, (chunk) => (viewTag(chunk) === 'Uint8Array' ? copyBytes(chunk) : chunk));
    this.stream = left;
    return new Body(undefined, right);
  }
  // The same for another request; this one is used then.
  move() {
    const { bytes, stream } = this;
    if (bytes !== undefined) {
      this.take();
      return new Body(bytes, undefined);
    }
    const through = env.streams.transform({ transform: (chunk, t) => t.enqueue(chunk) });
    quiet(env.streams.pipe(stream, through.writable, { preventAbort: false, preventCancel: false, preventClose: false, signal: undefined }));
    return new Body(undefined, through.readable);
  }
  // A promise of all its bytes.
  all() {
    const { bytes, reader } = this.take();
    return bytes === undefined ? readAll(reader) : resolved(bytes);
  }
}

function readAll(reader) {
  const parts = [];
  let total = 0;
  const next = () => then(reader.next(), ({ value, done }) => {
    if (done) return joinBytes(parts, total);
    if (viewTag(value) !== 'Uint8Array') {
      const error = new TypeError('a chunk of the body is no Uint8Array');
      quiet(reader.cancel(error));
      throw error;
    }
    parts[parts.length] = value;
    total += byteLength(value);
    return next();
  });
  return next();
}

const isParams = (value) => {
  try {
    paramsHave(value, '');
    return true;
  } catch {
    return false;
  }
};

// What a script gave as a body: {body, type}; type: for a Content-Type, or null.
export function extract(given) {
  const { streams, blob } = env, stream = streams.of(given);
  if (stream !== undefined) {
    if (stream.disturbed || stream.locked) throw new TypeError('the stream of the body is used or locked');
    return { body: new Body(undefined, stream), type: null };
  }
  if (isObject(given)) {
    if (blob.is(given)) return { body: new Body(blob.bytes(given), undefined), type: blob.type(given) === '' ? null : blob.type(given) };
    const bytes = bytesOf(given);
    if (bytes !== undefined) return { body: new Body(copyBytes(bytes), undefined), type: null };
    if (blob.isForm(given)) {
      const { bytes: all, boundary } = blob.encodeForm(given);
      return { body: new Body(all, undefined), type: 'multipart/form-data; boundary=' + boundary };
    }
    if (isParams(given))
      return { body: new Body(encode(paramsText(given)), undefined), type: 'application/x-www-form-urlencoded;charset=UTF-8' };
  }
  return { body: new Body(encode(scalarText(given)), undefined), type: 'text/plain;charset=UTF-8' };
}

function formOf(bytes, type) {
  if (type?.essence === 'multipart/form-data') return env.blob.parseForm(bytes, parameterOf(type, 'boundary') ?? '');
  if (type?.essence !== 'application/x-www-form-urlencoded') throw new TypeError('the body is no form by its Content-Type');
  const list = [];
  eachParam(new URLSearchParams(decode(bytes)), (value, name) => { list[list.length] = [name, value]; });
  return env.blob.makeForm(list);
}

// Gives a class what requests and responses have in common; of(object) is {body: a Body or null, fields}, or it throws.
export function mixin(made, of) {
  const typeOf = ({ fields }) => {
    const value = fields.get('content-type');
    return value === null ? undefined : typeOfField(value);
  };
  function consume(object, convert) {
    try {
      const state = of(object);
      return then(state.body === null ? resolved(new Uint8Array(0)) : state.body.all(), (bytes) => convert(bytes, state));
    } catch (error) {
      return rejected(error);
    }
  }
  const methods = {
    get body() {
      const { body } = of(this);
      return body === null ? null : env.streams.face(body.open());
    },
    get bodyUsed() {
      const { body } = of(this);
      return body !== null && body.used;
    },
    arrayBuffer() { return consume(this, (bytes) => bufferOf(copyBytes(bytes))); },
    blob() {
      return consume(this, (bytes, state) => {
        const type = typeOf(state);
        return env.blob.make(copyBytes(bytes), type === undefined ? '' : lower(typeText(type)));
      });
    },
    bytes() { return consume(this, (bytes) => copyBytes(bytes)); },
    formData() { return consume(this, (bytes, state) => formOf(bytes, typeOf(state))); },
    json() { return consume(this, (bytes) => parse(decode(bytes))); },
    text() { return consume(this, (bytes) => decode(bytes)); },
  };
  for (const name of Object.keys(methods)) {
    const found = Object.getOwnPropertyDescriptor(methods, name);
    defineProperty(made.prototype, name, { ...found, enumerable: true });
  }
}
