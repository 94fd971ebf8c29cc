// Request (Fetch Standard, 5.4). There is no page: no origin, no base for URLs, no cache and no credentials of its own; the
// members that tell of them are kept as they were given.
import {
  Symbol, TypeError, apply, dictionary, face, getOwnPropertyDescriptor, isObject, need, text, uncurry,
} from '../lib/base.js';
import { isToken, upper } from '../lib/text.js';
import { env, extract, mixin } from './body.js';
import { Fields, makeHeaders } from './headers.js';

const { URL, AbortController, AbortSignal } = globalThis;
const get = (made, name) => uncurry(getOwnPropertyDescriptor(made.prototype, name).get);
const href = get(URL, 'href'), username = get(URL, 'username'), password = get(URL, 'password');
const signalOf = get(AbortController, 'signal'), any = AbortSignal.any;
const KEEP = {};
let stateIn;
const bad = () => { throw new TypeError('Illegal invocation'); };

class State {
  method = 'GET';
  url = '';
  fields = new Fields();
  body = null;
  signal = undefined; // what was given
  ownSignal = undefined; // that scripts see; follows it
  headers = undefined;
  cache = 'default';
  credentials = 'same-origin';
  integrity = '';
  keepalive = false;
  mode = 'cors';
  redirect = 'follow';
  referrer = 'about:client';
  referrerPolicy = '';
  copy() {
    const made = new State();
    made.method = this.method;
    made.url = this.url;
    made.fields = this.fields.copy();
    made.signal = this.ownSignal ?? this.signal;
    made.cache = this.cache;
    made.credentials = this.credentials;
    made.integrity = this.integrity;
    made.keepalive = this.keepalive;
    made.mode = this.mode;
    made.redirect = this.redirect;
    made.referrer = this.referrer;
    made.referrerPolicy = this.referrerPolicy;
    return made;
  }
}

const NORMAL = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'], REFUSED = ['CONNECT', 'TRACE', 'TRACK'];
function holds(list, value) {
  for (let i = 0; i < list.length; i++) if (list[i] === value) return true;
  return false;
}
function oneOf(given, list, name) {
  const value = text(given);
  if (!holds(list, value)) throw new TypeError(`the ${name} '${value}' is not known`);
  return value;
}
const CACHES = ['default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached'];
const CREDENTIALS = ['omit', 'same-origin', 'include'];
const MODES = ['navigate', 'same-origin', 'no-cors', 'cors'];
const REDIRECTS = ['follow', 'error', 'manual'];
const POLICIES = ['', 'no-referrer', 'no-referrer-when-downgrade', 'same-origin', 'origin', 'strict-origin',
  'origin-when-cross-origin', 'strict-origin-when-cross-origin', 'unsafe-url'];

function methodOf(given) {
  const method = text(given);
  if (!isToken(method)) throw new TypeError('that is no method');
  const large = upper(method);
  if (holds(REFUSED, large)) throw new TypeError(`the method ${large} is not for scripts`);
  return holds(NORMAL, large) ? large : method;
}
function urlOf(given) {
  const url = new URL(given);
  if (username(url) !== '' || password(url) !== '') throw new TypeError('the URL of a request has no user and no password');
  return href(url);
}
// What init says beside headers and body.
function choose(state, from) {
  const { cache, credentials } = from;
  if (cache !== undefined) state.cache = oneOf(cache, CACHES, 'cache');
  if (credentials !== undefined) state.credentials = oneOf(credentials, CREDENTIALS, 'credentials');
  const { integrity, keepalive, method, mode } = from;
  if (integrity !== undefined) state.integrity = text(integrity);
  if (keepalive !== undefined) state.keepalive = !!keepalive;
  if (method !== undefined) state.method = methodOf(method);
  if (mode !== undefined) state.mode = oneOf(mode, MODES, 'mode');
  if (state.mode === 'navigate') throw new TypeError('requests of scripts do not navigate');
  const { redirect, referrer, referrerPolicy, signal } = from;
  if (redirect !== undefined) state.redirect = oneOf(redirect, REDIRECTS, 'redirect');
  if (referrer !== undefined) state.referrer = referrerOf(text(referrer));
  if (referrerPolicy !== undefined) state.referrerPolicy = oneOf(referrerPolicy, POLICIES, 'referrerPolicy');
  if (state.cache === 'only-if-cached' && state.mode !== 'same-origin')
    throw new TypeError("the cache 'only-if-cached' is for the mode 'same-origin'");
  if (signal === undefined) return;
  if (signal !== null && !env.events.isSignal(signal)) throw new TypeError('the signal is no AbortSignal');
  state.signal = signal ?? undefined;
}
function referrerOf(given) {
  if (given === '') return 'no-referrer';
  const url = href(new URL(given));
  return url === 'about:client' ? url : 'about:client'; // as for one of another origin
}

export class Request {
  #s;
  static {
    stateIn = (value) => (isObject(value) && #s in value ? value.#s : undefined);
  }
  constructor(input, init = {}) {
    if (input === KEEP) {
      this.#s = init;
      return;
    }
    need(arguments.length, 1, 'Request');
    const from = dictionary(init, 'init'), old = stateIn(input);
    const state = this.#s = old === undefined ? new State() : old.copy();
    if (old === undefined) state.url = urlOf(text(input));
    if (from.window !== undefined && from.window !== null) throw new TypeError('window is null');
    choose(state, from);
    const { headers, body, duplex } = from;
    if (duplex !== undefined) oneOf(duplex, ['half'], 'duplex');
    if (headers !== undefined) {
      state.fields = new Fields();
      state.fields.fill(headers);
    }
    const given = body !== undefined && body !== null, inherits = !given && old !== undefined && old.body !== null;
    if ((given || inherits) && (state.method === 'GET' || state.method === 'HEAD')) throw new TypeError(`${state.method} has no body`);
    if (given) {
      const made = extract(body);
      if (made.body.bytes === undefined && duplex === undefined) throw new TypeError("a stream as a body needs duplex: 'half'");
      if (made.type !== null && !state.fields.has('content-type')) state.fields.add('content-type', made.type);
      state.body = made.body;
    } else if (inherits) {
      if (old.body.unusable) throw new TypeError('the body of the request is used already');
      state.body = old.body.move();
    }
  }
  get method() { return (stateIn(this) ?? bad()).method; }
  get url() { return (stateIn(this) ?? bad()).url; }
  get headers() {
    const state = stateIn(this) ?? bad();
    return state.headers ??= makeHeaders(state.fields);
  }
  get destination() { return stateIn(this) === undefined ? bad() : ''; }
  get referrer() {
    const { referrer } = stateIn(this) ?? bad();
    return referrer === 'no-referrer' ? '' : referrer;
  }
  get referrerPolicy() { return (stateIn(this) ?? bad()).referrerPolicy; }
  get mode() { return (stateIn(this) ?? bad()).mode; }
  get credentials() { return (stateIn(this) ?? bad()).credentials; }
  get cache() { return (stateIn(this) ?? bad()).cache; }
  get redirect() { return (stateIn(this) ?? bad()).redirect; }
  get integrity() { return (stateIn(this) ?? bad()).integrity; }
  get keepalive() { return (stateIn(this) ?? bad()).keepalive; }
  get isReloadNavigation() { return stateIn(this) === undefined ? bad() : false; }
  get isHistoryNavigation() { return stateIn(this) === undefined ? bad() : false; }
  get signal() {
    const state = stateIn(this) ?? bad();
    return state.ownSignal ??= follow(state.signal);
  }
  get duplex() { return stateIn(this) === undefined ? bad() : 'half'; }
  clone() {
    const state = stateIn(this) ?? bad();
    if (state.body !== null && state.body.unusable) throw new TypeError('the body is used already');
    const made = state.copy();
    made.body = state.body === null ? null : state.body.clone();
    return wrap(made);
  }
}
// A signal of its own for each request, aborted with what it was given.
function follow(signal) {
  if (signal === undefined) return signalOf(new AbortController());
  let given = false;
  const next = () => {
    if (given) return { value: undefined, done: true };
    given = true;
    return { value: signal, done: false };
  };
  // an iterator of our own: that of arrays may have been replaced
  return apply(any, AbortSignal, [{ __proto__: null, [Symbol.iterator]: () => ({ next }) }]);
}
const wrap = (state) => new Request(KEEP, state); // see response.js
face(Request);
mixin(Request, (request) => stateIn(request) ?? bad());

export const requestState = (value) => stateIn(value);
