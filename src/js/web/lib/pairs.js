// What Web IDL gives to interfaces that hold pairs of a name and a value: entries(), keys(), values(), forEach() and iteration,
// which see what is changed while they go on.
import {
  Object, Symbol, TypeError, apply, defineProperty, face, getPrototypeOf, isObject, need,
} from './base.js';

const IteratorPrototype = getPrototypeOf(getPrototypeOf([][Symbol.iterator]()));
const ENTRIES = 0, KEYS = 1, VALUES = 2;

// pairsOf(object) is a list of [name, value]; it throws for what is not of the class.
export function pairs(made, pairsOf) {
  class Iterator {
    #of; #kind; #at = 0;
    constructor(of, kind) {
      this.#of = of;
      this.#kind = kind;
    }
    next() {
      if (!isObject(this) || !(#of in this)) throw new TypeError('Illegal invocation');
      const list = pairsOf(this.#of);
      if (this.#at >= list.length) return { value: undefined, done: true };
      const pair = list[this.#at++], kind = this.#kind;
      return { value: kind === KEYS ? pair[0] : kind === VALUES ? pair[1] : [pair[0], pair[1]], done: false };
    }
  }
  face(Iterator, `${made.name} Iterator`);
  delete Iterator.prototype.constructor;
  Object.setPrototypeOf(Iterator.prototype, IteratorPrototype);
  const methods = {
    entries() {
      pairsOf(this);
      return new Iterator(this, ENTRIES);
    },
    keys() {
      pairsOf(this);
      return new Iterator(this, KEYS);
    },
    values() {
      pairsOf(this);
      return new Iterator(this, VALUES);
    },
    forEach(callback, thisArg = undefined) {
      pairsOf(this);
      need(arguments.length, 1, 'forEach');
      if (typeof callback !== 'function') throw new TypeError('forEach needs a function');
      for (let i = 0; i < pairsOf(this).length; i++) {
        const pair = pairsOf(this)[i];
        apply(callback, thisArg, [pair[1], pair[0], this]);
      }
    },
  };
  for (const name of ['entries', 'keys', 'values', 'forEach'])
    defineProperty(made.prototype, name, { value: methods[name], writable: true, enumerable: true, configurable: true });
  defineProperty(made.prototype, Symbol.iterator, { value: methods.entries, writable: true, configurable: true });
}

// What a script gave as a list: its elements, each passed through `convert`.
export function sequence(value, convert, name) {
  const begin = isObject(value) ? value[Symbol.iterator] : undefined;
  if (typeof begin !== 'function') throw new TypeError(`${name} cannot be iterated over`);
  const iterator = apply(begin, value, []), made = [];
  if (!isObject(iterator)) throw new TypeError(`${name} has no iterator`);
  const { next } = iterator;
  for (;;) {
    const step = apply(next, iterator, []);
    if (!isObject(step)) throw new TypeError('the result of an iterator is no object');
    if (step.done) return made;
    defineProperty(made, made.length, { value: convert(step.value), writable: true, enumerable: true, configurable: true });
  }
}
