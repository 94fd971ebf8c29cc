// Streams (Streams Standard), TextEncoderStream and TextDecoderStream (Encoding Standard).
//
// Other modules find in `web.streams` what scripts have no access to:
//   readable(source, options)  a state of a ReadableStream; source: {start(c), pull(c), cancel(reason)}, c: enqueue(chunk), close(),
//                              fail(error), desired; options: {mark, size, bytes}
//   writable(target, options)  a state of a WritableStream; target: {write(chunk, c), close(c), abort(reason, c)}
//   transform(work)            {readable, writable}: states; work: {transform(chunk, t), flush(t), cancel(reason)}, t: enqueue, fail,
//                              terminate
//   face(state), sinkFace(state)    what scripts see of it
//   of(value), sinkOf(value)        the state behind that; undefined: it is no such stream
//   reader(state)              next(): a promise of {value, done}; cancel(reason), release(); throws when it is locked
//   writer(state)              write(chunk), close(), abort(reason), release(), ready.promise
//   tee(state, copy)           {left, right}: states; copy(chunk), when given, makes the chunks of the right one
//   pipe(state, sink, options) a promise; options: {preventAbort, preventCancel, preventClose, signal}
// A state of a readable has: state ('readable', 'closed', 'errored'), error, disturbed, locked, cancel(reason).
import {
  String, TypeError, bytesOf, face, getOwnPropertyDescriptor, text, uncurry,
} from './lib/base.js';
import { pipe, setSignals } from './streams/pipe.js';
import {
  Reader, ReadableByteStreamController, ReadableStream, ReadableStreamBYOBReader, ReadableStreamBYOBRequest,
  ReadableStreamDefaultController, ReadableStreamDefaultReader, faceOf, makeStream, streamOf,
} from './streams/readable.js';
import { ByteLengthQueuingStrategy, CountQueuingStrategy } from './streams/strategy.js';
import { tee } from './streams/tee.js';
import { TransformStream, TransformStreamDefaultController, makeTransform } from './streams/transform.js';
import {
  WritableStream, WritableStreamDefaultController, WritableStreamDefaultWriter, Writer, faceOfSink, makeSink, setAbort, writableOf,
} from './streams/writable.js';

export default function (web) {
  const { AbortController, AbortSignal, TextEncoder, TextDecoder } = globalThis;
  const get = (made, name) => uncurry(getOwnPropertyDescriptor(made.prototype, name).get);
  const isAborted = get(AbortSignal, 'aborted'), reason = get(AbortSignal, 'reason'), signalOf = get(AbortController, 'signal');
  const abort = uncurry(AbortController.prototype.abort);
  setSignals({ is: web.events.isSignal, isAborted, reason, onAbort: web.events.onAbort });
  setAbort(() => {
    const controller = new AbortController(), signal = signalOf(controller);
    return { signal, abort: (why) => abort(controller, why) };
  });

  web.streams = {
    readable: makeStream, writable: makeSink, transform: makeTransform, face: faceOf, sinkFace: faceOfSink, of: streamOf,
    sinkOf: writableOf, reader: (state) => new Reader(state, false), writer: (state) => new Writer(state), tee, pipe,
  };
  web.define({
    ReadableStream, ReadableStreamDefaultReader, ReadableStreamBYOBReader, ReadableStreamDefaultController,
    ReadableByteStreamController, ReadableStreamBYOBRequest, WritableStream, WritableStreamDefaultWriter,
    WritableStreamDefaultController, TransformStream, TransformStreamDefaultController, ByteLengthQueuingStrategy,
    CountQueuingStrategy,
  });

  // ---- text
  const encode = uncurry(TextEncoder.prototype.encode), decode = uncurry(TextDecoder.prototype.decode);
  const encoding = get(TextDecoder, 'encoding'), fatal = get(TextDecoder, 'fatal'), ignoreBOM = get(TextDecoder, 'ignoreBOM');
  const codeAt = uncurry(String.prototype.charCodeAt), slice = uncurry(String.prototype.slice);
  const encoder = new TextEncoder();

  class TextEncoderStream {
    #t;
    constructor() {
      let held = ''; // the first half of a pair, whose second may follow
      this.#t = makeTransform({
        transform(chunk, t) {
          let string = held + text(chunk);
          held = '';
          const last = string.length > 0 ? codeAt(string, string.length - 1) : 0;
          if (last >= 0xd800 && last < 0xdc00) {
            held = slice(string, -1);
            string = slice(string, 0, -1);
          }
          if (string.length > 0) t.enqueue(encode(encoder, string));
        },
        flush(t) { if (held !== '') t.enqueue(encode(encoder, held)); },
      });
    }
    get encoding() { return #t in this ? 'utf-8' : bad(); }
    get readable() { return faceOf(this.#t.readable); }
    get writable() { return faceOfSink(this.#t.writable); }
  }
  const more = { stream: true };
  class TextDecoderStream {
    #t; #decoder;
    constructor(label = 'utf-8', options = {}) {
      const decoder = this.#decoder = new TextDecoder(label, options);
      this.#t = makeTransform({
        transform(chunk, t) {
          const bytes = bytesOf(chunk);
          if (bytes === undefined) throw new TypeError('a chunk is neither a buffer nor a view of one');
          const string = decode(decoder, bytes, more);
          if (string !== '') t.enqueue(string);
        },
        flush(t) {
          const string = decode(decoder);
          if (string !== '') t.enqueue(string);
        },
      });
    }
    get encoding() { return encoding(this.#decoder); }
    get fatal() { return fatal(this.#decoder); }
    get ignoreBOM() { return ignoreBOM(this.#decoder); }
    get readable() { return faceOf(this.#t.readable); }
    get writable() { return faceOfSink(this.#t.writable); }
  }
  const bad = () => { throw new TypeError('Illegal invocation'); };
  web.define({ TextEncoderStream: face(TextEncoderStream), TextDecoderStream: face(TextDecoderStream) });
}
