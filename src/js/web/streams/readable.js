// ReadableStream (Streams Standard, 4): the stream, its default controller, and reading from it. What the standard calls slots
// are objects of the classes Stream, Reader and ...Controller here, which scripts cannot reach: what they see is a face with
// one private field.
import {
  Deferred, KEY, Queue, TypeError, apply, callback, dictionary, face, illegal, isObject, isView, need, promiseOf, quiet,
  rejected, resolved, text, then, count, RangeError, viewParts, isDetached, bufferLength, defineProperty, Symbol,
} from '../lib/base.js';
import { ByteController } from './byte.js';
import { iterate, sourceOfIterable } from './iterate.js';
import { pipe } from './pipe.js';
import { SizedQueue, markOf, sizeOf, strategyOf } from './strategy.js';
import { tee } from './tee.js';
import { WritableStream, isWritable, writableOf } from './writable.js';

export class Stream {
  state = 'readable'; // 'closed', 'errored'
  error = undefined;
  reader = undefined;
  disturbed = false;
  controller = undefined;
  face = undefined;
  get locked() { return this.reader !== undefined; }
  // How many reads wait; of a reader of that kind.
  waiting(byob) { return this.reader !== undefined && this.reader.byob === byob ? this.reader.requests.length : 0; }
  close() {
    this.state = 'closed';
    const { reader } = this;
    if (reader === undefined) return;
    reader.closed.resolve(undefined);
    if (!reader.byob) reader.each((request) => request.close());
  }
  fail(error) {
    this.state = 'errored';
    this.error = error;
    const { reader } = this;
    if (reader === undefined) return;
    reader.closed.reject(error);
    reader.each((request) => request.fail(error));
  }
  cancel(reason) {
    this.disturbed = true;
    if (this.state === 'closed') return resolved(undefined);
    if (this.state === 'errored') return rejected(this.error);
    this.close();
    if (this.reader?.byob) this.reader.each((request) => request.close(undefined));
    return then(this.controller.cancelSteps(reason), () => undefined);
  }
}

// Either kind of reader. A request has chunk(value), close(value) and fail(error), one of which is called.
export class Reader {
  stream;
  byob;
  requests = new Queue();
  closed = new Deferred();
  constructor(stream, byob) {
    if (stream.locked) throw new TypeError('the stream is locked to another reader');
    if (byob && !stream.controller.bytes) throw new TypeError('the stream is not one of bytes');
    this.stream = stream;
    this.byob = byob;
    stream.reader = this;
    quiet(this.closed.promise);
    if (stream.state === 'closed') this.closed.resolve(undefined);
    if (stream.state === 'errored') this.closed.reject(stream.error);
  }
  each(fn) {
    const { requests } = this;
    this.requests = new Queue();
    while (requests.length > 0) fn(requests.shift());
  }
  read(request) {
    const { stream } = this;
    stream.disturbed = true;
    if (stream.state === 'closed') request.close();
    else if (stream.state === 'errored') request.fail(stream.error);
    else stream.controller.pullSteps(request);
  }
  readInto(view, min, request) {
    const { stream } = this;
    stream.disturbed = true;
    if (stream.state === 'errored') request.fail(stream.error);
    else stream.controller.pullInto(view, min, request);
  }
  // A promise of {value, done}.
  next() {
    const request = new Request();
    this.read(request);
    return request.promise;
  }
  cancel(reason) { return this.stream.cancel(reason); }
  release() {
    const { stream } = this;
    if (stream === undefined) return;
    const error = new TypeError('the reader was released');
    if (stream.state !== 'readable') this.closed = new Deferred();
    this.closed.reject(error);
    quiet(this.closed.promise);
    stream.controller.releaseSteps();
    stream.reader = undefined;
    this.stream = undefined;
    this.each((request) => request.fail(new TypeError('the reader was released')));
  }
}
export class Request extends Deferred {
  chunk(value) { this.resolve({ value, done: false }); }
  close(value) { this.resolve({ value, done: true }); }
  fail(error) { this.reject(error); }
}

const nothing = () => undefined;

export class DefaultController {
  bytes = false;
  stream;
  queue = new SizedQueue();
  started = false;
  closing = false;
  pulling = false;
  again = false;
  mark; size; source; face;
  constructor(stream, source, mark, size) {
    this.stream = stream;
    this.source = source;
    this.mark = mark;
    this.size = size;
    stream.controller = this;
  }
  start(started) {
    then(resolved(started), () => {
      this.started = true;
      this.pull();
    }, (error) => this.fail(error));
  }
  get open() { return !this.closing && this.stream.state === 'readable'; }
  get desired() {
    const { state } = this.stream;
    return state === 'errored' ? null : state === 'closed' ? 0 : this.mark - this.queue.total;
  }
  get hungry() {
    if (!this.open || !this.started) return false;
    return this.stream.waiting(false) > 0 || this.desired > 0;
  }
  pull() { pullFor(this); }
  clear() { this.source = this.size = undefined; }
  close() {
    if (!this.open) return;
    this.closing = true;
    if (!this.queue.empty) return;
    this.clear();
    this.stream.close();
  }
  enqueue(chunk) {
    if (!this.open) return;
    if (this.stream.waiting(false) > 0) {
      this.stream.reader.requests.shift().chunk(chunk);
    } else {
      try {
        this.queue.push(chunk, (0, this.size)(chunk));
      } catch (error) {
        this.fail(error);
        throw error;
      }
    }
    this.pull();
  }
  fail(error) {
    if (this.stream.state !== 'readable') return;
    this.queue.clear();
    this.clear();
    this.stream.fail(error);
  }
  cancelSteps(reason) {
    this.queue.clear();
    const result = this.source.cancel(reason);
    this.clear();
    return result;
  }
  pullSteps(request) {
    if (this.queue.empty) {
      this.stream.reader.requests.push(request);
      this.pull();
      return;
    }
    const chunk = this.queue.shift();
    if (this.closing && this.queue.empty) {
      this.clear();
      this.stream.close();
    } else {
      this.pull();
    }
    request.chunk(chunk);
  }
  releaseSteps() {}
}

// Asks the source for more, once at a time. For both kinds of controllers.
export function pullFor(controller) {
  if (!controller.hungry) return;
  if (controller.pulling) {
    controller.again = true;
    return;
  }
  controller.pulling = true;
  then(controller.source.pull(), () => {
    controller.pulling = false;
    if (!controller.again) return;
    controller.again = false;
    pullFor(controller);
  }, (error) => controller.fail(error));
}

// ---- sources: {pull(), cancel(reason)}, which return promises

// Those of scripts, whose functions are called on the object that was given.
function sourceOf(object, from, face) {
  const pull = from.pull, cancel = from.cancel;
  return {
    pull: pull === undefined ? () => resolved(undefined) : () => promiseOf(pull, object, [face]),
    cancel: cancel === undefined ? () => resolved(undefined) : (reason) => promiseOf(cancel, object, [reason]),
  };
}

// ---- for modules

// A stream of a source of ours: {start(), pull(), cancel(reason)}, all optional; pull and cancel may return promises. They are
// given the controller: enqueue(chunk), close(), fail(error).
export function makeStream({ start = nothing, pull = nothing, cancel = nothing }, { mark = 1, size = () => 1, bytes = false } = {}) {
  const stream = new Stream();
  const source = {
    pull: () => promiseOf(pull, undefined, [controller]),
    cancel: (reason) => promiseOf(cancel, undefined, [reason]),
  };
  const controller = bytes ? new ByteController(stream, source, mark, undefined) : new DefaultController(stream, source, mark, size);
  controller.start(start(controller));
  return stream;
}
export const faceOf = (stream) => stream.face ?? new ReadableStream(KEY, stream);

// ---- what scripts see

let streamOf, controllerOf, byteOf, requestOf, readerOf, byobOf;
export const isReadable = (value) => streamOf(value) !== undefined;
export { streamOf };
const bad = () => { throw new TypeError('Illegal invocation'); };

const controllerFace = (controller) => (controller.face ??= controller.bytes ?
  new ReadableByteStreamController(KEY, controller) : new ReadableStreamDefaultController(KEY, controller));

function pipeOptions(given) {
  const from = dictionary(given, 'options');
  const preventAbort = !!from.preventAbort, preventCancel = !!from.preventCancel, preventClose = !!from.preventClose;
  return { preventAbort, preventCancel, preventClose, signal: from.signal };
}

export class ReadableStream {
  #s;
  static {
    streamOf = (value) => (isObject(value) && #s in value ? value.#s : undefined);
  }
  constructor(underlyingSource = undefined, strategy = {}) {
    if (underlyingSource === KEY) {
      this.#s = strategy;
      strategy.face = this;
      return;
    }
    if (underlyingSource !== undefined && !isObject(underlyingSource)) throw new TypeError('the source is no object');
    const chosen = strategyOf(strategy), object = underlyingSource ?? null, from = dictionary(object, 'the source');
    const auto = from.autoAllocateChunkSize === undefined ? undefined : count(from.autoAllocateChunkSize, 'autoAllocateChunkSize');
    const cancel = callback(from.cancel, 'cancel'), pull = callback(from.pull, 'pull'), start = callback(from.start, 'start');
    const type = from.type === undefined ? undefined : text(from.type);
    if (type !== undefined && type !== 'bytes') throw new TypeError(`the type '${type}' is not known`);
    const stream = this.#s = new Stream();
    stream.face = this;
    let controller;
    if (type === 'bytes') {
      if (chosen.size !== undefined) throw new RangeError('a stream of bytes has no size()');
      const mark = markOf(chosen, 0);
      if (auto === 0) throw new TypeError('autoAllocateChunkSize is 0');
      controller = new ByteController(stream, undefined, mark, auto);
    } else {
      controller = new DefaultController(stream, undefined, markOf(chosen, 1), sizeOf(chosen));
    }
    const shown = controllerFace(controller);
    controller.source = sourceOf(object, { pull, cancel }, shown);
    controller.start(start === undefined ? undefined : apply(start, object, [shown]));
  }
  get locked() { return (streamOf(this) ?? bad()).locked; }
  cancel(reason = undefined) {
    const stream = streamOf(this);
    if (stream === undefined) return rejected(new TypeError('Illegal invocation'));
    return stream.locked ? rejected(new TypeError('the stream is locked')) : stream.cancel(reason);
  }
  getReader(options = {}) {
    const stream = streamOf(this) ?? bad(), { mode } = dictionary(options, 'options');
    if (mode === undefined) return new ReadableStreamDefaultReader(this);
    if (text(mode) !== 'byob') throw new TypeError(`the mode '${text(mode)}' is not known`);
    return new ReadableStreamBYOBReader(this, stream);
  }
  pipeThrough(transform, options = {}) {
    const stream = streamOf(this) ?? bad();
    need(arguments.length, 1, 'pipeThrough');
    const pair = dictionary(transform, 'transform'), readable = pair.readable;
    if (!isReadable(readable)) throw new TypeError('transform.readable is no ReadableStream');
    const writable = pair.writable;
    if (!isWritable(writable)) throw new TypeError('transform.writable is no WritableStream');
    const chosen = pipeOptions(options);
    if (stream.locked) throw new TypeError('the stream is locked');
    if (writableOf(writable).locked) throw new TypeError('transform.writable is locked');
    quiet(pipe(stream, writableOf(writable), chosen));
    return readable;
  }
  pipeTo(destination, options = {}) {
    try {
      const stream = streamOf(this) ?? bad();
      need(arguments.length, 1, 'pipeTo');
      if (!isWritable(destination)) throw new TypeError('the destination is no WritableStream');
      const to = writableOf(destination), chosen = pipeOptions(options);
      if (stream.locked) throw new TypeError('the stream is locked');
      if (to.locked) throw new TypeError('the destination is locked');
      return pipe(stream, to, chosen);
    } catch (error) {
      return rejected(error);
    }
  }
  tee() {
    const { left, right } = tee(streamOf(this) ?? bad(), false);
    return [faceOf(left), faceOf(right)];
  }
  values(options = {}) {
    const stream = streamOf(this) ?? bad(), preventCancel = !!dictionary(options, 'options').preventCancel;
    return iterate(new Reader(stream, false), preventCancel);
  }
  static from(asyncIterable) {
    need(arguments.length, 1, 'from');
    return faceOf(makeStream(sourceOfIterable(asyncIterable), { mark: 0 }));
  }
}

export class ReadableStreamDefaultReader {
  #r;
  static {
    readerOf = (value) => (#r in value ? value.#r : bad());
  }
  constructor(stream) {
    need(arguments.length, 1, 'ReadableStreamDefaultReader');
    this.#r = new Reader(streamOf(stream) ?? noStream(), false);
  }
  get closed() { return closedOf(() => readerOf(this)); }
  cancel(reason = undefined) { return cancelBy(() => readerOf(this), reason); }
  read() {
    try {
      return attached(readerOf(this)).next();
    } catch (error) {
      return rejected(error);
    }
  }
  releaseLock() { readerOf(this).release(); }
}

export class ReadableStreamBYOBReader {
  #r;
  static {
    byobOf = (value) => (#r in value ? value.#r : bad());
  }
  constructor(stream) {
    need(arguments.length, 1, 'ReadableStreamBYOBReader');
    this.#r = new Reader(streamOf(stream) ?? noStream(), true);
  }
  get closed() { return closedOf(() => byobOf(this)); }
  cancel(reason = undefined) { return cancelBy(() => byobOf(this), reason); }
  read(view, options = {}) {
    try {
      const reader = byobOf(this);
      need(arguments.length, 1, 'read');
      if (!isView(view)) throw new TypeError('read() needs a view of an ArrayBuffer');
      const given = dictionary(options, 'options').min, min = given === undefined ? 1 : count(given, 'min');
      const { buffer, length, size, make } = viewParts(view);
      if (length === 0 || bufferLength(buffer) === 0) throw new TypeError('the view is empty');
      if (isDetached(buffer)) throw new TypeError('the view is of a detached buffer');
      if (min === 0) throw new TypeError('min is 0');
      if (min * size > length) throw new RangeError('min is more than the view holds');
      attached(reader);
      const request = new Request();
      reader.readInto(view, min, request);
      return request.promise;
    } catch (error) {
      return rejected(error);
    }
  }
  releaseLock() { byobOf(this).release(); }
}

const noStream = () => { throw new TypeError('that is no ReadableStream'); };
function attached(reader) {
  if (reader.stream === undefined) throw new TypeError('the reader was released');
  return reader;
}
function closedOf(find) {
  try {
    return find().closed.promise;
  } catch (error) {
    return rejected(error);
  }
}
function cancelBy(find, reason) {
  try {
    return attached(find()).cancel(reason);
  } catch (error) {
    return rejected(error);
  }
}

export class ReadableStreamDefaultController {
  #c;
  static {
    controllerOf = (value) => (#c in value ? value.#c : bad());
  }
  constructor(key, controller) {
    if (key !== KEY) throw illegal();
    this.#c = controller;
  }
  get desiredSize() { return controllerOf(this).desired; }
  close() {
    const controller = controllerOf(this);
    if (!controller.open) throw new TypeError('the stream cannot be closed now');
    controller.close();
  }
  enqueue(chunk = undefined) {
    const controller = controllerOf(this);
    if (!controller.open) throw new TypeError('nothing can be enqueued now');
    controller.enqueue(chunk);
  }
  error(e = undefined) { controllerOf(this).fail(e); }
}

export class ReadableByteStreamController {
  #c;
  static {
    byteOf = (value) => (#c in value ? value.#c : bad());
  }
  constructor(key, controller) {
    if (key !== KEY) throw illegal();
    this.#c = controller;
  }
  get byobRequest() {
    const controller = byteOf(this), request = controller.currentRequest();
    if (request === undefined) return null;
    return request.face ??= new ReadableStreamBYOBRequest(KEY, request);
  }
  get desiredSize() { return byteOf(this).desired; }
  close() {
    const controller = byteOf(this);
    if (!controller.open) throw new TypeError('the stream cannot be closed now');
    controller.close();
  }
  enqueue(chunk) {
    const controller = byteOf(this);
    need(arguments.length, 1, 'enqueue');
    if (!isView(chunk)) throw new TypeError('a chunk of bytes is a view of an ArrayBuffer');
    const { buffer, length } = viewParts(chunk);
    if (length === 0 || bufferLength(buffer) === 0) throw new TypeError('the chunk is empty');
    if (!controller.open) throw new TypeError('nothing can be enqueued now');
    controller.enqueue(chunk);
  }
  error(e = undefined) { byteOf(this).fail(e); }
}

export class ReadableStreamBYOBRequest {
  #q;
  static {
    requestOf = (value) => (#q in value ? value.#q : bad());
  }
  constructor(key, request) {
    if (key !== KEY) throw illegal();
    this.#q = request;
  }
  get view() { return requestOf(this).view; }
  respond(bytesWritten) {
    const request = requestOf(this);
    need(arguments.length, 1, 'respond');
    const n = count(bytesWritten, 'bytesWritten');
    if (request.controller === undefined) throw new TypeError('the request was answered');
    if (isDetached(viewParts(request.view).buffer)) throw new TypeError('the view of the request was detached');
    request.controller.respond(n);
  }
  respondWithNewView(view) {
    const request = requestOf(this);
    need(arguments.length, 1, 'respondWithNewView');
    if (!isView(view)) throw new TypeError('that is no view of an ArrayBuffer');
    if (request.controller === undefined) throw new TypeError('the request was answered');
    if (isDetached(viewParts(view).buffer)) throw new TypeError('the view is of a detached buffer');
    request.controller.respondWithNewView(view);
  }
}

for (const made of [ReadableStream, ReadableStreamDefaultReader, ReadableStreamBYOBReader, ReadableStreamDefaultController,
  ReadableByteStreamController, ReadableStreamBYOBRequest]) face(made);
defineProperty(ReadableStream.prototype, Symbol.asyncIterator,
  { value: ReadableStream.prototype.values, writable: true, configurable: true });
