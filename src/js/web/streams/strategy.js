// Queuing strategies, and the queue of chunks whose sizes they tell.
import { Number, Queue, RangeError, TypeError, callback, dictionary, face, isObject, need } from '../lib/base.js';

const { isFinite } = Number;

export class SizedQueue {
  list = new Queue();
  total = 0;
  push(value, size) {
    if (!(size >= 0 && isFinite(size))) throw new RangeError('the size of a chunk is no finite number from 0 up');
    this.list.push({ value, size });
    this.total += size;
  }
  shift() {
    const { value, size } = this.list.shift();
    this.total = this.total > size ? this.total - size : 0; // what was rounded must not end below 0
    return value;
  }
  peek() { return this.list.peek().value; }
  get empty() { return this.list.length === 0; }
  clear() {
    this.list.clear();
    this.total = 0;
  }
}

// A strategy as {mark, size}; `mark` is undefined where none was given. Members are read in the order of Web IDL.
export function strategyOf(given, name = 'a strategy') {
  const from = dictionary(given, name);
  const mark = from.highWaterMark;
  return { mark: mark === undefined ? undefined : +mark, size: callback(from.size, 'size') };
}
export function markOf(strategy, standard) {
  if (strategy.mark === undefined) return standard;
  if (!(strategy.mark >= 0)) throw new RangeError('a highWaterMark is a number from 0 up');
  return strategy.mark;
}
export const one = () => 1;
export const sizeOf = ({ size }) => (size === undefined ? one : (chunk) => +size(chunk));

function markOfInit(init) {
  if (init !== undefined && init !== null && !isObject(init)) throw new TypeError('init is no object');
  const mark = init?.highWaterMark;
  if (mark === undefined) throw new TypeError('init has no highWaterMark');
  return +mark;
}
// One function for all, as the standard has it.
const byteLength = { size(chunk) { return chunk.byteLength; } }.size, count = { size() { return 1; } }.size;

export class ByteLengthQueuingStrategy {
  #mark;
  constructor(init) {
    need(arguments.length, 1, 'ByteLengthQueuingStrategy');
    this.#mark = markOfInit(init);
  }
  get highWaterMark() { return this.#mark; }
  get size() { return #mark in this ? byteLength : bad(); }
}
export class CountQueuingStrategy {
  #mark;
  constructor(init) {
    need(arguments.length, 1, 'CountQueuingStrategy');
    this.#mark = markOfInit(init);
  }
  get highWaterMark() { return this.#mark; }
  get size() { return #mark in this ? count : bad(); }
}
function bad() { throw new TypeError('Illegal invocation'); }
face(ByteLengthQueuingStrategy);
face(CountQueuingStrategy);
