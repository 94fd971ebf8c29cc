// FormData (XMLHttpRequest Standard), and multipart/form-data (RFC 7578; names are escaped as the HTML Standard does).
import {
  Math, TypeError, Uint8Array, byteLength, face, isObject, joinBytes, need, scalarText, subBytes, uncurry,
} from '../lib/base.js';
import { pairs } from '../lib/pairs.js';
import {
  charCodeAt, decode, decodeAll, encode, fromCharCode, indexOf, isToken, lower, replaceEach, slice, trim,
} from '../lib/text.js';
import { blobBytes, blobType, fileName, isBlob, isFile, makeFile } from './blob.js';

const { random, floor } = Math;
const find = uncurry(Uint8Array.prototype.indexOf);
const MOST_PARTS = 10000, MOST_HEAD = 16384; // of what is parsed

let listOf;
const bad = () => { throw new TypeError('Illegal invocation'); };

// [name, value] of what append() and set() were given.
function entry(args, method) {
  const name = args[0], value = args[1], named = args.length > 2 && args[2] !== undefined;
  need(args.length, 2, method);
  const string = scalarText(name);
  if (!isBlob(value)) {
    if (args.length > 2) throw new TypeError('a name of a file is for a Blob');
    return [string, scalarText(value)];
  }
  if (!named) return [string, isFile(value) ? value : makeFile(blobBytes(value), blobType(value), 'blob')];
  return [string, makeFile(blobBytes(value), blobType(value), scalarText(args[2]), isFile(value) ? modified(value) : undefined)];
}
const modified = (file) => file.lastModified;

export class FormData {
  #list = [];
  static {
    listOf = (value) => (isObject(value) && #list in value ? value.#list : undefined);
  }
  constructor(form = undefined) {
    if (form !== undefined) throw new TypeError('there are no forms here');
  }
  append(name, value) {
    const list = listOf(this) ?? bad();
    list[list.length] = entry(arguments, 'append');
  }
  set(name, value) {
    const list = listOf(this) ?? bad(), made = entry(arguments, 'set');
    let at = 0, kept = 0, placed = false;
    for (; at < list.length; at++) {
      if (list[at][0] !== made[0]) list[kept++] = list[at];
      else if (!placed) {
        list[kept++] = made;
        placed = true;
      }
    }
    if (!placed) list[kept++] = made;
    list.length = kept;
  }
  delete(name) {
    const list = listOf(this) ?? bad();
    need(arguments.length, 1, 'delete');
    const string = scalarText(name);
    let kept = 0;
    for (let i = 0; i < list.length; i++) if (list[i][0] !== string) list[kept++] = list[i];
    list.length = kept;
  }
  get(name) {
    const list = listOf(this) ?? bad();
    need(arguments.length, 1, 'get');
    const string = scalarText(name);
    for (let i = 0; i < list.length; i++) if (list[i][0] === string) return list[i][1];
    return null;
  }
  getAll(name) {
    const list = listOf(this) ?? bad(), made = [];
    need(arguments.length, 1, 'getAll');
    const string = scalarText(name);
    for (let i = 0; i < list.length; i++) if (list[i][0] === string) made[made.length] = list[i][1];
    return made;
  }
  has(name) {
    const list = listOf(this) ?? bad();
    need(arguments.length, 1, 'has');
    const string = scalarText(name);
    for (let i = 0; i < list.length; i++) if (list[i][0] === string) return true;
    return false;
  }
}
face(FormData);
pairs(FormData, (form) => listOf(form) ?? bad());
export const isForm = (value) => listOf(value) !== undefined;
export function makeForm(list) {
  const form = new FormData(), to = listOf(form);
  for (let i = 0; i < list.length; i++) to[i] = list[i];
  return form;
}

// ---- to multipart/form-data

// Line ends are "\r\n" in a form.
const lines = (string) => replaceEach(string, (c) => c === 13 || c === 10, (c, i) =>
  (c === 13 ? (charCodeAt(string, i + 1) === 10 ? '\r' : '\r\n') : charCodeAt(string, i - 1) === 13 ? '\n' : '\r\n'));
const escape = (string) => replaceEach(string, (c) => c === 10 || c === 13 || c === 34, (c) => (c === 10 ? '%0A' : c === 13 ? '%0D' : '%22'));

// {bytes, boundary}
export function encodeForm(form) {
  const list = listOf(form), parts = [];
  let total = 0;
  let boundary = '----formdata-anqa-';
  for (let i = 0; i < 24; i++) boundary += fromCharCode(48 + floor(random() * 10));
  const add = (bytes) => {
    parts[parts.length] = bytes;
    total += byteLength(bytes);
  };
  for (let i = 0; i < list.length; i++) {
    const name = list[i][0], value = list[i][1];
    const head = '--' + boundary + '\r\nContent-Disposition: form-data; name="' + escape(lines(name)) + '"';
    if (typeof value === 'string') {
      add(encode(head + '\r\n\r\n' + lines(value) + '\r\n'));
    } else {
      const type = blobType(value) || 'application/octet-stream';
      add(encode(head + '; filename="' + escape(fileName(value)) + '"\r\nContent-Type: ' + type + '\r\n\r\n'));
      add(blobBytes(value));
      add(encode('\r\n'));
    }
  }
  add(encode('--' + boundary + '--\r\n'));
  return { bytes: joinBytes(parts, total), boundary };
}

// ---- from multipart/form-data

const broken = (why) => new TypeError(`the body is no form: ${why}`);

function startsWith(bytes, what, at) {
  if (at + byteLength(what) > byteLength(bytes)) return false;
  for (let i = byteLength(what) - 1; i >= 0; i--) if (bytes[at + i] !== what[i]) return false;
  return true;
}
// Where it comes next, or -1.
function search(bytes, what, from) {
  for (let at = find(bytes, what[0], from); at >= 0; at = find(bytes, what[0], at + 1)) if (startsWith(bytes, what, at)) return at;
  return -1;
}
const CRLF = encode('\r\n');

// A parameter of a Content-Disposition: what stands in quotes, or a token.
function parameter(string, at) {
  if (string[at] !== '"') {
    let end = at;
    while (end < string.length && string[end] !== ';') end++;
    return { value: trim(slice(string, at, end)), end };
  }
  const end = indexOf(string, '"', at + 1);
  if (end < 0) throw broken('a quote is not closed');
  return { value: unescape(slice(string, at + 1, end)), end: end + 1 };
}
function unescape(string) {
  let made = '', from = 0;
  for (let at = indexOf(string, '%', 0); at >= 0; at = indexOf(string, '%', at + 1)) {
    const code = lower(slice(string, at + 1, at + 3)), c = code === '0a' ? '\n' : code === '0d' ? '\r' : code === '22' ? '"' : '';
    if (c === '') continue;
    made += slice(string, from, at) + c;
    from = at + 3;
  }
  return from === 0 ? string : made + slice(string, from);
}
// {name, filename}
function disposition(string) {
  const found = { name: undefined, filename: undefined };
  let at = indexOf(string, ';', 0);
  if (lower(trim(slice(string, 0, at < 0 ? string.length : at))) !== 'form-data') throw broken('a part is no form-data');
  while (at >= 0 && at < string.length) {
    const equals = indexOf(string, '=', at);
    if (equals < 0) break;
    const key = lower(trim(slice(string, at + 1, equals)));
    let from = equals + 1;
    while (string[from] === ' ' || string[from] === '\t') from++;
    const { value, end } = parameter(string, from);
    if (key === 'name') found.name ??= value;
    if (key === 'filename') found.filename ??= value;
    at = indexOf(string, ';', end);
  }
  if (found.name === undefined) throw broken('a part has no name');
  return found;
}
// The fields before a part's body, and where that begins.
function head(bytes, from) {
  const made = { name: undefined, filename: undefined, type: undefined, at: from };
  for (;;) {
    const end = search(bytes, CRLF, made.at);
    if (end < 0 || end - from > MOST_HEAD) throw broken('the head of a part does not end');
    if (end === made.at) break;
    const line = decodeAll(subBytes(bytes, made.at, end)), colon = indexOf(line, ':', 0);
    if (colon < 0 || !isToken(slice(line, 0, colon))) throw broken('a field has no name');
    const name = lower(slice(line, 0, colon)), value = trim(slice(line, colon + 1));
    if (name === 'content-disposition') {
      const found = disposition(value);
      made.name = found.name;
      made.filename = found.filename;
    }
    if (name === 'content-type') made.type = value;
    made.at = end + 2;
  }
  if (made.name === undefined) throw broken('a part has no name');
  made.at += 2;
  return made;
}

export function parseForm(bytes, boundary) {
  if (boundary.length === 0 || boundary.length > 200) throw broken('its boundary is no good');
  const first = encode('--' + boundary), between = encode('\r\n--' + boundary), list = [];
  let at = startsWith(bytes, CRLF, 0) ? 2 : 0;
  if (!startsWith(bytes, first, at)) throw broken('it does not begin with its boundary');
  at += byteLength(first);
  for (;;) {
    if (bytes[at] === 45 && bytes[at + 1] === 45) return makeForm(list);
    if (!startsWith(bytes, CRLF, at)) throw broken('a boundary is not at the end of its line');
    if (list.length >= MOST_PARTS) throw broken(`more than ${MOST_PARTS} parts`);
    const part = head(bytes, at + 2), end = search(bytes, between, part.at);
    if (end < 0) throw broken('a part does not end');
    const body = subBytes(bytes, part.at, end);
    list[list.length] = [part.name, part.filename === undefined ? decode(body) :
      makeFile(joinBytes([body], byteLength(body)), lower(part.type ?? 'text/plain'), part.filename)];
    at = end + byteLength(between);
  }
}
