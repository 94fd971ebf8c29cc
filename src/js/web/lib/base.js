// What modules of the web platform are written with: the language as it was before any script ran. Scripts may replace every
// global and every method of a prototype; modules call only what is kept here, and iterate over nothing of a script's by
// accident (no spread, no destructuring of arrays, no for-of where Array.prototype could have been changed).
export const {
  Array, ArrayBuffer, BigInt, Boolean, DataView, Error, Function, JSON, Map, Math, Number, Object, Promise, RangeError, Reflect,
  RegExp, Set, String, Symbol, SyntaxError, TypeError, Uint8Array, WeakMap, WeakRef, FinalizationRegistry,
} = globalThis;
export const { apply, construct, defineProperty, getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect;

// A method as a function whose first argument is what it is called on.
export const uncurry = (fn) => (self, ...args) => apply(fn, self, args);
const getter = (object, name) => uncurry(getOwnPropertyDescriptor(object, name).get);
export const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';
const ignore = () => {};

// ---- promises
const promiseThen = uncurry(Promise.prototype.then);
export const then = (promise, ok, failed) => promiseThen(promise, ok, failed);
// What is a promise is not wrapped once more.
const promiseResolve = Promise.resolve;
export const resolved = (value) => apply(promiseResolve, Promise, [value]);
export const rejected = (reason) => new Promise((resolve, reject) => { reject(reason); });
// Nobody needs to look at it: its rejection is no news.
export const quiet = (promise) => { promiseThen(promise, undefined, ignore); return promise; };
export class Deferred {
  promise; pending = true;
  #resolve; #reject;
  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }
  resolve(value) {
    this.pending = false;
    (0, this.#resolve)(value);
  }
  reject(reason) {
    this.pending = false;
    (0, this.#reject)(reason);
  }
}
// A promise of what a function returns, or of what it throws.
export function promiseOf(fn, self, args) {
  try {
    return resolved(apply(fn, self, args));
  } catch (error) {
    return rejected(error);
  }
}

// ---- bytes
const TypedArray = getPrototypeOf(Uint8Array);
export const viewTag = getter(TypedArray.prototype, Symbol.toStringTag);
const typedBuffer = getter(TypedArray.prototype, 'buffer'), typedOffset = getter(TypedArray.prototype, 'byteOffset');
const typedLength = getter(TypedArray.prototype, 'byteLength');
const dataBuffer = getter(DataView.prototype, 'buffer'), dataOffset = getter(DataView.prototype, 'byteOffset');
const dataLength = getter(DataView.prototype, 'byteLength');
export const isView = ArrayBuffer.isView;
export const bufferLength = getter(ArrayBuffer.prototype, 'byteLength');
export const isDetached = getter(ArrayBuffer.prototype, 'detached');
const bufferTransfer = uncurry(ArrayBuffer.prototype.transfer);
export const transfer = (buffer) => bufferTransfer(buffer);
export const sliceBuffer = uncurry(ArrayBuffer.prototype.slice);
export const setBytes = uncurry(TypedArray.prototype.set);
export const subBytes = (bytes, start, end) => new Uint8Array(typedBuffer(bytes), typedOffset(bytes) + start, end - start);
// The constructors of views by their tags, and the sizes of elements.
export const views = Object.create(null);
for (const name of Object.getOwnPropertyNames(globalThis)) {
  const made = globalThis[name];
  if (typeof made === 'function' && getPrototypeOf(made) === TypedArray) views[name] = { make: made, size: made.BYTES_PER_ELEMENT };
}
export const isBuffer = (value) => {
  try {
    bufferLength(value);
    return true;
  } catch {
    return false;
  }
};
// Where the bytes of a view lie.
export function viewParts(view) {
  const tag = viewTag(view);
  return tag === undefined ?
    { make: DataView, size: 1, buffer: dataBuffer(view), offset: dataOffset(view), length: dataLength(view) } :
    { make: views[tag].make, size: views[tag].size, buffer: typedBuffer(view), offset: typedOffset(view), length: typedLength(view) };
}
// The bytes of a view or a buffer, not copied; undefined: it is neither.
export function bytesOf(value) {
  if (isView(value)) {
    const { buffer, offset, length } = viewParts(value);
    return new Uint8Array(buffer, offset, length);
  }
  return isBuffer(value) ? new Uint8Array(value) : undefined;
}
export const copyBytes = (bytes) => {
  const copy = new Uint8Array(typedLength(bytes));
  setBytes(copy, bytes);
  return copy;
};
export const byteLength = typedLength;
export const bufferOf = typedBuffer;
// One Uint8Array of a list of them.
export function joinBytes(list, total) {
  const all = new Uint8Array(total);
  let at = 0;
  for (let i = 0; i < list.length; i++) {
    setBytes(all, list[i], at);
    at += typedLength(list[i]);
  }
  return all;
}

// ---- a list that is taken from its front
export class Queue {
  #head; #tail;
  length = 0;
  push(value) {
    const node = { value, next: undefined };
    if (this.#tail === undefined) this.#head = node; else this.#tail.next = node;
    this.#tail = node;
    this.length++;
  }
  peek() { return this.#head?.value; }
  shift() {
    const node = this.#head;
    if (node === undefined) return undefined;
    this.#head = node.next;
    if (node.next === undefined) this.#tail = undefined;
    this.length--;
    return node.value;
  }
  clear() {
    this.#head = this.#tail = undefined;
    this.length = 0;
  }
}

// ---- Web IDL
export const KEY = Symbol('internal'); // first argument of constructors that only modules may use
export const illegal = () => new TypeError('Illegal constructor');
// Members of a class are enumerable, and it has a name for Object.prototype.toString.
export function face(made, tag = made.name) {
  for (const object of [made.prototype, made])
    for (const key of ownKeys(object)) {
      const found = getOwnPropertyDescriptor(object, key);
      if (typeof key !== 'string' || key === 'constructor' || !found.configurable ||
        (object === made && (key === 'name' || key === 'length'))) continue;
      defineProperty(object, key, { ...found, enumerable: true });
    }
  defineProperty(made.prototype, Symbol.toStringTag, { value: tag, configurable: true });
  return made;
}
export function need(args, count, name) {
  if (args < count) throw new TypeError(`${name} needs ${count} argument${count === 1 ? '' : 's'}, got ${args}`);
}
// An object whose members are options; undefined and null are one without any.
export function dictionary(value, name) {
  if (value === undefined || value === null) return Object.create(null);
  if (!isObject(value)) throw new TypeError(`${name} is no object`);
  return value;
}
export function callback(value, name) {
  if (value !== undefined && typeof value !== 'function') throw new TypeError(`${name} is no function`);
  return value;
}
const { trunc } = Math, { isFinite, MAX_SAFE_INTEGER } = Number;
// [EnforceRange] unsigned long long
export function count(value, name) {
  const n = trunc(Number(value));
  if (!isFinite(n) || n < 0 || n > MAX_SAFE_INTEGER) throw new TypeError(`${name} is no count`);
  return n + 0;
}
// No template: the engine makes those by String.prototype.concat.
export function text(value) {
  if (typeof value === 'symbol') throw new TypeError('a symbol has no text');
  return String(value);
}
const toWellFormed = uncurry(String.prototype.toWellFormed);
export const scalarText = (value) => toWellFormed(text(value));
