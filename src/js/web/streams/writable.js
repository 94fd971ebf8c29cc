// WritableStream (Streams Standard, 5). Sink, Writer and ...Controller are the states behind the faces, as in readable.js.
import {
  Deferred, KEY, Queue, TypeError, apply, callback, dictionary, face, illegal, isObject, need, promiseOf, quiet, RangeError,
  rejected, resolved, then,
} from '../lib/base.js';
import { SizedQueue, markOf, sizeOf, strategyOf } from './strategy.js';

const CLOSE = {}; // in the queue of chunks: no more follow
let makeAbort = () => undefined; // an AbortController; set by the module

export const setAbort = (make) => { makeAbort = make; };

export class Sink {
  state = 'writable'; // 'closed', 'erroring', 'errored'
  error = undefined;
  writer = undefined;
  controller = undefined;
  requests = new Queue(); // Deferreds of writes that wait
  writing = undefined;
  closeRequest = undefined;
  closing = undefined;
  aborting = undefined; // {promise, reason, late}
  backpressure = false;
  face = undefined;
  get locked() { return this.writer !== undefined; }
  get ending() { return this.closeRequest !== undefined || this.closing !== undefined; }
  abort(reason) {
    if (this.state === 'closed' || this.state === 'errored') return resolved(undefined);
    this.controller.signal(reason);
    if (this.state === 'closed' || this.state === 'errored') return resolved(undefined); // a listener did that
    if (this.aborting !== undefined) return this.aborting.asked.promise;
    const late = this.state === 'erroring', asked = new Deferred();
    this.aborting = { asked, reason: late ? undefined : reason, late };
    if (!late) this.startFailing(reason);
    return asked.promise;
  }
  close() {
    if (this.state === 'closed' || this.state === 'errored') return rejected(new TypeError(`the stream is ${this.state}`));
    const asked = this.closeRequest = new Deferred();
    if (this.writer !== undefined && this.backpressure && this.state === 'writable') this.writer.ready.resolve(undefined);
    this.controller.close();
    return asked.promise;
  }
  reject(error) {
    if (this.state === 'writable') this.startFailing(error); else this.finishFailing();
  }
  startFailing(reason) {
    const { controller } = this;
    this.state = 'erroring';
    this.error = reason;
    if (this.writer !== undefined) this.writer.failReady(reason);
    if (this.writing === undefined && this.closing === undefined && controller.started) this.finishFailing();
  }
  finishFailing() {
    this.state = 'errored';
    this.controller.queue.clear();
    while (this.requests.length > 0) this.requests.shift().reject(this.error);
    const { aborting } = this;
    this.aborting = undefined;
    if (aborting === undefined) {
      this.rejectClosed();
    } else if (aborting.late) {
      aborting.asked.reject(this.error);
      this.rejectClosed();
    } else {
      then(this.controller.abortSteps(aborting.reason), () => {
        aborting.asked.resolve(undefined);
        this.rejectClosed();
      }, (reason) => {
        aborting.asked.reject(reason);
        this.rejectClosed();
      });
    }
  }
  rejectClosed() {
    this.closeRequest?.reject(this.error);
    this.closeRequest = undefined;
    this.writer?.failClosed(this.error);
  }
  closed() {
    this.closing.resolve(undefined);
    this.closing = undefined;
    if (this.state === 'erroring') {
      this.error = undefined;
      this.aborting?.asked.resolve(undefined);
      this.aborting = undefined;
    }
    this.state = 'closed';
    this.writer?.closed.resolve(undefined);
  }
  notClosed(error) {
    this.closing.reject(error);
    this.closing = undefined;
    this.aborting?.asked.reject(error);
    this.aborting = undefined;
    this.reject(error);
  }
  written() {
    this.writing.resolve(undefined);
    this.writing = undefined;
  }
  notWritten(error) {
    this.writing.reject(error);
    this.writing = undefined;
    this.reject(error);
  }
  press(backpressure) {
    if (this.writer !== undefined && backpressure !== this.backpressure) {
      if (backpressure) this.writer.holdReady(); else this.writer.ready.resolve(undefined);
    }
    this.backpressure = backpressure;
  }
}

// A promise whose rejection is no news by itself.
function fresh() {
  const made = new Deferred();
  quiet(made.promise);
  return made;
}

export class Writer {
  sink;
  ready = fresh();
  closed = fresh();
  constructor(sink) {
    if (sink.locked) throw new TypeError('the stream is locked to another writer');
    this.sink = sink;
    sink.writer = this;
    if (sink.state === 'erroring' || sink.state === 'errored') this.ready.reject(sink.error);
    else if (sink.state === 'closed' || sink.ending || !sink.backpressure) this.ready.resolve(undefined);
    if (sink.state === 'closed') this.closed.resolve(undefined);
    if (sink.state === 'errored') this.closed.reject(sink.error);
  }
  holdReady() { this.ready = fresh(); }
  // What has settled is replaced.
  failReady(error) {
    if (!this.ready.pending) this.ready = fresh();
    this.ready.reject(error);
  }
  failClosed(error) {
    if (!this.closed.pending) this.closed = fresh();
    this.closed.reject(error);
  }
  get desired() {
    const { state, controller } = this.sink;
    return state === 'errored' || state === 'erroring' ? null : state === 'closed' ? 0 : controller.desired;
  }
  write(chunk) {
    const { sink } = this, size = sink.controller.measure(chunk);
    if (sink !== this.sink) return rejected(new TypeError('the writer was released'));
    if (sink.state === 'errored') return rejected(sink.error);
    if (sink.ending || sink.state === 'closed') return rejected(new TypeError('the stream is closing or closed'));
    if (sink.state === 'erroring') return rejected(sink.error);
    const asked = new Deferred();
    sink.requests.push(asked);
    sink.controller.write(chunk, size);
    return asked.promise;
  }
  close() { return this.sink.ending ? rejected(new TypeError('the stream is closing')) : this.sink.close(); }
  closeOrFail() {
    const { sink } = this;
    if (sink.ending || sink.state === 'closed') return resolved(undefined);
    return sink.state === 'errored' ? rejected(sink.error) : this.close();
  }
  abort(reason) { return this.sink.abort(reason); }
  release() {
    const { sink } = this;
    if (sink === undefined) return;
    const error = new TypeError('the writer was released');
    this.failReady(error);
    this.failClosed(error);
    sink.writer = undefined;
    this.sink = undefined;
  }
}

export class WritableController {
  sink;
  queue = new SizedQueue();
  started = false;
  mark; size; target; abort; face;
  constructor(sink, target, mark, size) {
    this.sink = sink;
    this.target = target;
    this.mark = mark;
    this.size = size;
    this.abort = makeAbort();
    sink.controller = this;
    sink.press(this.desired <= 0);
  }
  start(started) {
    then(resolved(started), () => {
      this.started = true;
      this.advance();
    }, (error) => {
      this.started = true;
      this.sink.reject(error);
    });
  }
  signal(reason) { this.abort?.abort(reason); }
  get desired() { return this.mark - this.queue.total; }
  clear() { this.target = this.size = undefined; }
  abortSteps(reason) {
    const result = this.target.abort(reason);
    this.clear();
    return result;
  }
  close() {
    this.queue.push(CLOSE, 0);
    this.advance();
  }
  fail(error) {
    this.clear();
    this.sink.startFailing(error);
  }
  failIfWritable(error) { if (this.sink.state === 'writable') this.fail(error); }
  measure(chunk) {
    if (this.size === undefined) return 1;
    try {
      return (0, this.size)(chunk);
    } catch (error) {
      this.failIfWritable(error);
      return 1;
    }
  }
  write(chunk, size) {
    const { sink } = this;
    try {
      this.queue.push(chunk, size);
    } catch (error) {
      this.failIfWritable(error);
      return;
    }
    if (!sink.ending && sink.state === 'writable') sink.press(this.desired <= 0);
    this.advance();
  }
  advance() {
    const { sink } = this;
    if (!this.started || sink.writing !== undefined) return;
    if (sink.state === 'erroring') {
      sink.finishFailing();
      return;
    }
    if (this.queue.empty) return;
    const chunk = this.queue.peek();
    if (chunk === CLOSE) this.processClose(); else this.processWrite(chunk);
  }
  processClose() {
    const { sink } = this;
    sink.closing = sink.closeRequest;
    sink.closeRequest = undefined;
    this.queue.shift();
    const closed = this.target.close();
    this.clear();
    then(closed, () => sink.closed(), (error) => sink.notClosed(error));
  }
  processWrite(chunk) {
    const { sink } = this;
    sink.writing = sink.requests.shift();
    then(this.target.write(chunk), () => {
      sink.written();
      this.queue.shift();
      if (!sink.ending && sink.state === 'writable') sink.press(this.desired <= 0);
      this.advance();
    }, (error) => {
      if (sink.state === 'writable') this.clear();
      sink.notWritten(error);
    });
  }
}

// ---- for modules

// A stream of a target of ours: {write(chunk, controller), close(), abort(reason)}, all optional; they may return promises.
export function makeSink(target, { mark = 1, size = () => 1, started = undefined } = {}) {
  const sink = new Sink(), { write, close, abort } = target;
  const call = (fn) => (argument) => (fn === undefined ? resolved(undefined) : promiseOf(fn, target, [argument, controller]));
  const controller = new WritableController(sink, { write: call(write), close: call(close), abort: call(abort) }, mark, size);
  controller.start(started);
  return sink;
}
export const faceOfSink = (sink) => sink.face ?? new WritableStream(KEY, sink);

// ---- what scripts see

let sinkOf, writerOf, controllerOf;
const bad = () => { throw new TypeError('Illegal invocation'); };
export const isWritable = (value) => sinkOf(value) !== undefined;
export const writableOf = (value) => sinkOf(value);

export class WritableStream {
  #s;
  static {
    sinkOf = (value) => (isObject(value) && #s in value ? value.#s : undefined);
  }
  constructor(underlyingSink = undefined, strategy = {}) {
    if (underlyingSink === KEY) {
      this.#s = strategy;
      strategy.face = this;
      return;
    }
    if (underlyingSink !== undefined && !isObject(underlyingSink)) throw new TypeError('the sink is no object');
    const chosen = strategyOf(strategy), object = underlyingSink ?? null, from = dictionary(object, 'the sink');
    const abort = callback(from.abort, 'abort'), close = callback(from.close, 'close'), start = callback(from.start, 'start');
    if (from.type !== undefined) throw new RangeError('a sink has no type');
    const write = callback(from.write, 'write');
    const sink = this.#s = new Sink();
    sink.face = this;
    const call = (fn, args) => (fn === undefined ? resolved(undefined) : promiseOf(fn, object, args));
    const target = {
      write: (chunk) => call(write, [chunk, shown]),
      close: () => call(close, []),
      abort: (reason) => call(abort, [reason]),
    };
    const mark = markOf(chosen, 1), controller = new WritableController(sink, target, mark, sizeOf(chosen));
    const shown = controller.face = new WritableStreamDefaultController(KEY, controller);
    controller.start(start === undefined ? undefined : apply(start, object, [shown]));
  }
  get locked() { return (sinkOf(this) ?? bad()).locked; }
  abort(reason = undefined) {
    const sink = sinkOf(this);
    if (sink === undefined) return rejected(new TypeError('Illegal invocation'));
    return sink.locked ? rejected(new TypeError('the stream is locked')) : sink.abort(reason);
  }
  close() {
    const sink = sinkOf(this);
    if (sink === undefined) return rejected(new TypeError('Illegal invocation'));
    if (sink.locked) return rejected(new TypeError('the stream is locked'));
    return sink.ending ? rejected(new TypeError('the stream is closing')) : sink.close();
  }
  getWriter() {
    if (sinkOf(this) === undefined) bad();
    return new WritableStreamDefaultWriter(this);
  }
}

function attached(writer) {
  if (writer.sink === undefined) throw new TypeError('the writer was released');
  return writer;
}
function attempt(fn) {
  try {
    return fn();
  } catch (error) {
    return rejected(error);
  }
}

export class WritableStreamDefaultWriter {
  #w;
  static {
    writerOf = (value) => (#w in value ? value.#w : bad());
  }
  constructor(stream) {
    need(arguments.length, 1, 'WritableStreamDefaultWriter');
    const sink = sinkOf(stream);
    if (sink === undefined) throw new TypeError('that is no WritableStream');
    this.#w = new Writer(sink);
  }
  get closed() { return attempt(() => writerOf(this).closed.promise); }
  get desiredSize() { return attached(writerOf(this)).desired; }
  get ready() { return attempt(() => writerOf(this).ready.promise); }
  abort(reason = undefined) { return attempt(() => attached(writerOf(this)).abort(reason)); }
  close() { return attempt(() => attached(writerOf(this)).close()); }
  releaseLock() { writerOf(this).release(); }
  write(chunk = undefined) { return attempt(() => attached(writerOf(this)).write(chunk)); }
}

export class WritableStreamDefaultController {
  #c;
  static {
    controllerOf = (value) => (#c in value ? value.#c : bad());
  }
  constructor(key, controller) {
    if (key !== KEY) throw illegal();
    this.#c = controller;
  }
  get signal() { return controllerOf(this).abort?.signal; }
  error(e = undefined) {
    const controller = controllerOf(this);
    if (controller.sink.state === 'writable') controller.fail(e);
  }
}

for (const made of [WritableStream, WritableStreamDefaultWriter, WritableStreamDefaultController]) face(made);
