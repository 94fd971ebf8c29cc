// The controller of a stream of bytes (Streams Standard, 4.7). Chunks lie in a list of {buffer, offset, length}; who reads into a
// buffer of his own waits in `into`, in order.
import {
  ArrayBuffer, DataView, Math, Queue, RangeError, TypeError, Uint8Array, bufferLength, construct, isDetached, setBytes, sliceBuffer,
  then, resolved, transfer, viewParts,
} from '../lib/base.js';
import { pullFor } from './readable.js';

const { min: least } = Math;

// A buffer that is to be filled: of a reader ('byob'), ours for a reader ('default'), or of one that has gone ('none').
class Into {
  filled = 0;
  constructor(buffer, offset, length, atLeast, size, make, kind) {
    this.buffer = buffer;
    this.capacity = bufferLength(buffer);
    this.offset = offset;
    this.length = length;
    this.atLeast = atLeast;
    this.size = size;
    this.make = make;
    this.kind = kind;
  }
  view() {
    const buffer = transfer(this.buffer);
    return this.make === DataView ? new DataView(buffer, this.offset, this.filled) :
      construct(this.make, [buffer, this.offset, this.filled / this.size]);
  }
}

export class ByteController {
  bytes = true;
  stream;
  queue = new Queue();
  total = 0;
  started = false;
  closing = false;
  pulling = false;
  again = false;
  mark; source; auto; face;
  into = new Queue();
  request = undefined;
  constructor(stream, source, mark, auto) {
    this.stream = stream;
    this.source = source;
    this.mark = mark;
    this.auto = auto;
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
    return state === 'errored' ? null : state === 'closed' ? 0 : this.mark - this.total;
  }
  get hungry() {
    if (!this.open || !this.started) return false;
    return this.stream.waiting(false) > 0 || this.stream.waiting(true) > 0 || this.desired > 0;
  }
  pull() { pullFor(this); }
  clear() { this.source = undefined; }
  clearQueue() {
    this.queue.clear();
    this.total = 0;
  }
  // The request that the source was given is over.
  invalidate() {
    if (this.request === undefined) return;
    this.request.controller = undefined;
    this.request.view = null;
    this.request = undefined;
  }
  currentRequest() {
    const first = this.into.peek();
    if (this.request === undefined && first !== undefined) {
      const view = new Uint8Array(first.buffer, first.offset + first.filled, first.length - first.filled);
      this.request = { controller: this, view, face: undefined };
    }
    return this.request;
  }
  shiftInto() {
    this.invalidate();
    return this.into.shift();
  }
  close() {
    if (!this.open) return;
    if (this.total > 0) {
      this.closing = true;
      return;
    }
    const first = this.into.peek();
    if (first !== undefined && first.filled % first.size !== 0) {
      const error = new TypeError('the stream is closed amid an element of the view that is read into');
      this.fail(error);
      throw error;
    }
    this.clear();
    this.stream.close();
  }
  fail(error) {
    if (this.stream.state !== 'readable') return;
    this.invalidate();
    this.into.clear();
    this.clearQueue();
    this.clear();
    this.stream.fail(error);
  }
  push(buffer, offset, length) {
    this.queue.push({ buffer, offset, length });
    this.total += length;
  }
  pushCopy(buffer, offset, length) {
    let copy;
    try {
      copy = sliceBuffer(buffer, offset, offset + length);
    } catch (error) {
      this.fail(error);
      throw error;
    }
    this.push(copy, 0, length);
  }
  // What was read for somebody who has gone is for the next.
  pushAbandoned(into) {
    if (into.filled > 0) this.pushCopy(into.buffer, into.offset, into.filled);
    this.shiftInto();
  }
  enqueue(chunk) {
    if (!this.open) return;
    const { buffer, offset, length } = viewParts(chunk), { stream } = this;
    if (isDetached(buffer)) throw new TypeError('the chunk is of a detached buffer');
    const moved = transfer(buffer), first = this.into.peek();
    if (first !== undefined) {
      if (isDetached(first.buffer)) throw new TypeError('the buffer that is read into was detached');
      this.invalidate();
      first.buffer = transfer(first.buffer);
      if (first.kind === 'none') this.pushAbandoned(first);
    }
    if (stream.reader?.byob === false) {
      this.serveReads();
      if (stream.waiting(false) === 0) {
        this.push(moved, offset, length);
      } else {
        if (this.into.length > 0) this.shiftInto();
        stream.reader.requests.shift().chunk(new Uint8Array(moved, offset, length));
      }
    } else {
      this.push(moved, offset, length);
      if (stream.reader !== undefined) this.commitAll(this.fillAll());
    }
    this.pull();
  }
  // Copies from the queue; whether the reader has then as much as it asked for.
  fill(into) {
    const most = least(this.total, into.length - into.filled), end = into.filled + most, aligned = end - (end % into.size);
    const ready = aligned >= into.atLeast;
    let left = ready ? aligned - into.filled : most;
    while (left > 0) {
      const head = this.queue.peek(), n = least(left, head.length);
      setBytes(new Uint8Array(into.buffer, into.offset + into.filled, n), new Uint8Array(head.buffer, head.offset, n));
      if (head.length === n) {
        this.queue.shift();
      } else {
        head.offset += n;
        head.length -= n;
      }
      this.total -= n;
      into.filled += n;
      left -= n;
    }
    return ready;
  }
  fillAll() {
    const filled = new Queue();
    while (this.into.length > 0 && this.total > 0) {
      const first = this.into.peek();
      if (!this.fill(first)) break;
      this.shiftInto();
      filled.push(first);
    }
    return filled;
  }
  commit(into) {
    const done = this.stream.state === 'closed', view = into.view(), request = this.stream.reader.requests.shift();
    if (done) request.close(view); else request.chunk(view);
  }
  commitAll(filled) {
    while (filled.length > 0) this.commit(filled.shift());
  }
  drained() {
    if (this.total === 0 && this.closing) {
      this.clear();
      this.stream.close();
    } else {
      this.pull();
    }
  }
  serve(request) {
    const { buffer, offset, length } = this.queue.shift();
    this.total -= length;
    this.drained();
    request.chunk(new Uint8Array(buffer, offset, length));
  }
  serveReads() {
    while (this.stream.waiting(false) > 0 && this.total > 0) this.serve(this.stream.reader.requests.shift());
  }
  pullSteps(request) {
    if (this.total > 0) {
      this.serve(request);
      return;
    }
    if (this.auto !== undefined) {
      let buffer;
      try {
        buffer = new ArrayBuffer(this.auto);
      } catch (error) {
        request.fail(error);
        return;
      }
      this.into.push(new Into(buffer, 0, this.auto, 1, 1, Uint8Array, 'default'));
    }
    this.stream.reader.requests.push(request);
    this.pull();
  }
  pullInto(view, min, request) {
    const { make, size, buffer, offset, length } = viewParts(view), { stream } = this;
    let into;
    try {
      into = new Into(transfer(buffer), offset, length, min * size, size, make, 'byob');
    } catch (error) {
      request.fail(error);
      return;
    }
    if (this.into.length > 0) {
      this.into.push(into);
      stream.reader.requests.push(request);
      return;
    }
    if (stream.state === 'closed') {
      request.close(into.view());
      return;
    }
    if (this.total > 0) {
      if (this.fill(into)) {
        const filled = into.view();
        this.drained();
        request.chunk(filled);
        return;
      }
      if (this.closing) {
        const error = new TypeError('the stream ends amid an element of the view that is read into');
        this.fail(error);
        request.fail(error);
        return;
      }
    }
    this.into.push(into);
    stream.reader.requests.push(request);
    this.pull();
  }
  respond(n) {
    const first = this.into.peek();
    if (this.stream.state === 'closed') {
      if (n !== 0) throw new TypeError('the stream is closed: only 0 bytes can be answered');
    } else {
      if (n === 0) throw new TypeError('0 bytes are an answer of a closed stream only');
      if (first.filled + n > first.length) throw new RangeError('more bytes than the view holds');
    }
    first.buffer = transfer(first.buffer);
    this.answer(n);
  }
  respondWithNewView(view) {
    const first = this.into.peek(), { buffer, offset, length } = viewParts(view);
    if (this.stream.state === 'closed') {
      if (length !== 0) throw new TypeError('the stream is closed: only an empty view can be answered');
    } else if (length === 0) {
      throw new TypeError('an empty view is an answer of a closed stream only');
    }
    if (first.offset + first.filled !== offset) throw new RangeError('the view begins elsewhere');
    if (first.capacity !== bufferLength(buffer)) throw new RangeError('the view is of a buffer of another length');
    if (first.filled + length > first.length) throw new RangeError('more bytes than the view holds');
    first.buffer = transfer(buffer);
    this.answer(length);
  }
  answer(n) {
    const first = this.into.peek();
    this.invalidate();
    if (this.stream.state === 'closed') this.answerClosed(first); else this.answerReadable(n, first);
    this.pull();
  }
  answerClosed(first) {
    if (first.kind === 'none') this.shiftInto();
    const filled = new Queue();
    while (filled.length < this.stream.waiting(true)) filled.push(this.shiftInto());
    this.commitAll(filled);
  }
  answerReadable(n, into) {
    into.filled += n;
    if (into.kind === 'none') {
      this.pushAbandoned(into);
      this.commitAll(this.fillAll());
      return;
    }
    if (into.filled < into.atLeast) return;
    this.shiftInto();
    const rest = into.filled % into.size;
    if (rest > 0) {
      this.pushCopy(into.buffer, into.offset + into.filled - rest, rest);
      into.filled -= rest;
    }
    const filled = this.fillAll();
    this.commit(into);
    this.commitAll(filled);
  }
  cancelSteps(reason) {
    this.invalidate();
    this.into.clear();
    this.clearQueue();
    const result = this.source.cancel(reason);
    this.clear();
    return result;
  }
  releaseSteps() {
    const first = this.into.peek();
    if (first === undefined) return;
    first.kind = 'none';
    this.into.clear();
    this.into.push(first);
  }
}
