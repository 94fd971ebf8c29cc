// pipeTo (Streams Standard, 4.9: ReadableStreamPipeTo): chunks as long as the destination wants some; an error or the end of one
// side goes to the other, and so does an abort.
import { Deferred, TypeError, quiet, resolved, then } from '../lib/base.js';
import { Reader } from './readable.js';
import { Writer } from './writable.js';

// How signals are listened to: {is(value), isAborted(signal), reason(signal), onAbort(signal, fn)}; set by the module.
let signals;
export const setSignals = (given) => { signals = given; };

const done = () => resolved(undefined);

class Pipe {
  reader; writer; options;
  finished = new Deferred();
  lastWrite = resolved(undefined);
  stopping = false;
  deaf = undefined; // stops listening to the signal
  constructor(source, sink, options) {
    this.source = source;
    this.sink = sink;
    this.options = options;
    this.reader = new Reader(source, false);
    this.writer = new Writer(sink);
    source.disturbed = true;
  }
  start() {
    const { signal } = this.options;
    if (signal !== undefined) {
      const aborted = () => this.abort(signals.reason(signal));
      if (signals.isAborted(signal)) {
        aborted();
        return;
      }
      this.deaf = signals.onAbort(signal, aborted);
    }
    this.watch();
    this.next();
  }
  abort(reason) {
    const { source, sink, options } = this;
    this.end(() => {
      const both = [];
      if (!options.preventAbort) both[0] = sink.state === 'writable' ? sink.abort(reason) : done();
      if (!options.preventCancel) both[both.length] = source.state === 'readable' ? source.cancel(reason) : done();
      return all(both);
    }, true, reason);
  }
  watch() {
    const { source, sink, options } = this;
    const sourceFailed = (error) => this.end(options.preventAbort ? undefined : () => sink.abort(error), true, error);
    const sinkFailed = (error) => this.end(options.preventCancel ? undefined : () => source.cancel(error), true, error);
    const sourceClosed = () => this.end(options.preventClose ? undefined : () => this.writer.closeOrFail(), false, undefined);
    if (source.state === 'errored') sourceFailed(source.error);
    else then(this.reader.closed.promise, undefined, sourceFailed);
    if (sink.state === 'errored') sinkFailed(sink.error);
    else then(this.writer.closed.promise, undefined, sinkFailed);
    if (source.state === 'closed') sourceClosed();
    else then(this.reader.closed.promise, sourceClosed, () => {});
    if (sink.ending || sink.state === 'closed') {
      const error = new TypeError('the destination is closing or closed');
      sinkFailed(error);
    }
  }
  next() {
    if (this.stopping) return;
    then(this.writer.ready.promise, () => {
      if (this.stopping) return;
      this.reader.read({
        chunk: (chunk) => {
          this.lastWrite = quiet(this.writer.write(chunk));
          this.next();
        },
        close() {},
        fail() {},
      });
    }, () => {});
  }
  // What was read has to be written before the end.
  drained() {
    const last = this.lastWrite, again = () => (last === this.lastWrite ? undefined : this.drained());
    return then(last, again, again);
  }
  end(action, failed, error) {
    if (this.stopping) return;
    this.stopping = true;
    const finish = () => {
      if (action === undefined) this.finish(failed, error);
      else then(action(), () => this.finish(failed, error), (thrown) => this.finish(true, thrown));
    };
    if (this.sink.state === 'writable' && !this.sink.ending) then(this.drained(), finish);
    else finish();
  }
  finish(failed, error) {
    this.writer.release();
    this.reader.release();
    this.deaf?.();
    if (failed) this.finished.reject(error); else this.finished.resolve(undefined);
  }
}

// When all have settled well, or the first has not.
function all(promises) {
  const made = new Deferred();
  let left = promises.length;
  if (left === 0) made.resolve(undefined);
  for (let i = 0; i < promises.length; i++)
    then(promises[i], () => { if (--left === 0) made.resolve(undefined); }, (error) => made.reject(error));
  return made.promise;
}

export const isSignal = (value) => signals !== undefined && signals.is(value);

// A promise of the end. The options are read; signal is one, or undefined.
export function pipe(source, sink, options) {
  if (options.signal !== undefined && !isSignal(options.signal)) throw new TypeError('options.signal is no AbortSignal');
  const made = new Pipe(source, sink, options);
  made.start();
  return made.finished.promise;
}
