// Headers (Fetch Standard, 5.1). No name is forbidden here: what a request must not choose is for the network to decide.
import {
  Array, Symbol, TypeError, face, getOwnPropertyDescriptor, isObject, need, ownKeys, text, uncurry,
} from '../lib/base.js';
import { pairs, sequence } from '../lib/pairs.js';
import { charCodeAt, isToken, lower, trim } from '../lib/text.js';

const sort = uncurry(Array.prototype.sort);
const bad = () => { throw new TypeError('Illegal invocation'); };

function byteText(value) {
  const string = text(value);
  for (let i = 0; i < string.length; i++)
    if (charCodeAt(string, i) > 255) throw new TypeError('a field has a character beyond U+00FF');
  return string;
}
function nameOf(value) {
  const name = byteText(value);
  if (!isToken(name)) throw new TypeError('that is no name of a field');
  return name;
}
function valueOf(value) {
  const string = trim(byteText(value));
  for (let i = 0; i < string.length; i++) {
    const c = charCodeAt(string, i);
    if (c === 0 || c === 10 || c === 13) throw new TypeError('the value of a field has a line end or a NUL');
  }
  return string;
}

// What a Headers object holds: {key, name, value} in the order in which they were added; key is the name in lower case.
export class Fields {
  list = [];
  immutable = false;
  #shown = undefined; // sorted and combined; until something changes
  add(name, value) {
    this.#shown = undefined;
    this.list[this.list.length] = { key: lower(name), name, value };
  }
  remove(name) {
    const key = lower(name), { list } = this;
    let kept = 0;
    this.#shown = undefined;
    for (let i = 0; i < list.length; i++) if (list[i].key !== key) list[kept++] = list[i];
    list.length = kept;
  }
  put(name, value) {
    const key = lower(name), { list } = this;
    let kept = 0, placed = false;
    this.#shown = undefined;
    for (let i = 0; i < list.length; i++) {
      if (list[i].key !== key) list[kept++] = list[i];
      else if (!placed) {
        list[kept++] = { key, name: list[i].name, value };
        placed = true;
      }
    }
    if (!placed) list[kept++] = { key, name, value };
    list.length = kept;
  }
  // The values of a name, joined; null: there is none.
  get(name) {
    const key = lower(name), { list } = this;
    let value = null;
    for (let i = 0; i < list.length; i++) if (list[i].key === key) value = value === null ? list[i].value : value + ', ' + list[i].value;
    return value;
  }
  has(name) {
    const key = lower(name), { list } = this;
    for (let i = 0; i < list.length; i++) if (list[i].key === key) return true;
    return false;
  }
  cookies() {
    const { list } = this, made = [];
    for (let i = 0; i < list.length; i++) if (list[i].key === 'set-cookie') made[made.length] = list[i].value;
    return made;
  }
  // Sorted by name; values of one are joined, but those of Set-Cookie.
  shown() {
    if (this.#shown !== undefined) return this.#shown;
    const { list } = this, sorted = [], made = [];
    for (let i = 0; i < list.length; i++) sorted[i] = { key: list[i].key, value: list[i].value, i };
    sort(sorted, (a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.i - b.i));
    for (let i = 0; i < sorted.length; i++) {
      const { key, value } = sorted[i], last = made[made.length - 1];
      if (last !== undefined && last[0] === key && key !== 'set-cookie') last[1] += ', ' + value;
      else made[made.length] = [key, value];
    }
    this.#shown = made;
    return made;
  }
  copy() {
    const made = new Fields();
    for (let i = 0; i < this.list.length; i++) made.list[i] = this.list[i];
    return made;
  }
  // What a script gave as `headers`.
  fill(init) {
    if (!isObject(init)) throw new TypeError('headers are an object or a list of pairs');
    const { iterator } = Symbol, method = init[iterator];
    if (method !== undefined && method !== null) {
      const given = sequence(init, (pair) => sequence(pair, byteText, 'a pair'), 'headers');
      for (let i = 0; i < given.length; i++) {
        if (given[i].length !== 2) throw new TypeError('a pair has not two elements');
        this.add(nameOf(given[i][0]), valueOf(given[i][1]));
      }
      return;
    }
    const keys = ownKeys(init), given = [];
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i], found = getOwnPropertyDescriptor(init, key);
      if (found === undefined || !found.enumerable) continue;
      given[given.length] = { name: byteText(key), value: byteText(init[key]) };
    }
    for (let i = 0; i < given.length; i++) this.add(nameOf(given[i].name), valueOf(given[i].value));
  }
}

let fieldsIn;
const KEEP = {};
function refuse(fields) {
  if (fields.immutable) throw new TypeError('these headers cannot be changed');
}

export class Headers {
  #fields;
  static {
    fieldsIn = (value) => (isObject(value) && #fields in value ? value.#fields : undefined);
  }
  constructor(init = undefined) {
    if (init === KEEP) {
      this.#fields = arguments[1];
      return;
    }
    this.#fields = new Fields();
    if (init !== undefined) this.#fields.fill(init);
  }
  append(name, value) {
    const fields = fieldsIn(this) ?? bad();
    need(arguments.length, 2, 'append');
    const given = nameOf(name), string = valueOf(value);
    refuse(fields);
    fields.add(given, string);
  }
  delete(name) {
    const fields = fieldsIn(this) ?? bad();
    need(arguments.length, 1, 'delete');
    const given = nameOf(name);
    refuse(fields);
    fields.remove(given);
  }
  get(name) {
    const fields = fieldsIn(this) ?? bad();
    need(arguments.length, 1, 'get');
    return fields.get(nameOf(name));
  }
  has(name) {
    const fields = fieldsIn(this) ?? bad();
    need(arguments.length, 1, 'has');
    return fields.has(nameOf(name));
  }
  set(name, value) {
    const fields = fieldsIn(this) ?? bad();
    need(arguments.length, 2, 'set');
    const given = nameOf(name), string = valueOf(value);
    refuse(fields);
    fields.put(given, string);
  }
  getSetCookie() { return (fieldsIn(this) ?? bad()).cookies(); }
}
face(Headers);
pairs(Headers, (headers) => (fieldsIn(headers) ?? bad()).shown());
export const fieldsOf = (value) => fieldsIn(value);
export const makeHeaders = (fields) => new Headers(KEEP, fields);
