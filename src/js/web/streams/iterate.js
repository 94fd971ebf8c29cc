// Streams as async iterables, and async iterables as streams.
import {
  Object, String, Symbol, TypeError, apply, face, getPrototypeOf, isObject, promiseOf, rejected, resolved, then,
} from '../lib/base.js';

const { asyncIterator, iterator } = Symbol;
const AsyncIterator = getPrototypeOf(getPrototypeOf((async function* () {}).prototype));
const ended = (value) => ({ value, done: true });

function step(state) {
  if (state.finished) return resolved(ended(undefined));
  return then(state.reader.next(), (result) => {
    state.ongoing = undefined;
    if (!result.done) return result;
    state.finished = true;
    state.reader.release();
    return ended(undefined);
  }, (error) => {
    state.ongoing = undefined;
    state.finished = true;
    state.reader.release();
    throw error;
  });
}
function leave(state, value) {
  if (state.finished) return resolved(ended(value));
  state.finished = true;
  if (state.preventCancel) {
    state.reader.release();
    return resolved(undefined);
  }
  const cancelled = state.reader.cancel(value);
  state.reader.release();
  return cancelled;
}
// One after the other, in the order in which they were asked for.
function queue(state, steps) {
  state.ongoing = state.ongoing === undefined ? steps() : then(state.ongoing, steps, steps);
  return state.ongoing;
}

class Iteration {
  #i;
  constructor(reader, preventCancel) { this.#i = { reader, preventCancel, ongoing: undefined, finished: false }; }
  next() {
    try {
      const state = this.#i;
      return queue(state, () => step(state));
    } catch (error) {
      return rejected(error);
    }
  }
  return(value) {
    try {
      const state = this.#i;
      return then(queue(state, () => leave(state, value)), () => ended(value));
    } catch (error) {
      return rejected(error);
    }
  }
}
face(Iteration, 'ReadableStream AsyncIterator');
delete Iteration.prototype.constructor;
Object.setPrototypeOf(Iteration.prototype, AsyncIterator);

export const iterate = (reader, preventCancel) => new Iteration(reader, preventCancel);

// ---- from()

function methodOf(object, key) {
  const method = object[key];
  if (method === undefined || method === null) return undefined;
  if (typeof method !== 'function') throw new TypeError(`${String(key)} is no function`);
  return method;
}
function object(value, what) {
  if (!isObject(value)) throw new TypeError(`${what} is no object`);
  return value;
}
export function sourceOfIterable(iterable) {
  if (iterable === undefined || iterable === null) throw new TypeError('that cannot be iterated over');
  let begin = methodOf(iterable, asyncIterator);
  const waits = begin === undefined;
  if (waits) begin = methodOf(iterable, iterator);
  if (begin === undefined) throw new TypeError('that cannot be iterated over');
  const from = object(apply(begin, iterable, []), 'the iterator'), next = from.next;
  return {
    pull(controller) {
      return then(promiseOf(next, from, []), (result) => {
        object(result, 'the result of an iterator');
        if (result.done) return controller.close();
        const value = result.value;
        // Values of an iterator that is not an async one may be promises.
        return waits ? then(resolved(value), (v) => controller.enqueue(v)) : controller.enqueue(value);
      });
    },
    cancel(reason) {
      const stop = methodOf(from, 'return');
      if (stop === undefined) return undefined;
      return then(promiseOf(stop, from, [reason]), (result) => { object(result, 'the result of return()'); });
    },
  };
}
