// CompressionStream and DecompressionStream (Compression Standard), over zlib (compression.c).
//
// What one chunk comes to is given piece by piece, as it is read: a bomb is no more than its reader wants of it.
import {
  FinalizationRegistry, Math, TypeError, Uint8Array, byteLength, bytesOf, copyBytes, face, need, resolved, subBytes,
  text, then, uncurry,
} from './lib/base.js';

const PIECE = 65536; // most bytes that one operation reads or writes
const FULL = -1, LOST = -2, WRITTEN = 2 ** 20, ENDED = 2 ** 40; // what operations answer
const FORMATS = ['gzip', 'deflate', 'deflate-raw'];

export default function (web, op) {
  const { host, streams } = web, { floor } = Math;
  const open = (format, inflates, again) => host(op, format, inflates, again);
  const close = (id) => host(op + 1, id);
  const run = (id, bytes, from, to, last) => host(op + 2, id, bytes, from, to, last);
  const collected = new FinalizationRegistry(close);
  const register = uncurry(FinalizationRegistry.prototype.register);

  function formatOf(given) {
    const name = text(given);
    for (let i = 0; i < FORMATS.length; i++) if (FORMATS[i] === name) return i;
    throw new TypeError(`the format '${name}' is not known`);
  }

  function makeCodec(format, inflates) {
    let id, ended = false;
    const key = {}; // lives as long as the stream does
    // Calls fn when there is a state. Where there are as many as there may be, those of streams that nobody holds any more
    // are given back by a job that waits by then.
    function begin(fn) {
      if (id !== undefined) return fn();
      const start = (again) => {
        if (ended) return undefined;
        const made = open(format, inflates, again);
        if (made === FULL) return then(resolved(undefined), () => start(true));
        id = made;
        register(collected, key, id);
        return fn();
      };
      return start(false);
    }
    function end() {
      ended = true;
      if (id === undefined) return;
      close(id);
      id = undefined;
    }
    // Works through `bytes` from `at` on; waits after each piece until it is read.
    function work(bytes, at, last, t) {
      for (;;) {
        const to = new Uint8Array(PIECE), answer = run(id, bytes, at, to, last);
        if (answer === LOST) throw new TypeError('the state of this stream was lost when its process was restored');
        if (answer < 0) throw new TypeError('what is to be decompressed is malformed');
        at += answer % WRITTEN;
        const made = floor(answer / WRITTEN) % WRITTEN, all = at === byteLength(bytes);
        if (answer >= ENDED) end();
        if (made > 0) t.enqueue(made === PIECE ? to : copyBytes(subBytes(to, 0, made)));
        if (ended && !all) throw new TypeError('something follows what is to be decompressed');
        if (ended || (all && made < PIECE)) return undefined;
        if (t.backpressure) return then(t.changed.promise, () => (t.readable.state === 'readable' ? work(bytes, at, last, t) : end()));
      }
    }
    const nothing = new Uint8Array(0);
    // What fails needs its state no more.
    function attempt(fn) {
      try {
        return then(resolved(fn()), undefined, failed);
      } catch (error) {
        return failed(error);
      }
    }
    function failed(error) {
      end();
      throw error;
    }
    return streams.transform({
      transform(chunk, t) {
        return attempt(() => {
          const bytes = bytesOf(chunk);
          if (bytes === undefined) throw new TypeError('a chunk is neither a buffer nor a view of one');
          if (byteLength(bytes) === 0) return undefined;
          if (ended) throw new TypeError('something follows what is to be decompressed');
          const mine = copyBytes(bytes);
          return begin(() => work(mine, 0, false, t));
        });
      },
      flush(t) {
        if (ended) return undefined;
        return attempt(() => then(resolved(begin(() => work(nothing, 0, true, t))), () => {
          if (!ended) throw new TypeError('what is to be decompressed ends early');
        }));
      },
      cancel: () => end(),
    });
  }

  class CompressionStream {
    #t;
    constructor(format) {
      need(arguments.length, 1, 'CompressionStream');
      this.#t = makeCodec(formatOf(format), false);
    }
    get readable() { return streams.face(this.#t.readable); }
    get writable() { return streams.sinkFace(this.#t.writable); }
  }
  class DecompressionStream {
    #t;
    constructor(format) {
      need(arguments.length, 1, 'DecompressionStream');
      this.#t = makeCodec(formatOf(format), true);
    }
    get readable() { return streams.face(this.#t.readable); }
    get writable() { return streams.sinkFace(this.#t.writable); }
  }
  web.define({ CompressionStream: face(CompressionStream), DecompressionStream: face(DecompressionStream) });
}
