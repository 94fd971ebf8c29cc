// CompressionStream and DecompressionStream (Compression Standard), over zlib (compression.c).
//
// What one chunk comes to is given piece by piece, as it is read: a bomb is no more than its reader wants of it.
import {
  FinalizationRegistry, Math, TypeError, Uint8Array, byteLength, bytesOf, copyBytes, face, need, resolved, subBytes,
  text, then, uncurry,
} from './lib/base.js';

const PIECE = 65536, MALFORMED = -1, LOST = -2;
const FORMATS = ['gzip', 'deflate', 'deflate-raw'];

export default function (web, op) {
  const { host, streams } = web, { floor } = Math;
  const open = (format, inflates) => host(op, format, inflates);
  const close = (id) => host(op + 1, id);
  const run = (id, bytes, from, to, last) => host(op + 2, id, bytes, from, to, last);
  const collected = new FinalizationRegistry(close);
  const register = uncurry(FinalizationRegistry.prototype.register), unregister = uncurry(FinalizationRegistry.prototype.unregister);

  function formatOf(given) {
    const name = text(given);
    for (let i = 0; i < FORMATS.length; i++) if (FORMATS[i] === name) return i;
    throw new TypeError(`the format '${name}' is not known`);
  }

  function makeCodec(format, inflates) {
    let id, ended = false;
    const key = {}; // lives as long as the stream does
    function start() {
      id = open(format, inflates);
      register(collected, key, id, key);
    }
    function end() {
      ended = true;
      if (id === undefined) return;
      unregister(collected, key);
      close(id);
      id = undefined;
    }
    // Works through `bytes` from `at` on; waits after each piece until it is read.
    function work(bytes, at, last, t) {
      if (id === undefined) start();
      for (;;) {
        const to = new Uint8Array(PIECE), answer = run(id, bytes, at, to, last);
        if (answer < 0) {
          throw new TypeError(answer === LOST ? 'the state of this stream was lost when its process was restored' :
            'what is to be decompressed is malformed');
        }
        at += answer % 0x100000;
        const made = floor(answer / 0x100000) % 0x100000, all = at === byteLength(bytes);
        if (answer >= 0x10000000000) end();
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
        const bytes = bytesOf(chunk);
        if (bytes === undefined) throw new TypeError('a chunk is neither a buffer nor a view of one');
        if (byteLength(bytes) === 0) return undefined;
        if (ended) throw new TypeError('something follows what is to be decompressed');
        return attempt(() => work(copyBytes(bytes), 0, false, t));
      },
      flush(t) {
        if (ended) return undefined;
        return attempt(() => then(resolved(work(nothing, 0, true, t)), () => {
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
