// TransformStream (Streams Standard, 6): a writable and a readable side, and what happens between them.
import {
  Deferred, KEY, RangeError, TypeError, apply, callback, dictionary, face, illegal, isObject, promiseOf, resolved,
  then,
} from '../lib/base.js';
import { faceOf, makeStream } from './readable.js';
import { markOf, one, sizeOf, strategyOf } from './strategy.js';
import { faceOfSink, makeSink } from './writable.js';

export class Transform {
  readable; writable;
  backpressure = undefined;
  changed = undefined; // when backpressure changes next
  finishing = undefined;
  work; // {transform(chunk), flush(), cancel(reason)}; undefined when it has ended
  face = undefined;
  constructor(started, work, writableOptions, readableOptions) {
    this.work = work;
    this.writable = makeSink({
      write: (chunk) => this.write(chunk),
      abort: (reason) => this.abort(reason),
      close: () => this.close(),
    }, { ...writableOptions, started });
    this.readable = makeStream({
      start: () => started,
      pull: () => {
        this.press(false);
        return this.changed.promise;
      },
      cancel: (reason) => this.cancel(reason),
    }, readableOptions);
    this.press(true);
  }
  press(backpressure) {
    this.changed?.resolve(undefined);
    this.changed = new Deferred();
    this.backpressure = backpressure;
  }
  enqueue(chunk) {
    const { controller } = this.readable;
    if (!controller.open) throw new TypeError('nothing can be enqueued now');
    try {
      controller.enqueue(chunk);
    } catch (error) {
      this.failWritable(error);
      throw this.readable.error;
    }
    const backpressure = !controller.hungry;
    if (backpressure !== this.backpressure) this.press(true);
  }
  fail(error) {
    this.readable.controller.fail(error);
    this.failWritable(error);
  }
  failWritable(error) {
    this.work = undefined;
    this.writable.controller.failIfWritable(error);
    this.unblock();
  }
  unblock() { if (this.backpressure) this.press(false); }
  terminate() {
    this.readable.controller.close();
    this.failWritable(new TypeError('the TransformStream was terminated'));
  }
  perform(chunk) {
    return then(this.work.transform(chunk), undefined, (error) => {
      this.fail(error);
      throw error;
    });
  }
  write(chunk) {
    if (!this.backpressure) return this.perform(chunk);
    return then(this.changed.promise, () => {
      if (this.writable.state === 'erroring') throw this.writable.error;
      return this.perform(chunk);
    });
  }
  // The end of one side: `run` is what the transformer does about it, then the other side follows.
  finish(run, ok, failed) {
    if (this.finishing !== undefined) return this.finishing.promise;
    const finishing = this.finishing = new Deferred();
    const result = run();
    this.work = undefined;
    then(result, () => {
      const error = ok();
      if (error === undefined) finishing.resolve(undefined); else finishing.reject(error.error);
    }, (error) => {
      failed(error);
      finishing.reject(error);
    });
    return finishing.promise;
  }
  abort(reason) {
    const { readable, work } = this;
    return this.finish(() => work?.cancel(reason) ?? resolved(undefined), () => {
      if (readable.state === 'errored') return readable;
      readable.controller.fail(reason);
      return undefined;
    }, (error) => readable.controller.fail(error));
  }
  close() {
    const { readable, work } = this;
    return this.finish(() => work.flush(), () => {
      if (readable.state === 'errored') return readable;
      readable.controller.close();
      return undefined;
    }, (error) => readable.controller.fail(error));
  }
  cancel(reason) {
    const { writable, work } = this;
    if (this.finishing !== undefined) this.unblock(); // a flush may wait to be read
    return this.finish(() => work?.cancel(reason) ?? resolved(undefined), () => {
      if (writable.state === 'errored') return writable;
      writable.controller.failIfWritable(reason);
      this.unblock();
      return undefined;
    }, (error) => {
      writable.controller.failIfWritable(error);
      this.unblock();
    });
  }
}

// ---- for modules

// A transform of ours: {transform(chunk, controller), flush(controller), cancel(reason)}; controller has enqueue, fail, terminate.
export function makeTransform({ transform, flush, cancel }) {
  const call = (fn, ...args) => (fn === undefined ? resolved(undefined) : promiseOf(fn, undefined, args));
  const made = new Transform(undefined, {
    transform: (chunk) => call(transform, chunk, made),
    flush: () => call(flush, made),
    cancel: (reason) => call(cancel, reason),
  }, { mark: 1, size: one }, { mark: 0, size: one });
  return made;
}

// ---- what scripts see

let transformOf, controllerOf;
const bad = () => { throw new TypeError('Illegal invocation'); };

export class TransformStream {
  #t;
  static {
    transformOf = (value) => (#t in value ? value.#t : bad());
  }
  constructor(transformer = undefined, writableStrategy = {}, readableStrategy = {}) {
    if (transformer !== undefined && !isObject(transformer)) throw new TypeError('the transformer is no object');
    const wanted = strategyOf(writableStrategy), given = strategyOf(readableStrategy);
    const object = transformer ?? null, from = dictionary(object, 'the transformer');
    const cancel = callback(from.cancel, 'cancel'), flush = callback(from.flush, 'flush');
    if (from.readableType !== undefined) throw new RangeError('a transformer has no readableType');
    const start = callback(from.start, 'start'), transform = callback(from.transform, 'transform');
    if (from.writableType !== undefined) throw new RangeError('a transformer has no writableType');
    const readable = { mark: markOf(given, 0), size: sizeOf(given) }, writable = { mark: markOf(wanted, 1), size: sizeOf(wanted) };
    const call = (fn, args) => (fn === undefined ? resolved(undefined) : promiseOf(fn, object, args));
    const started = new Deferred();
    const made = this.#t = new Transform(started.promise, {
      transform: transform === undefined ? (chunk) => promiseOf(enqueue, undefined, [chunk]) :
        (chunk) => call(transform, [chunk, shown]),
      flush: () => call(flush, [shown]),
      cancel: (reason) => call(cancel, [reason]),
    }, writable, readable);
    const enqueue = (chunk) => { made.enqueue(chunk); };
    const shown = new TransformStreamDefaultController(KEY, made);
    started.resolve(start === undefined ? undefined : apply(start, object, [shown]));
  }
  get readable() { return faceOf(transformOf(this).readable); }
  get writable() { return faceOfSink(transformOf(this).writable); }
}

export class TransformStreamDefaultController {
  #t;
  static {
    controllerOf = (value) => (#t in value ? value.#t : bad());
  }
  constructor(key, made) {
    if (key !== KEY) throw illegal();
    this.#t = made;
  }
  get desiredSize() { return controllerOf(this).readable.controller.desired; }
  enqueue(chunk = undefined) { controllerOf(this).enqueue(chunk); }
  error(reason = undefined) { controllerOf(this).fail(reason); }
  terminate() { controllerOf(this).terminate(); }
}

for (const made of [TransformStream, TransformStreamDefaultController]) face(made);
