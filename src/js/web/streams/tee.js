// Two streams of one (Streams Standard, 4.9: ReadableStreamTee). Both are cancelled before the one is.
import { Deferred, bytesOf, copyBytes, resolved, then } from '../lib/base.js';
import { Reader, makeStream } from './readable.js';



class Branches {
  cancelled = new Deferred();
  gone = [false, false];
  reasons = [undefined, undefined];
  cancel(stream, i, reason) {
    this.gone[i] = true;
    this.reasons[i] = reason;
    if (this.gone[1 - i]) this.cancelled.resolve(stream.cancel([this.reasons[0], this.reasons[1]]));
    return this.cancelled.promise;
  }
}

// With `copies`, the right one gets copies of chunks by that function.
function teeChunks(stream, copies) {
  const reader = new Reader(stream, false), both = new Branches();
  let reading = false, again = false, left, right;
  function pull() {
    if (reading) {
      again = true;
      return;
    }
    reading = true;
    reader.read({
      // A turn of jobs later: the standard lets errors that are known by then come first.
      chunk: (value) => then(resolved(undefined), () => {
        again = false;
        let copy = value;
        if (copies !== undefined && !both.gone[1]) {
          try {
            copy = copies(value);
          } catch (error) {
            left.controller.fail(error);
            right.controller.fail(error);
            both.cancelled.resolve(stream.cancel(error));
            return;
          }
        }
        if (!both.gone[0]) left.controller.enqueue(value);
        if (!both.gone[1]) right.controller.enqueue(copy);
        reading = false;
        if (again) pull();
      }),
      close() {
        reading = false;
        if (!both.gone[0]) left.controller.close();
        if (!both.gone[1]) right.controller.close();
        if (!both.gone[0] || !both.gone[1]) both.cancelled.resolve(undefined);
      },
      fail() { reading = false; },
    });
  }
  left = makeStream({ pull, cancel: (reason) => both.cancel(stream, 0, reason) });
  right = makeStream({ pull, cancel: (reason) => both.cancel(stream, 1, reason) });
  then(reader.closed.promise, undefined, (error) => {
    left.controller.fail(error);
    right.controller.fail(error);
    if (!both.gone[0] || !both.gone[1]) both.cancelled.resolve(undefined);
  });
  return { left, right };
}

// Of bytes: whoever reads into a buffer has it filled by the source, the other gets a copy.
function teeBytes(stream) {
  const both = new Branches(), again = [false, false];
  let reader = new Reader(stream, false), reading = false;
  const branches = [];
  const gone = (i) => both.gone[i];
  const settle = () => { if (!gone(0) || !gone(1)) both.cancelled.resolve(undefined); };
  function watch(mine) {
    then(mine.closed.promise, undefined, (error) => {
      if (mine !== reader) return;
      branches[0].controller.fail(error);
      branches[1].controller.fail(error);
      settle();
    });
  }
  function readBy(byob) {
    if (reader.byob === byob) return;
    reader.release();
    reader = new Reader(stream, byob);
    watch(reader);
  }
  function broken(error) {
    branches[0].controller.fail(error);
    branches[1].controller.fail(error);
    both.cancelled.resolve(stream.cancel(error));
  }
  function next() {
    reading = false;
    if (again[0]) pull(0);
    else if (again[1]) pull(1);
  }
  // The source has no more: who waits with a buffer gets that back.
  function closeWaiting(i) {
    if (branches[i].controller.into.length > 0) branches[i].controller.respond(0);
  }
  function pullChunk() {
    readBy(false);
    reader.read({
      chunk: (chunk) => then(resolved(undefined), () => {
        again[0] = again[1] = false;
        let second = chunk;
        if (!gone(0) && !gone(1)) {
          try {
            second = copyBytes(bytesOf(chunk));
          } catch (error) {
            broken(error);
            return;
          }
        }
        if (!gone(0)) branches[0].controller.enqueue(chunk);
        if (!gone(1)) branches[1].controller.enqueue(second);
        next();
      }),
      close() {
        reading = false;
        for (let i = 0; i < 2; i++) if (!gone(i)) branches[i].controller.close();
        for (let i = 0; i < 2; i++) closeWaiting(i);
        settle();
      },
      fail() { reading = false; },
    });
  }
  function pullInto(i, view) {
    readBy(true);
    const mine = branches[i].controller, other = branches[1 - i].controller;
    reader.readInto(view, 1, {
      chunk: (chunk) => then(resolved(undefined), () => {
        again[0] = again[1] = false;
        if (!gone(1 - i)) {
          let copy;
          try {
            copy = copyBytes(bytesOf(chunk));
          } catch (error) {
            broken(error);
            return;
          }
          if (!gone(i)) mine.respondWithNewView(chunk);
          other.enqueue(copy);
        } else if (!gone(i)) {
          mine.respondWithNewView(chunk);
        }
        next();
      }),
      close(chunk) {
        reading = false;
        if (!gone(i)) mine.close();
        if (!gone(1 - i)) other.close();
        if (chunk !== undefined) {
          if (!gone(i)) mine.respondWithNewView(chunk);
          if (!gone(1 - i)) closeWaiting(1 - i);
        }
        settle();
      },
      fail() { reading = false; },
    });
  }
  function pull(i) {
    if (reading) {
      again[i] = true;
      return;
    }
    reading = true;
    const request = branches[i].controller.currentRequest();
    if (request === undefined) pullChunk(); else pullInto(i, request.view);
  }
  for (let i = 0; i < 2; i++)
    branches[i] = makeStream({ pull: () => pull(i), cancel: (reason) => both.cancel(stream, i, reason) }, { bytes: true, mark: 0 });
  watch(reader);
  return { left: branches[0], right: branches[1] };
}

export const tee = (stream, copies) => (stream.controller.bytes ? teeBytes(stream) : teeChunks(stream, copies || undefined));
