// Blob and File (File API). What a blob holds never changes: a slice of it is a view of the same bytes.
import {
  Math, TypeError, byteLength, bytesOf, copyBytes, dictionary, face, isObject, joinBytes, need, rejected,
  resolved, scalarText, subBytes, text, bufferOf,
} from '../lib/base.js';
import { sequence } from '../lib/pairs.js';
import { charCodeAt, decode, encode, lower, replaceEach } from '../lib/text.js';

const { Date } = globalThis, { now } = Date;
const { min, trunc } = Math;
const CHUNK = 65536; // of stream()

export const env = { streams: undefined }; // of web; set by the module

let bytesIn, typeIn;
const bad = () => { throw new TypeError('Illegal invocation'); };
const KEEP = {}; // first argument: the bytes are ours

// "\r\n" and "\r" become "\n", the line's end here.
const native = (string) => replaceEach(string, (c) => c === 13, (c, i) => (charCodeAt(string, i + 1) === 10 ? '' : '\n'));

function partOf(value) {
  const held = isObject(value) ? bytesIn(value) ?? bytesOf(value) : undefined;
  return held ?? scalarText(value);
}
function typeOf(given) {
  const type = text(given);
  for (let i = 0; i < type.length; i++) if (charCodeAt(type, i) < 32 || charCodeAt(type, i) > 126) return '';
  return lower(type);
}
function endingsOf(given) {
  const endings = given === undefined ? 'transparent' : text(given);
  if (endings !== 'transparent' && endings !== 'native') throw new TypeError(`endings are transparent or native, not '${endings}'`);
  return endings;
}
function join(parts, endings) {
  let total = 0;
  for (let i = 0; i < parts.length; i++) {
    if (typeof parts[i] === 'string') parts[i] = encode(endings === 'native' ? native(parts[i]) : parts[i]);
    total += byteLength(parts[i]);
  }
  return joinBytes(parts, total);
}
// A number as Web IDL clamps it to an integer.
function clamp(value) {
  const n = +value;
  return n !== n ? 0 : trunc(n);
}
const place = (given, size, standard) => {
  if (given === undefined) return standard;
  const n = clamp(given);
  return n < 0 ? (size + n < 0 ? 0 : size + n) : min(n, size);
};

export class Blob {
  #bytes; #type = '';
  static {
    bytesIn = (value) => (isObject(value) && #bytes in value ? value.#bytes : undefined);
    typeIn = (value) => value.#type;
  }
  constructor(blobParts = undefined, options = {}) {
    if (blobParts === KEEP) {
      this.#bytes = options.bytes;
      this.#type = options.type;
      return;
    }
    const parts = blobParts === undefined ? [] : sequence(blobParts, partOf, 'what a Blob is made of');
    const from = dictionary(options, 'options'), endings = endingsOf(from.endings), { type } = from;
    if (type !== undefined) this.#type = typeOf(type);
    this.#bytes = join(parts, endings);
  }
  get size() { return byteLength(bytesIn(this) ?? bad()); }
  get type() { return this.#type; }
  slice(start = undefined, end = undefined, contentType = undefined) {
    const bytes = bytesIn(this) ?? bad(), size = byteLength(bytes);
    const from = place(start, size, 0), to = place(end, size, size);
    return makeBlob(subBytes(bytes, from, to > from ? to : from), contentType === undefined ? '' : typeOf(contentType));
  }
  text() { return later(() => decode(bytesIn(this) ?? bad())); }
  arrayBuffer() { return later(() => bufferOf(copyBytes(bytesIn(this) ?? bad()))); }
  bytes() { return later(() => copyBytes(bytesIn(this) ?? bad())); }
  stream() { return env.streams.face(streamOfBytes(bytesIn(this) ?? bad())); }
}
function later(fn) {
  try {
    return resolved(fn());
  } catch (error) {
    return rejected(error);
  }
}
// A stream of copies, as it is read.
export function streamOfBytes(bytes) {
  const size = byteLength(bytes);
  let at = 0;
  return env.streams.readable({
    start(controller) { if (size === 0) controller.close(); },
    pull(controller) {
      const end = min(at + CHUNK, size);
      controller.enqueue(copyBytes(subBytes(bytes, at, end)));
      at = end;
      if (at < size) return;
      controller.close();
      controller.currentRequest()?.controller.respond(0);
    },
  }, { bytes: true, mark: 0 });
}

const MOST = 2 ** 63;
function millis(value) { // long long
  const n = trunc(+value);
  return n !== n || n >= MOST || n < -MOST ? 0 : n + 0;
}

let nameIn, timeIn;
export class File extends Blob {
  #name; #lastModified;
  static {
    nameIn = (value) => (isObject(value) && #name in value ? value.#name : undefined);
    timeIn = (value) => value.#lastModified;
  }
  constructor(fileBits, fileName, options = {}) {
    if (fileBits === KEEP) {
      super(KEEP, options);
      this.#name = fileName;
      this.#lastModified = options.lastModified ?? now();
      return;
    }
    need(arguments.length, 2, 'File');
    if (!isObject(fileBits)) throw new TypeError('what a File is made of cannot be iterated over');
    super(fileBits, options);
    this.#name = scalarText(fileName);
    const { lastModified } = dictionary(options, 'options');
    this.#lastModified = lastModified === undefined ? now() : millis(lastModified);
  }
  get name() { return this.#name; }
  get lastModified() { return this.#lastModified; }
}

export const isBlob = (value) => bytesIn(value) !== undefined;
export const isFile = (value) => nameIn(value) !== undefined;
export const blobBytes = (value) => bytesIn(value);
export const blobType = (value) => typeIn(value);
export const fileName = (value) => nameIn(value);
export const makeBlob = (bytes, type) => new Blob(KEEP, { bytes, type });
export const makeFile = (bytes, type, name, lastModified) => new File(KEEP, name, { bytes, type, lastModified });
// For structuredClone: of the same bytes, which never change.
export const copyBlob = (blob) => (isFile(blob) ? makeFile(blobBytes(blob), blobType(blob), nameIn(blob), timeIn(blob)) : makeBlob(blobBytes(blob), blobType(blob)));
face(Blob);
face(File);
