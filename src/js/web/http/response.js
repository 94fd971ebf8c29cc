// Response (Fetch Standard, 5.5).
import {
  JSON, RangeError, TypeError, dictionary, face, getOwnPropertyDescriptor, isObject, isView, need, text, uncurry,
} from '../lib/base.js';
import { charCodeAt } from '../lib/text.js';
import { Body, extract, mixin } from './body.js';
import { Fields, makeHeaders } from './headers.js';

const { URL } = globalThis, { stringify } = JSON;
const href = uncurry(getOwnPropertyDescriptor(URL.prototype, 'href').get);
const KEEP = {};
let stateIn;
const bad = () => { throw new TypeError('Illegal invocation'); };

class State {
  type = 'default';
  url = '';
  redirected = false;
  status = 200;
  statusText = '';
  fields = new Fields();
  body = null;
  headers = undefined; // what scripts see of the fields
}

function init(state, given, body, type) {
  const from = dictionary(given, 'init');
  const headers = from.headers, { status, statusText } = from;
  if (status !== undefined) {
    const n = (+status | 0) & 0xffff;
    if (n < 200 || n > 599) throw new RangeError('a status is from 200 to 599');
    state.status = n;
  }
  if (statusText !== undefined) {
    const phrase = text(statusText);
    for (let i = 0; i < phrase.length; i++) {
      const c = charCodeAt(phrase, i);
      if (c > 255 || c === 127 || (c < 32 && c !== 9)) throw new TypeError('a statusText has a character that cannot be in it');
    }
    state.statusText = phrase;
  }
  if (headers !== undefined) state.fields.fill(headers);
  if (body === null) return;
  if (state.status === 204 || state.status === 205 || state.status === 304) throw new TypeError(`a response of ${state.status} has no body`);
  state.body = body;
  if (type !== null && !state.fields.has('content-type')) state.fields.add('content-type', type);
}

export class Response {
  #s;
  static {
    stateIn = (value) => (isObject(value) && #s in value ? value.#s : undefined);
  }
  constructor(body = null, given = {}) {
    if (body === KEEP) {
      this.#s = given;
      return;
    }
    const state = this.#s = new State();
    if (body === null || body === undefined) {
      init(state, given, null, null);
    } else {
      const made = extract(body);
      init(state, given, made.body, made.type);
    }
  }
  get type() { return (stateIn(this) ?? bad()).type; }
  get url() { return (stateIn(this) ?? bad()).url; }
  get redirected() { return (stateIn(this) ?? bad()).redirected; }
  get status() { return (stateIn(this) ?? bad()).status; }
  get ok() {
    const { status } = stateIn(this) ?? bad();
    return status >= 200 && status <= 299;
  }
  get statusText() { return (stateIn(this) ?? bad()).statusText; }
  get headers() {
    const state = stateIn(this) ?? bad();
    return state.headers ??= makeHeaders(state.fields);
  }
  clone() {
    const state = stateIn(this) ?? bad();
    if (state.body !== null && state.body.unusable) throw new TypeError('the body is used already');
    const made = new State();
    made.type = state.type;
    made.url = state.url;
    made.redirected = state.redirected;
    made.status = state.status;
    made.statusText = state.statusText;
    made.fields = state.fields.copy();
    made.fields.immutable = state.fields.immutable;
    made.body = state.body === null ? null : state.body.clone();
    return wrap(made);
  }
  static error() {
    const state = new State();
    state.type = 'error';
    state.status = 0;
    state.fields.immutable = true;
    return wrap(state);
  }
  static redirect(url, status = 302) {
    need(arguments.length, 1, 'redirect');
    const to = new URL(text(url)), n = (+status | 0) & 0xffff;
    if (n !== 301 && n !== 302 && n !== 303 && n !== 307 && n !== 308) throw new RangeError(`${n} is no status of a redirect`);
    const state = new State();
    state.status = n;
    state.fields.add('location', href(to));
    state.fields.immutable = true;
    return wrap(state);
  }
  static json(data, given = {}) {
    need(arguments.length, 1, 'json');
    const string = stringify(data);
    if (string === undefined) throw new TypeError('JSON has no word for that');
    const state = new State();
    init(state, given, extract(string).body, 'application/json');
    return wrap(state);
  }
}
// What a class says of itself inside of itself costs it its name in a bundle.
const wrap = (state) => new Response(KEEP, state);
face(Response);
mixin(Response, (response) => stateIn(response) ?? bad());

export const responseState = (value) => stateIn(value);
// See web.http.makeResponse.
export function makeResponse({ status, statusText = '', headers = [], url = '', redirected = false, type = 'default', body = null }) {
  const state = new State();
  state.status = status;
  state.statusText = statusText;
  state.url = url;
  state.redirected = redirected;
  state.type = type;
  for (let i = 0; i + 1 < headers.length; i += 2) state.fields.add(headers[i], headers[i + 1]);
  state.fields.immutable = true;
  if (body !== null) state.body = isView(body) ? new Body(body, undefined) : new Body(undefined, body);
  return wrap(state);
}
