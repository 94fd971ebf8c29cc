// Streams, by the rules of the Streams Standard. Where an order of callbacks is shown, it is one that the standard fixes.
const settle = async (n = 20) => { for (let i = 0; i < n; i++) await Promise.resolve(); };
const outcome = (promise) => promise.then((v) => ['ok', v], (e) => ['failed', e instanceof Error ? e.name : e]);
const stateOf = async (promise) => {
  const pending = {};
  await settle();
  return Promise.race([promise, Promise.resolve(pending)]).then((v) => (v === pending ? 'pending' : 'fulfilled'), () => 'rejected');
};
async function all(stream) {
  const got = [];
  for await (const chunk of stream) got.push(chunk);
  return got;
}
const pair = async (result) => [(await result).value, (await result).done];
const thrown = (fn) => {
  try {
    return ['ok', fn()];
  } catch (e) {
    return ['threw', e instanceof Error ? e.name : e];
  }
};
const of = (...chunks) => new ReadableStream({
  start(c) {
    for (const chunk of chunks) c.enqueue(chunk);
    c.close();
  },
});
const bytes = (...values) => new Uint8Array(values);
const bytesOf = (...parts) => new ReadableStream({
  type: 'bytes',
  start(c) {
    for (const part of parts) c.enqueue(new Uint8Array(part));
    c.close();
  },
});
function sink(log = [], extra = {}) {
  return new WritableStream({
    write(chunk) { log.push(['write', chunk]); },
    close() { log.push(['close']); },
    abort(reason) { log.push(['abort', reason]); },
    ...extra,
  }, { highWaterMark: extra.mark ?? 1 });
}

const classes = ['ReadableStream', 'ReadableStreamDefaultReader', 'ReadableStreamBYOBReader', 'ReadableStreamDefaultController',
  'ReadableByteStreamController', 'ReadableStreamBYOBRequest', 'WritableStream', 'WritableStreamDefaultWriter',
  'WritableStreamDefaultController', 'TransformStream', 'TransformStreamDefaultController', 'ByteLengthQueuingStrategy',
  'CountQueuingStrategy'];
const members = (made) => {
  const list = Object.getOwnPropertyNames(made.prototype).filter((n) => n !== 'constructor').sort();
  return list.map((name) => {
    const d = Object.getOwnPropertyDescriptor(made.prototype, name);
    return `${name}${d.enumerable ? '' : ' hidden'}${d.get ? ' get' : ` ${d.value.length}`}${d.set ? ' set' : ''}`;
  });
};

export const cases = {};
for (const name of classes) {
  cases[`${name} has the members of the standard`] = () => members(globalThis[name]);
  cases[`${name} is a hidden global with a tag`] = () => {
    const d = Object.getOwnPropertyDescriptor(globalThis, name);
    return [d.enumerable, d.configurable, globalThis[name].prototype[Symbol.toStringTag], typeof globalThis[name]];
  };
  cases[`${name} is not called without new`] = () => thrown(() => globalThis[name]());
}
for (const name of ['ReadableStreamDefaultController', 'ReadableByteStreamController', 'ReadableStreamBYOBRequest',
  'WritableStreamDefaultController', 'TransformStreamDefaultController'])
  cases[`${name} is not made by scripts`] = () => thrown(() => new globalThis[name]({}, {}));
for (const value of [null, 1, 'x', {}, [], () => {}]) {
  const shown = JSON.stringify(value) ?? 'a function';
  cases[`a default reader needs a stream, not ${shown}`] = () => thrown(() => new ReadableStreamDefaultReader(value));
  cases[`a byob reader needs a stream, not ${shown}`] = () => thrown(() => new ReadableStreamBYOBReader(value));
  cases[`a writer needs a stream, not ${shown}`] = () => thrown(() => new WritableStreamDefaultWriter(value));
  cases[`pipeTo needs a destination, not ${shown}`] = () => outcome(of(1).pipeTo(value));
  cases[`pipeThrough needs a pair, not ${shown}`] = () => thrown(() => of(1).pipeThrough(value));
}
for (const [what, make] of Object.entries({ ReadableStream: (...a) => new ReadableStream(...a), WritableStream: (...a) => new WritableStream(...a),
  TransformStream: (...a) => new TransformStream(...a) })) {
  cases[`${what} takes no argument`] = () => thrown(() => typeof make());
  cases[`${what} takes undefined`] = () => thrown(() => typeof make(undefined, undefined));
  cases[`${what} takes an empty object`] = () => thrown(() => typeof make({}));
  for (const value of [1, 'x', true]) cases[`${what} refuses ${JSON.stringify(value)}`] = () => thrown(() => typeof make(value));
  for (const mark of [-1, NaN, 'x', -Infinity])
    cases[`${what} refuses a mark of ${mark}`] = () => thrown(() => typeof make({}, { highWaterMark: mark }));
  for (const mark of [0, Infinity, '7', 1.5, true])
    cases[`${what} takes a mark of ${mark}`] = () => thrown(() => typeof make({}, { highWaterMark: mark }));
  cases[`${what} passes on what start throws`] = () => thrown(() => make({ start() { throw 'mine'; } }));
  cases[`${what} refuses a start that is no function`] = () => thrown(() => make({ start: 1 }));
  cases[`${what} refuses a size that is no function`] = () => thrown(() => make({}, { size: 1 }));
  cases[`${what} passes on what a getter throws`] = () => thrown(() => make({ get start() { throw 'getter'; } }));
  cases[`${what} passes on what a getter of the strategy throws`] = () => thrown(() => make({}, { get size() { throw 'getter'; } }));
  cases[`${what} calls start on its object`] = () => {
    let self;
    const object = { start() { self = this; } };
    make(object);
    return self === object;
  };
  cases[`${what} can be extended`] = () => {
    const base = globalThis[what];
    class Mine extends base { more() { return this instanceof base; } }
    return new Mine().more();
  };
}

Object.assign(cases, {
  // ---- strategies
  'a CountQueuingStrategy counts one': () => [new CountQueuingStrategy({ highWaterMark: 3 }).size('abc'), new CountQueuingStrategy({ highWaterMark: 3 }).highWaterMark],
  'a ByteLengthQueuingStrategy counts bytes': () => [new ByteLengthQueuingStrategy({ highWaterMark: 3 }).size(bytes(1, 2)), new ByteLengthQueuingStrategy({ highWaterMark: 3 }).size({})],
  'the size functions are one each': () => [new CountQueuingStrategy({ highWaterMark: 1 }).size === new CountQueuingStrategy({ highWaterMark: 2 }).size, new CountQueuingStrategy({ highWaterMark: 1 }).size.name, new CountQueuingStrategy({ highWaterMark: 1 }).size.length, new ByteLengthQueuingStrategy({ highWaterMark: 1 }).size.length],
  'a strategy needs its mark': () => [thrown(() => new CountQueuingStrategy()), thrown(() => new CountQueuingStrategy({})), thrown(() => new ByteLengthQueuingStrategy({})), thrown(() => new ByteLengthQueuingStrategy(1))],
  'a strategy may hold any number': () => [new CountQueuingStrategy({ highWaterMark: -1 }).highWaterMark, new CountQueuingStrategy({ highWaterMark: 'x' }).highWaterMark],
  'a size that throws is the stream\'s error': async () => {
    let failed;
    const s = new ReadableStream({ start(c) { failed = thrown(() => c.enqueue(1)); } }, { size() { throw 'size'; } });
    return [failed, await outcome(s.getReader().read())];
  },
  ...Object.fromEntries([-1, NaN, Infinity].map((size) => [`a size of ${size} is the stream's error`, async () => {
    let failed;
    const s = new ReadableStream({ start(c) { failed = thrown(() => c.enqueue(1)); } }, { size: () => size });
    return [failed, await outcome(s.getReader().read())];
  }])),
  'sizes count against the mark': () => {
    const seen = [];
    new ReadableStream({ start(c) { for (const n of [1, 2, 3]) { c.enqueue(n); seen.push(c.desiredSize); } } }, { highWaterMark: 4, size: (n) => n });
    return seen;
  },
  'sizes may be strings of numbers': () => {
    const seen = [];
    new ReadableStream({ start(c) { c.enqueue(1); seen.push(c.desiredSize); } }, { highWaterMark: 4, size: () => '3' });
    return seen;
  },

  // ---- reading
  'chunks come in order and then the end': async () => {
    const r = of('a', 'b').getReader();
    return [await r.read(), await r.read(), await r.read(), await r.read(), await outcome(r.closed)];
  },
  'a read waits for a chunk': async () => {
    let c;
    const r = new ReadableStream({ start(given) { c = given; } }).getReader(), p = r.read(), before = await stateOf(p);
    c.enqueue('late');
    return [before, await p];
  },
  'reads are served in order': async () => {
    let c;
    const r = new ReadableStream({ start(given) { c = given; } }).getReader(), p = [r.read(), r.read(), r.read()];
    c.enqueue(1);
    c.enqueue(2);
    c.close();
    return Promise.all(p);
  },
  'pull is called up to the mark': async () => {
    let n = 0;
    new ReadableStream({ pull(c) { c.enqueue(++n); } }, { highWaterMark: 3 });
    await settle();
    return n;
  },
  'pull is not called with a mark of 0 until somebody reads': async () => {
    let n = 0;
    const s = new ReadableStream({ pull(c) { c.enqueue(++n); } }, { highWaterMark: 0 });
    await settle();
    const before = n, first = await s.getReader().read();
    return [before, first, n];
  },
  'pull waits for the promise of the last': async () => {
    const log = [];
    let go;
    const s = new ReadableStream({ pull(c) { log.push('pull'); return new Promise((r) => { go = r; }); } });
    const r = s.getReader();
    r.read();
    await settle();
    r.read();
    await settle();
    const before = log.length;
    go();
    await settle();
    return [before, log.length];
  },
  'pull waits for start': async () => {
    let go, n = 0;
    new ReadableStream({ start: () => new Promise((r) => { go = r; }), pull() { n++; } });
    await settle();
    const before = n;
    go();
    await settle();
    return [before, n];
  },
  'pull that rejects is the stream\'s error': async () => outcome(new ReadableStream({ pull() { return Promise.reject('bad'); } }).getReader().read()),
  'pull that throws is the stream\'s error': async () => outcome(new ReadableStream({ pull() { throw 'bad'; } }).getReader().read()),
  'start that rejects is the stream\'s error': async () => outcome(new ReadableStream({ start: () => Promise.reject('bad') }).getReader().closed),
  'pull may return a thenable': async () => {
    let n = 0;
    const s = new ReadableStream({ pull(c) { c.enqueue(++n); return { then(ok) { ok(); } }; } }, { highWaterMark: 2 });
    await settle();
    return [n, await s.getReader().read()];
  },
  'a source of an unknown type is refused': () => [thrown(() => new ReadableStream({ type: 'text' })), thrown(() => new ReadableStream({ type: null }))],
  'a type may be an object that says bytes': () => thrown(() => typeof new ReadableStream({ type: { toString: () => 'bytes' } })),
  'a sink with a type is refused': () => thrown(() => new WritableStream({ type: 'bytes' })),
  'a transformer with types is refused': () => [thrown(() => new TransformStream({ readableType: 'bytes' })), thrown(() => new TransformStream({ writableType: '' }))],
  'desiredSize goes down, and is 0 when closed and null when failed': () => {
    const seen = [];
    new ReadableStream({ start(c) { seen.push(c.desiredSize); c.enqueue(1); seen.push(c.desiredSize); c.enqueue(1); seen.push(c.desiredSize); } }, { highWaterMark: 2 });
    new ReadableStream({ start(c) { c.close(); seen.push(c.desiredSize); } });
    new ReadableStream({ start(c) { c.error(); seen.push(c.desiredSize); } });
    return seen;
  },
  'a closed stream takes nothing': () => {
    const seen = [];
    new ReadableStream({ start(c) { c.close(); seen.push(thrown(() => c.enqueue(1)), thrown(() => c.close()), thrown(() => c.error(1))); } });
    return seen;
  },
  'a failed stream takes nothing': () => {
    const seen = [];
    new ReadableStream({ start(c) { c.error(1); seen.push(thrown(() => c.enqueue(1)), thrown(() => c.close()), thrown(() => c.error(1))); } });
    return seen;
  },
  'a stream that closes with chunks in its queue is closed when they are read': async () => {
    const r = of(1, 2).getReader(), before = await stateOf(r.closed);
    await r.read();
    await r.read();
    return [before, await stateOf(r.closed)];
  },
  'an error drops what is in the queue': async () => {
    let c;
    const s = new ReadableStream({ start(given) { c = given; c.enqueue(1); } });
    c.error('gone');
    return outcome(s.getReader().read());
  },
  'an error of undefined is one': async () => outcome(new ReadableStream({ start(c) { c.error(); } }).getReader().read()),
  'a chunk may be anything': async () => all(of(undefined, null, 0, '', { a: 1 }, [1])),
  'a chunk that is a promise is one': async () => {
    const r = of(Promise.resolve(5)).getReader(), { value } = await r.read();
    return [value instanceof Promise, await value];
  },
  'a chunk that is a thenable is not asked': async () => {
    let asked = 0;
    const r = of({ get then() { asked++; return undefined; } }).getReader();
    await r.read();
    return asked;
  },
  'methods of other objects fail': async () => {
    const p = ReadableStream.prototype, r = ReadableStreamDefaultReader.prototype;
    return [await outcome(p.cancel.call({})), await outcome(p.pipeTo.call({}, sink())), thrown(() => p.getReader.call({})), thrown(() => p.tee.call({})),
      thrown(() => p.values.call({})), thrown(() => Object.getOwnPropertyDescriptor(p, 'locked').get.call({})), await outcome(r.read.call({})),
      await outcome(r.cancel.call({})), thrown(() => r.releaseLock.call({})), await outcome(Object.getOwnPropertyDescriptor(r, 'closed').get.call({}))];
  },
  'a stream has one reader': () => {
    const s = of(1), r = s.getReader();
    return [s.locked, thrown(() => s.getReader()), thrown(() => s.tee()), (r.releaseLock(), s.locked), thrown(() => typeof s.getReader())];
  },
  'an unknown mode is refused': () => [thrown(() => of(1).getReader({ mode: 'x' })), thrown(() => of(1).getReader({ mode: null })), thrown(() => typeof of(1).getReader({ mode: undefined })), thrown(() => of(1).getReader(1)), thrown(() => typeof of(1).getReader(null))],
  'a released reader reads nothing': async () => {
    const s = of(1), r = s.getReader();
    r.releaseLock();
    r.releaseLock();
    return [await outcome(r.read()), await outcome(r.cancel()), await outcome(r.closed), await s.getReader().read()];
  },
  'releasing rejects the reads that wait': async () => {
    let c;
    const s = new ReadableStream({ start(given) { c = given; } }), r = s.getReader(), p = [r.read(), r.read()];
    r.releaseLock();
    c.enqueue('next');
    return [await outcome(p[0]), await outcome(p[1]), await s.getReader().read()];
  },
  'closed is another promise after a release': async () => {
    const s = of(), r = s.getReader(), before = r.closed;
    await before;
    r.releaseLock();
    return [before === r.closed, await outcome(r.closed)];
  },

  // ---- cancelling
  'cancel tells the source once': async () => {
    const log = [];
    const s = new ReadableStream({ cancel(reason) { log.push(reason); } });
    return [await outcome(s.cancel('why')), await outcome(s.cancel('again')), log];
  },
  'cancel drops the queue': async () => {
    const s = of(1, 2);
    await s.cancel();
    return s.getReader().read();
  },
  'cancel waits for the source': async () => {
    let go;
    const s = new ReadableStream({ cancel: () => new Promise((r) => { go = r; }) }), p = s.cancel(), before = await stateOf(p);
    go('ignored');
    return [before, await outcome(p)];
  },
  'cancel that throws rejects': async () => outcome(new ReadableStream({ cancel() { throw 'no'; } }).cancel()),
  'cancel that rejects rejects, but the stream is closed': async () => {
    const s = new ReadableStream({ cancel: () => Promise.reject('no') }), r = s.getReader();
    return [await outcome(r.cancel()), await outcome(r.closed), await r.read()];
  },
  'cancel of a failed stream rejects': async () => outcome(new ReadableStream({ start(c) { c.error('bad'); } }).cancel()),
  'cancel of a locked stream rejects': async () => {
    const s = of(1);
    s.getReader();
    return outcome(s.cancel());
  },
  'cancel ends the reads that wait': async () => {
    const r = new ReadableStream({}).getReader(), p = r.read();
    r.cancel();
    return p;
  },
  'the source cannot enqueue after cancel': async () => {
    let c;
    const s = new ReadableStream({ start(given) { c = given; } });
    s.cancel();
    return [thrown(() => c.enqueue(1)), thrown(() => c.close()), c.desiredSize];
  },

  // ---- iteration
  'for await reads all': async () => all(of(1, 2, 3)),
  'for await that breaks cancels': async () => {
    const log = [], s = new ReadableStream({ pull(c) { c.enqueue(1); }, cancel(r) { log.push(r); } });
    for await (const n of s) break;
    return [log, s.locked];
  },
  'for await that breaks with preventCancel does not': async () => {
    const log = [], s = new ReadableStream({ pull(c) { c.enqueue(1); }, cancel(r) { log.push(r); } });
    for await (const n of s.values({ preventCancel: true })) break;
    return [log, s.locked, await s.getReader().read()];
  },
  'for await throws the error of the stream': async () => {
    try {
      for await (const n of new ReadableStream({ start(c) { c.error('bad'); } }));
    } catch (e) {
      return e;
    }
    return 'no';
  },
  'an iterator asks one after the other': async () => {
    const it = of(1, 2)[Symbol.asyncIterator]();
    return Promise.all([it.next(), it.next(), it.next(), it.next()].map(pair));
  },
  'an iterator that returned is at its end': async () => {
    const it = of(1, 2).values();
    return [await pair(it.next()), await pair(it.return('x')), await pair(it.next()), await pair(it.return('y'))];
  },
  'return waits for the next before it': async () => {
    const it = of(1, 2).values();
    return Promise.all([it.next(), it.return('x'), it.next()].map(pair));
  },
  'values and the async iterator are one function': () => ReadableStream.prototype.values === ReadableStream.prototype[Symbol.asyncIterator],
  'the iterator is an async iterable without a throw': () => {
    const it = of().values();
    return [it[Symbol.asyncIterator]() === it, 'throw' in it, Object.keys(Object.getPrototypeOf(it)).sort()];
  },
  'iterating locks': () => {
    const s = of(1);
    s.values();
    return [s.locked, thrown(() => s.values())];
  },
  'an iterator is at its end after an error': async () => {
    const it = new ReadableStream({ start(c) { c.error('bad'); } }).values();
    return [await outcome(it.next()), await pair(it.next())];
  },
  // ---- from
  'from reads an array': async () => all(ReadableStream.from([1, 2, 3])),
  'from waits for promises of an array': async () => all(ReadableStream.from([Promise.resolve(1), 2])),
  'from reads a generator': async () => all(ReadableStream.from((function* () { yield 1; yield 2; })())),
  'from reads an async generator': async () => all(ReadableStream.from((async function* () { yield 1; yield 2; })())),
  'from reads a stream': async () => all(ReadableStream.from(of(1, 2))),
  'from reads a set': async () => all(ReadableStream.from(new Set(['a', 'b']))),
  'from passes on what the generator throws': async () => outcome(all(ReadableStream.from((async function* () { yield 1; throw 'bad'; })()))),
  'from takes nothing early': async () => {
    let n = 0;
    const s = ReadableStream.from((function* () { for (;;) yield ++n; })());
    await settle();
    const before = n;
    await s.getReader().read();
    return [before, n];
  },
  'from cancels by return': async () => {
    const log = [];
    const it = { next: async () => ({ value: 1, done: false }), async return(v) { log.push(v); return {}; }, [Symbol.asyncIterator]() { return this; } };
    return [await outcome(ReadableStream.from(it).cancel('why')), log];
  },
  'from cancels what has no return': async () => outcome(ReadableStream.from({ next: async () => ({ done: true }), [Symbol.asyncIterator]() { return this; } }).cancel('why')),
  'from refuses a return that gives no object': async () => outcome(ReadableStream.from({ next: async () => ({}), return: async () => 1, [Symbol.asyncIterator]() { return this; } }).cancel()),
  'from refuses a next that gives no object': async () => outcome(ReadableStream.from({ next: async () => 1, [Symbol.asyncIterator]() { return this; } }).getReader().read()),
  ...Object.fromEntries([1, null, undefined, true, {}, { [Symbol.iterator]: 1 }, { [Symbol.asyncIterator]: 1 }].map((v, i) => [`from refuses what is not iterable ${i}`, () => thrown(() => ReadableStream.from(v))])),
  'from throws what the iterator method throws': () => thrown(() => ReadableStream.from({ [Symbol.iterator]() { throw 'mine'; } })),

  // ---- tee
  'both branches get all': async () => {
    const [a, b] = of(1, 2, 3).tee();
    return Promise.all([all(a), all(b)]);
  },
  'both branches get the same object': async () => {
    const [a, b] = of({ n: 1 }).tee();
    return (await a.getReader().read()).value === (await b.getReader().read()).value;
  },
  'a branch that is not read holds what the other has read': async () => {
    const [a, b] = of(1, 2, 3).tee(), first = await all(a);
    return [first, await all(b)];
  },
  'the error comes to both': async () => {
    const [a, b] = new ReadableStream({ start(c) { c.error('bad'); } }).tee();
    return Promise.all([outcome(all(a)), outcome(all(b))]);
  },
  'cancelling one branch goes on with the other': async () => {
    const log = [], [a, b] = new ReadableStream({ start(c) { c.enqueue(1); c.close(); }, cancel(r) { log.push(r); } }).tee();
    a.cancel('a');
    return [await all(b), log];
  },
  'cancelling both cancels with both reasons': async () => {
    const log = [], [a, b] = new ReadableStream({ cancel(r) { log.push(r); } }).tee();
    const p = [a.cancel('a'), b.cancel('b')];
    await Promise.all(p);
    return log;
  },
  'both cancels see the failure of the source': async () => {
    const [a, b] = new ReadableStream({ cancel() { throw 'no'; } }).tee();
    return Promise.all([outcome(a.cancel()), outcome(b.cancel())]);
  },
  'tee locks, and branches are not': () => {
    const s = of(1), [a, b] = s.tee();
    return [s.locked, a.locked, b.locked];
  },
  'tee pulls as the first branch wants': async () => {
    let n = 0;
    const [a] = new ReadableStream({ pull(c) { c.enqueue(++n); } }, { highWaterMark: 0 }).tee();
    const r = a.getReader();
    await r.read();
    await r.read();
    await settle();
    return n;
  },
  'tee of tee': async () => {
    const [a, b] = of(1, 2).tee(), [c, d] = a.tee();
    return Promise.all([all(b), all(c), all(d)]);
  },

  // ---- bytes
  'bytes are chunks of bytes': async () => all(bytesOf([1, 2], [3])),
  'a byte stream refuses a size': () => thrown(() => new ReadableStream({ type: 'bytes' }, { size: () => 1 })),
  'a byte stream refuses other chunks': () => {
    const seen = [];
    new ReadableStream({ type: 'bytes', start(c) { for (const v of ['x', 1, null, [1], new ArrayBuffer(3), bytes()]) seen.push(thrown(() => c.enqueue(v))); } });
    return seen;
  },
  'a byte stream takes any view': async () => all(new ReadableStream({ type: 'bytes', start(c) { c.enqueue(new Uint16Array([258])); c.enqueue(new DataView(new ArrayBuffer(2))); c.close(); } })),
  'enqueueing detaches': () => {
    const view = bytes(1, 2);
    new ReadableStream({ type: 'bytes', start(c) { c.enqueue(view); } });
    return [view.length, view.buffer.byteLength];
  },
  'a byob reader needs a byte stream': () => thrown(() => of(1).getReader({ mode: 'byob' })),
  'a byob read fills the view': async () => {
    const r = bytesOf([1, 2, 3]).getReader({ mode: 'byob' });
    return [await r.read(new Uint8Array(2)), await r.read(new Uint8Array(5)), await r.read(new Uint8Array(2))];
  },
  'a byob read detaches the view': async () => {
    const view = new Uint8Array(4), r = bytesOf([1]).getReader({ mode: 'byob' }), { value } = await r.read(view);
    return [view.length, value.buffer.byteLength, value.byteOffset, value.length];
  },
  'a byob read keeps the place in the buffer': async () => {
    const r = bytesOf([1, 2, 3]).getReader({ mode: 'byob' }), { value } = await r.read(new Uint8Array(new ArrayBuffer(8), 3, 2));
    return [value.byteOffset, value.length, value.buffer.byteLength, [...new Uint8Array(value.buffer)]];
  },
  'a byob read gives the kind of view': async () => {
    const make = [Uint16Array, Int8Array, Float32Array, DataView, BigInt64Array], got = [];
    for (const M of make) {
      const r = bytesOf([1, 2, 3, 4, 5, 6, 7, 8]).getReader({ mode: 'byob' });
      const { value } = await r.read(new M(new ArrayBuffer(8)));
      got.push([value.constructor.name, value.byteLength]);
    }
    return got;
  },
  'a byob read gives whole elements': async () => {
    const r = bytesOf([1, 2, 3]).getReader({ mode: 'byob' }), first = await r.read(new Uint16Array(4));
    return [first.value.byteLength, await outcome(r.read(new Uint16Array(1)))];
  },
  ...Object.fromEntries([undefined, 1, {}, new ArrayBuffer(2)].map((v, i) => [`a byob read needs a view ${i}`, async () => outcome(bytesOf([1]).getReader({ mode: 'byob' }).read(v))])),
  'a byob read needs a view that is not empty': async () => {
    const r = bytesOf([1]).getReader({ mode: 'byob' });
    return [await outcome(r.read(bytes())), await outcome(r.read(new DataView(new ArrayBuffer(2), 2)))];
  },
  'a byob read of a detached view rejects': async () => {
    const view = bytes(1, 2);
    new ReadableStream({ type: 'bytes', start(c) { c.enqueue(view); } });
    return outcome(bytesOf([1]).getReader({ mode: 'byob' }).read(view));
  },
  'a byob read may ask for at least so many': async () => {
    let c;
    const s = new ReadableStream({ type: 'bytes', start(given) { c = given; } }), r = s.getReader({ mode: 'byob' });
    const p = r.read(new Uint8Array(8), { min: 3 });
    c.enqueue(bytes(1));
    const one = await stateOf(p);
    c.enqueue(bytes(2));
    const two = await stateOf(p);
    c.enqueue(bytes(3, 4));
    return [one, two, await p];
  },
  'at least 0 and more than fit are refused': async () => {
    const r = bytesOf([1]).getReader({ mode: 'byob' });
    return [await outcome(r.read(new Uint8Array(2), { min: 0 })), await outcome(r.read(new Uint8Array(2), { min: 3 })), await outcome(r.read(new Uint8Array(2), { min: -1 })), await outcome(r.read(new Uint16Array(1), { min: 2 }))];
  },
  'a source sees the request of a byob read': async () => {
    const log = [];
    const s = new ReadableStream({ type: 'bytes', pull(c) {
      const { view } = c.byobRequest;
      log.push([view.constructor.name, view.byteOffset, view.byteLength]);
      view[0] = 7;
      c.byobRequest.respond(1);
      log.push(c.byobRequest === null);
    } });
    const { value } = await s.getReader({ mode: 'byob' }).read(new Uint8Array(new ArrayBuffer(10), 2, 4));
    return [log, value];
  },
  'without a byob read there is no request': async () => {
    const log = [];
    const s = new ReadableStream({ type: 'bytes', pull(c) { log.push(c.byobRequest); c.enqueue(bytes(1)); } });
    return [await s.getReader().read(), log];
  },
  'buffers of the stream\'s own are requests too': async () => {
    const log = [];
    const s = new ReadableStream({ type: 'bytes', autoAllocateChunkSize: 16, pull(c) {
      log.push(c.byobRequest.view.byteLength);
      c.byobRequest.view[0] = 9;
      c.byobRequest.respond(1);
    } });
    const { value } = await s.getReader().read();
    return [log, value, value.buffer.byteLength];
  },
  ...Object.fromEntries([0].map((n) => [`an autoAllocateChunkSize of ${n} is refused`, () => thrown(() => new ReadableStream({ type: 'bytes', autoAllocateChunkSize: n }))])),
  'a request is answered once': async () => {
    let request;
    const s = new ReadableStream({ type: 'bytes', pull(c) { request = c.byobRequest; request.respond(1); } });
    await s.getReader({ mode: 'byob' }).read(new Uint8Array(1));
    return [request.view, thrown(() => request.respond(1)), thrown(() => request.respondWithNewView(bytes(1)))];
  },
  'more bytes than fit are refused': async () => {
    const log = [];
    const s = new ReadableStream({ type: 'bytes', pull(c) { log.push(thrown(() => c.byobRequest.respond(3)), thrown(() => c.byobRequest.respond(0))); c.byobRequest.respond(2); } });
    return [await s.getReader({ mode: 'byob' }).read(new Uint8Array(2)), log];
  },
  'another view of the same buffer is an answer': async () => {
    const s = new ReadableStream({ type: 'bytes', pull(c) { const { view } = c.byobRequest; c.byobRequest.respondWithNewView(new Uint8Array(view.buffer, view.byteOffset, 2)); } });
    return s.getReader({ mode: 'byob' }).read(new Uint8Array(4));
  },
  'views that are elsewhere are no answer': async () => {
    const log = [];
    const s = new ReadableStream({ type: 'bytes', pull(c) {
      const q = c.byobRequest, { view } = q;
      log.push(thrown(() => q.respondWithNewView(new Uint8Array(view.buffer, 1, 2))), thrown(() => q.respondWithNewView(new Uint8Array(9))),
        thrown(() => q.respondWithNewView(new Uint8Array(view.buffer, 0, 0))), thrown(() => q.respondWithNewView(1)));
      q.respond(1);
    } });
    await s.getReader({ mode: 'byob' }).read(new Uint8Array(4));
    return log;
  },
  'closing with a byob read that waits needs an answer of 0': async () => {
    let c;
    const s = new ReadableStream({ type: 'bytes', start(given) { c = given; } }), r = s.getReader({ mode: 'byob' }), p = r.read(new Uint8Array(4));
    await settle();
    c.close();
    const before = await stateOf(p);
    c.byobRequest.respond(0);
    return [before, await p, await outcome(r.closed)];
  },
  'an answer after the close must be 0': async () => {
    let c;
    const s = new ReadableStream({ type: 'bytes', start(given) { c = given; } }), r = s.getReader({ mode: 'byob' });
    r.read(new Uint8Array(4));
    await settle();
    c.close();
    return thrown(() => c.byobRequest.respond(1));
  },
  'closing amid an element is an error': async () => {
    let c;
    const s = new ReadableStream({ type: 'bytes', start(given) { c = given; } }), r = s.getReader({ mode: 'byob' }), p = r.read(new Uint16Array(2));
    c.enqueue(bytes(1));
    return [thrown(() => c.close()), await outcome(p)];
  },
  'cancelling ends a byob read without a view': async () => {
    const r = new ReadableStream({ type: 'bytes' }).getReader({ mode: 'byob' }), p = r.read(new Uint8Array(4));
    r.cancel();
    return p;
  },
  'a byob read of a closed stream gives the view back empty': async () => {
    const r = new ReadableStream({ type: 'bytes', start(c) { c.close(); } }).getReader({ mode: 'byob' }), { value, done } = await r.read(new Uint8Array(4));
    return [value.length, value.buffer.byteLength, done];
  },
  'several byob reads are filled by one chunk': async () => {
    let c;
    const s = new ReadableStream({ type: 'bytes', start(given) { c = given; } }), r = s.getReader({ mode: 'byob' });
    const p = [r.read(new Uint8Array(2)), r.read(new Uint8Array(2)), r.read(new Uint8Array(4))];
    c.enqueue(bytes(1, 2, 3, 4, 5));
    return Promise.all(p);
  },
  'what a released byob reader was to get is for the next': async () => {
    let c;
    const s = new ReadableStream({ type: 'bytes', start(given) { c = given; } }), r = s.getReader({ mode: 'byob' }), p = r.read(new Uint8Array(4));
    await settle();
    const request = c.byobRequest;
    r.releaseLock();
    request.view[0] = 42;
    request.respond(1);
    return [await outcome(p), await s.getReader().read()];
  },
  'a reader of one kind may follow one of the other': async () => {
    const s = bytesOf([1, 2, 3, 4]), a = s.getReader({ mode: 'byob' }), first = await a.read(new Uint8Array(2));
    a.releaseLock();
    const b = s.getReader();
    return [first, await b.read(), await b.read()];
  },
  'desiredSize counts bytes': () => {
    const seen = [];
    new ReadableStream({ type: 'bytes', start(c) { seen.push(c.desiredSize); c.enqueue(bytes(1, 2, 3)); seen.push(c.desiredSize); } }, { highWaterMark: 10 });
    return seen;
  },
  'a byte stream\'s mark is 0 when left out': async () => {
    let n = 0, seen;
    new ReadableStream({ type: 'bytes', start(c) { seen = c.desiredSize; }, pull() { n++; } });
    await settle();
    return [seen, n];
  },
  'tee of bytes copies': async () => {
    const [a, b] = bytesOf([1, 2], [3]).tee(), x = await a.getReader().read(), y = await b.getReader().read();
    return [x, y, x.value.buffer === y.value.buffer];
  },
  'tee of bytes: one side reads into buffers': async () => {
    let n = 0;
    const s = new ReadableStream({ type: 'bytes', pull(c) {
      if (n === 3) {
        c.close();
        c.byobRequest?.respond(0);
      } else {
        c.enqueue(bytes(++n, n));
      }
    } });
    const [a, b] = s.tee(), r = a.getReader({ mode: 'byob' }), got = [];
    for (;;) {
      const { value, done } = await r.read(new Uint8Array(8));
      got.push([...value]);
      if (done) break;
    }
    return [got, await all(b)];
  },
  'tee of bytes: branches are streams of bytes': () => bytesOf([1]).tee().map((s) => thrown(() => typeof s.getReader({ mode: 'byob' }))),
  'tee of bytes: both cancel': async () => {
    const log = [], [a, b] = new ReadableStream({ type: 'bytes', cancel(r) { log.push(r); } }).tee();
    await Promise.all([a.cancel(1), b.cancel(2)]);
    return log;
  },
  'tee of bytes: the error comes to both': async () => {
    const [a, b] = new ReadableStream({ type: 'bytes', start(c) { c.error('bad'); } }).tee();
    return Promise.all([outcome(all(a)), outcome(all(b))]);
  },

  // ---- writing
  'chunks are written in order and then the end': async () => {
    const log = [], w = sink(log).getWriter();
    w.write(1);
    w.write(2);
    await w.close();
    return log;
  },
  'one write at a time': async () => {
    const log = [];
    let go;
    const w = new WritableStream({ write(c) { log.push(c); return new Promise((r) => { go = r; }); } }).getWriter();
    w.write(1);
    w.write(2);
    await settle();
    const before = [...log];
    go();
    await settle();
    return [before, log];
  },
  'write waits for start': async () => {
    const log = [];
    let go;
    const w = sink(log, { start: () => new Promise((r) => { go = r; }) }).getWriter();
    w.write(1);
    await settle();
    const before = log.length;
    go();
    await settle();
    return [before, log.length];
  },
  'ready waits while the queue is full': async () => {
    let go;
    const w = new WritableStream({ write: () => new Promise((r) => { go = r; }) }).getWriter(), seen = [await stateOf(w.ready), w.desiredSize];
    w.write(1);
    seen.push(await stateOf(w.ready), w.desiredSize);
    go();
    seen.push(await stateOf(w.ready), w.desiredSize);
    return seen;
  },
  'desiredSize goes below 0': () => {
    const w = sink([], { mark: 2 }).getWriter(), seen = [w.desiredSize];
    for (let i = 0; i < 4; i++) {
      w.write(i);
      seen.push(w.desiredSize);
    }
    return seen;
  },
  'desiredSize of a closed stream is 0, of a failed one null': async () => {
    const a = sink().getWriter(), b = sink().getWriter();
    await a.close();
    await b.abort('x');
    return [a.desiredSize, b.desiredSize];
  },
  'a write that fails fails the stream': async () => {
    const w = new WritableStream({ write() { throw 'bad'; } }).getWriter();
    const first = w.write(1), second = w.write(2);
    return [await outcome(first), await outcome(second), await outcome(w.closed), await outcome(w.ready), await outcome(w.close())];
  },
  'close waits for writes': async () => {
    const log = [];
    let go;
    const w = sink(log, { write: () => new Promise((r) => { go = r; }) }).getWriter();
    w.write(1);
    const p = w.close(), before = await stateOf(p);
    go();
    await p;
    return [before, log];
  },
  'close that fails fails the stream': async () => {
    const w = sink([], { close() { throw 'bad'; } }).getWriter();
    return [await outcome(w.close()), await outcome(w.closed)];
  },
  'abort drops what was not written': async () => {
    const log = [], w = sink(log).getWriter();
    const p = [w.write(1), w.write(2)];
    const aborted = w.abort('why');
    return [await outcome(p[0]), await outcome(p[1]), await outcome(aborted), await outcome(w.closed), log];
  },
  'abort waits for the write that runs': async () => {
    const log = [];
    let go;
    const w = sink(log, { write: () => new Promise((r) => { go = r; }) }).getWriter();
    await settle();
    const first = w.write(1);
    await settle();
    const p = w.abort('why'), before = [await stateOf(p), [...log]];
    go();
    return [before, await outcome(first), await outcome(p), log];
  },
  'abort aborts the signal with the reason': async () => {
    let c;
    const w = new WritableStream({ start(given) { c = given; } }).getWriter(), log = [];
    c.signal.addEventListener('abort', () => log.push(c.signal.reason));
    const before = c.signal.aborted;
    w.abort('why');
    return [before, c.signal.aborted, log];
  },
  'a controller\'s signal is an AbortSignal': () => {
    let c;
    new WritableStream({ start(given) { c = given; } });
    return [c.signal instanceof AbortSignal, c.signal.aborted];
  },
  'abort twice is one abort': async () => {
    const log = [], w = sink(log).getWriter();
    await settle();
    const a = w.abort(1), b = w.abort(2);
    return [await outcome(a), await outcome(b), log];
  },
  'abort that throws rejects': async () => {
    const w = sink([], { abort() { throw 'no'; } }).getWriter();
    return [await outcome(w.abort(1)), await outcome(w.closed)];
  },
  'abort of a closed stream does nothing': async () => {
    const log = [], w = sink(log).getWriter();
    await w.close();
    return [await outcome(w.abort(1)), log];
  },
  'abort while closing': async () => {
    let go;
    const log = [], w = sink(log, { close: () => new Promise((r) => { go = r; }) }).getWriter();
    await settle();
    const closing = w.close();
    await settle();
    const aborted = w.abort('late');
    go();
    return [await outcome(closing), await outcome(aborted), await outcome(w.closed), log];
  },
  'the controller fails the stream': async () => {
    let c;
    const log = [], w = sink(log, { start(given) { c = given; } }).getWriter();
    await settle();
    c.error('mine');
    c.error('again');
    return [await outcome(w.closed), await outcome(w.write(1)), log];
  },
  'a locked stream cannot be closed or aborted': async () => {
    const s = sink(), w = s.getWriter();
    return [await outcome(s.close()), await outcome(s.abort()), thrown(() => s.getWriter()), s.locked, (w.releaseLock(), s.locked), await outcome(s.close())];
  },
  'a released writer writes nothing': async () => {
    const s = sink(), w = s.getWriter();
    w.releaseLock();
    w.releaseLock();
    return [await outcome(w.write(1)), await outcome(w.close()), await outcome(w.abort()), await outcome(w.closed), await outcome(w.ready), thrown(() => w.desiredSize)];
  },
  'what a released writer has written is written': async () => {
    const log = [], s = sink(log), w = s.getWriter(), p = w.write(1);
    w.releaseLock();
    return [await outcome(p), log];
  },
  'methods of other objects fail when writing': async () => {
    const p = WritableStream.prototype, w = WritableStreamDefaultWriter.prototype;
    return [await outcome(p.close.call({})), await outcome(p.abort.call({})), thrown(() => p.getWriter.call({})), await outcome(w.write.call({})), await outcome(w.close.call({})), thrown(() => w.releaseLock.call({}))];
  },
  'write gets the chunk and the controller': async () => {
    let got;
    const w = new WritableStream({ write(...args) { got = args; } }).getWriter();
    await w.write('x');
    return [got.length, got[0], got[1] instanceof WritableStreamDefaultController];
  },
  'close gets no argument': async () => {
    let got;
    await new WritableStream({ close(...args) { got = args; } }).close();
    return got;
  },
  'a size that throws fails the stream when writing': async () => {
    const w = new WritableStream({}, { size() { throw 'size'; } }).getWriter();
    return [await outcome(w.write(1)), await outcome(w.closed)];
  },
  'a size that is none fails the stream when writing': async () => {
    const w = new WritableStream({}, { size: () => -1 }).getWriter();
    return [await outcome(w.write(1)), await outcome(w.closed)];
  },
  'a size that releases the writer': async () => {
    let w;
    const s = new WritableStream({}, { size() { w.releaseLock(); return 1; } });
    w = s.getWriter();
    return outcome(w.write(1));
  },

  // ---- pipes
  'a pipe writes all and closes': async () => {
    const log = [];
    return [await outcome(of(1, 2, 3).pipeTo(sink(log))), log];
  },
  'a pipe waits for the destination': async () => {
    const log = [];
    let n = 0, go;
    const s = new ReadableStream({ pull(c) { c.enqueue(++n); } }, { highWaterMark: 0 });
    s.pipeTo(new WritableStream({ write: () => new Promise((r) => { go = r; }) }));
    await settle(50);
    const before = n;
    go();
    await settle(50);
    return [before, n];
  },
  'a pipe locks both and then frees them': async () => {
    const s = of(1), d = sink(), p = s.pipeTo(d), during = [s.locked, d.locked];
    await p;
    return [during, s.locked, d.locked];
  },
  'preventClose leaves the destination open': async () => {
    const log = [], d = sink(log);
    await of(1).pipeTo(d, { preventClose: true });
    return [log, await outcome(d.getWriter().write(2)), log];
  },
  'an error of the source aborts the destination': async () => {
    const log = [];
    return [await outcome(new ReadableStream({ start(c) { c.error('bad'); } }).pipeTo(sink(log))), log];
  },
  'preventAbort leaves the destination': async () => {
    const log = [], d = sink(log);
    return [await outcome(new ReadableStream({ start(c) { c.error('bad'); } }).pipeTo(d, { preventAbort: true })), log, d.locked];
  },
  'an error of the destination cancels the source': async () => {
    const log = [], s = new ReadableStream({ pull(c) { c.enqueue(1); }, cancel(r) { log.push(r); } });
    return [await outcome(s.pipeTo(new WritableStream({ write() { throw 'full'; } }))), log];
  },
  'preventCancel leaves the source': async () => {
    const log = [], s = new ReadableStream({ pull(c) { c.enqueue(1); }, cancel(r) { log.push(r); } });
    return [await outcome(s.pipeTo(new WritableStream({ start(c) { c.error('full'); } }), { preventCancel: true })), log, s.locked];
  },
  'a closed destination cancels the source': async () => {
    const log = [], s = new ReadableStream({ cancel(r) { log.push(r instanceof TypeError); } }), d = sink();
    await d.close();
    return [await outcome(s.pipeTo(d)), log];
  },
  'a closed destination and preventCancel': async () => {
    const log = [], s = new ReadableStream({ cancel(r) { log.push(r); } }), d = sink();
    await d.close();
    return [await outcome(s.pipeTo(d, { preventCancel: true })), log];
  },
  'what was read before the error is written': async () => {
    const log = [];
    let c;
    const s = new ReadableStream({ start(given) { c = given; c.enqueue(1); c.enqueue(2); } });
    const p = s.pipeTo(sink(log, { mark: 10 }));
    await settle();
    c.error('bad');
    return [await outcome(p), log];
  },
  'a locked stream is not piped': async () => {
    const s = of(1), d = sink();
    s.getReader();
    const a = await outcome(s.pipeTo(d));
    d.getWriter();
    return [a, await outcome(of(1).pipeTo(d))];
  },
  'an aborted signal stops a pipe before it begins': async () => {
    const log = [], s = new ReadableStream({ cancel(r) { log.push(['cancel', r]); } });
    return [await outcome(s.pipeTo(sink(log), { signal: AbortSignal.abort('stop') })), log];
  },
  'a signal stops a pipe': async () => {
    const log = [], a = new AbortController(), s = new ReadableStream({ cancel(r) { log.push(['cancel', r]); } }), d = sink(log);
    const p = s.pipeTo(d, { signal: a.signal });
    await settle();
    a.abort('stop');
    return [await outcome(p), log, s.locked, d.locked];
  },
  'a signal without a reason is an AbortError': async () => {
    const a = new AbortController(), p = new ReadableStream({}).pipeTo(sink(), { signal: a.signal });
    a.abort();
    return outcome(p);
  },
  'a signal with preventCancel and preventAbort': async () => {
    const log = [], a = new AbortController(), s = new ReadableStream({ cancel(r) { log.push(['cancel', r]); } }), d = sink(log);
    const p = s.pipeTo(d, { signal: a.signal, preventCancel: true, preventAbort: true });
    await settle();
    a.abort('stop');
    return [await outcome(p), log, s.locked, d.locked, await outcome(d.close())];
  },
  'a signal that is none is refused': async () => [await outcome(of(1).pipeTo(sink(), { signal: {} })), await outcome(of(1).pipeTo(sink(), { signal: 1 })), await outcome(of(1).pipeTo(sink(), { signal: null }))],
  'a signal after the end does nothing': async () => {
    const log = [], a = new AbortController();
    await of(1).pipeTo(sink(log), { signal: a.signal });
    a.abort('late');
    return log;
  },
  'abort waits for the write that runs before it aborts': async () => {
    const log = [], a = new AbortController();
    let go;
    const d = sink(log, { write: (c) => { log.push(c); return new Promise((r) => { go = r; }); } });
    const p = new ReadableStream({ start(c) { c.enqueue(1); } }).pipeTo(d, { signal: a.signal });
    await settle(50);
    a.abort('stop');
    await settle(50);
    const before = [...log];
    go();
    return [await outcome(p), before, log];
  },
  'the failure of cancel is the pipe\'s': async () => {
    const s = new ReadableStream({ pull(c) { c.enqueue(1); }, cancel() { throw 'cancel failed'; } });
    return outcome(s.pipeTo(new WritableStream({ write() { throw 'full'; } })));
  },
  'pipeThrough returns the readable': async () => {
    const t = new TransformStream();
    const r = of(1, 2).pipeThrough(t);
    return [r === t.readable, await all(r)];
  },
  'pipeThrough takes any pair': async () => {
    const { readable, writable } = new TransformStream({ transform(c, t) { t.enqueue(c * 2); } });
    return all(of(1, 2).pipeThrough({ writable, readable }));
  },
  'pipeThrough reads the pair in order': () => {
    const log = [], t = new TransformStream();
    of().pipeThrough({ get writable() { log.push('writable'); return t.writable; }, get readable() { log.push('readable'); return t.readable; } });
    return log;
  },
  'pipeThrough of a locked stream throws': () => {
    const s = of(1), t = new TransformStream();
    s.getReader();
    const a = thrown(() => s.pipeThrough(t));
    t.writable.getWriter();
    return [a, thrown(() => of(1).pipeThrough(t))];
  },
  'a chain of pipes': async () => {
    const add = (n) => new TransformStream({ transform(c, t) { t.enqueue(c + n); } });
    return all(of(1, 2, 3).pipeThrough(add(1)).pipeThrough(add(10)).pipeThrough(add(100)));
  },
  'options of a pipe are read in order': async () => {
    const log = [], options = {};
    for (const name of ['signal', 'preventClose', 'preventCancel', 'preventAbort']) Object.defineProperty(options, name, { get() { log.push(name); return undefined; } });
    await of().pipeTo(sink(), options);
    return log;
  },
  'a getter of the options that throws rejects': async () => outcome(of(1).pipeTo(sink(), { get signal() { throw 'getter'; } })),

  // ---- transforms
  'a transform without a transformer passes chunks': async () => {
    const t = new TransformStream(), w = t.writable.getWriter();
    w.write('a');
    w.close();
    return all(t.readable);
  },
  'a transform may give more and fewer chunks': async () => all(of('ab', '', 'c').pipeThrough(new TransformStream({ transform(c, t) { for (const x of c) t.enqueue(x); } }))),
  'flush comes before the end': async () => all(of(1).pipeThrough(new TransformStream({ flush(t) { t.enqueue('end'); } }))),
  'flush may take its time': async () => all(of(1).pipeThrough(new TransformStream({ async flush(t) { await settle(); t.enqueue('end'); } }))),
  'a transform that throws fails both sides': async () => {
    const t = new TransformStream({ transform() { throw 'bad'; } }), w = t.writable.getWriter(), r = t.readable.getReader();
    return [await outcome(Promise.all([w.write(1), r.read()])), await outcome(w.closed), await outcome(r.closed)];
  },
  'a flush that throws fails both sides': async () => {
    const t = new TransformStream({ flush() { throw 'bad'; } }), w = t.writable.getWriter(), r = t.readable.getReader();
    return [await outcome(w.close()), await outcome(r.read())];
  },
  'start may enqueue': async () => {
    const t = new TransformStream({ start(c) { c.enqueue('first'); } }, undefined, { highWaterMark: 1 });
    return t.readable.getReader().read();
  },
  'terminate ends the readable and fails the writable': async () => {
    const t = new TransformStream({ transform(c, k) { k.enqueue(c); k.terminate(); } }), w = t.writable.getWriter(), r = t.readable.getReader();
    const p = [w.write(1), w.write(2)];
    return [await r.read(), await r.read(), await outcome(p[0]), await outcome(p[1]), await outcome(w.closed)];
  },
  'error of the controller fails both sides': async () => {
    let k;
    const t = new TransformStream({ start(c) { k = c; } });
    k.error('mine');
    return [await outcome(t.readable.getReader().read()), await outcome(t.writable.getWriter().closed), thrown(() => k.enqueue(1)), k.desiredSize];
  },
  'cancelling the readable fails the writable': async () => {
    const t = new TransformStream(), w = t.writable.getWriter();
    return [await outcome(t.readable.cancel('why')), await outcome(w.closed), await outcome(w.write(1))];
  },
  'aborting the writable fails the readable': async () => {
    const t = new TransformStream(), r = t.readable.getReader();
    return [await outcome(t.writable.abort('why')), await outcome(r.read())];
  },
  'a transform holds a write until somebody reads': async () => {
    const t = new TransformStream(), w = t.writable.getWriter(), p = w.write(1), before = await stateOf(p);
    const got = await t.readable.getReader().read();
    return [before, got, await outcome(p)];
  },
  'marks of both sides count': async () => {
    const t = new TransformStream({}, { highWaterMark: 3 }, { highWaterMark: 2 }), w = t.writable.getWriter(), seen = [w.desiredSize];
    await settle();
    for (let i = 0; i < 6; i++) w.write(i);
    await settle(50);
    seen.push(w.desiredSize);
    return seen;
  },
  'transform gets the chunk and the controller': async () => {
    let got;
    await all(of('x').pipeThrough(new TransformStream({ transform(...args) { got = args; } })));
    return [got.length, got[0], got[1] instanceof TransformStreamDefaultController];
  },
  'the sides of a transform are the same each time': () => {
    const t = new TransformStream();
    return [t.readable === t.readable, t.writable === t.writable, t.readable instanceof ReadableStream, t.writable instanceof WritableStream];
  },
  'a strategy of the readable side that throws fails both': async () => {
    const t = new TransformStream({}, {}, { size() { throw 'size'; }, highWaterMark: 5 }), w = t.writable.getWriter();
    return [await outcome(w.write(1)), await outcome(t.readable.getReader().read()), await outcome(w.closed)];
  },

  // ---- text
  'a TextEncoderStream makes bytes': async () => all(of('a', 'é', '', '€').pipeThrough(new TextEncoderStream())),
  'a pair that is split over chunks is one character': async () => all(of('a\ud83d', '\ude00b').pipeThrough(new TextEncoderStream())),
  'half a pair at the end is replaced': async () => all(of('a\ud83d').pipeThrough(new TextEncoderStream())),
  'half a pair before something else is replaced': async () => all(of('\ud83d', 'x').pipeThrough(new TextEncoderStream())),
  'half a pair and an empty chunk': async () => (await all(of('\ud83d', '', '\ude00').pipeThrough(new TextEncoderStream()))).map((b) => [...b]),
  'a TextEncoderStream takes anything as text': async () => all(of(1, null, { toString: () => 'x' }).pipeThrough(new TextEncoderStream())),
  'a TextDecoderStream makes text': async () => all(of(bytes(97), bytes(0xc3), bytes(0xa9), bytes()).pipeThrough(new TextDecoderStream())),
  'a TextDecoderStream replaces what is cut off': async () => all(of(bytes(97, 0xe2, 0x82)).pipeThrough(new TextDecoderStream())),
  'a fatal TextDecoderStream fails': async () => outcome(all(of(bytes(97, 0xff)).pipeThrough(new TextDecoderStream('utf-8', { fatal: true })))),
  'a fatal TextDecoderStream fails at the end': async () => outcome(all(of(bytes(97, 0xe2)).pipeThrough(new TextDecoderStream('utf-8', { fatal: true })))),
  'a TextDecoderStream skips the byte order mark': async () => all(of(bytes(0xef), bytes(0xbb, 0xbf, 97)).pipeThrough(new TextDecoderStream())),
  'a TextDecoderStream keeps the byte order mark': async () => all(of(bytes(0xef, 0xbb, 0xbf, 97)).pipeThrough(new TextDecoderStream('utf-8', { ignoreBOM: true }))),
  'a TextDecoderStream has the members of a decoder': () => {
    const d = new TextDecoderStream('UTF-16', { fatal: true, ignoreBOM: true });
    return [d.encoding, d.fatal, d.ignoreBOM, new TextEncoderStream().encoding];
  },
  'a TextDecoderStream refuses unknown labels': () => thrown(() => new TextDecoderStream('x-none')),
  'a TextDecoderStream takes buffers': async () => all(of(bytes(97, 98).buffer, new DataView(bytes(99).buffer)).pipeThrough(new TextDecoderStream())),
  'a TextDecoderStream takes only bytes': async () => outcome(all(of('text').pipeThrough(new TextDecoderStream()))),
  'text through both': async () => (await all(of('häl', 'lo €').pipeThrough(new TextEncoderStream()).pipeThrough(new TextDecoderStream()))).join(''),

  // ---- hostile scripts
  'a then on Object.prototype is not asked for chunks of a pipe': async () => {
    const log = [];
    await of(1, 2).pipeTo(sink(log));
    return log;
  },
  'start that enqueues, fails and throws': () => thrown(() => new ReadableStream({ start(c) { c.enqueue(1); c.error('a'); throw 'b'; } })),
  'pull that closes while it runs': async () => all(new ReadableStream({ pull(c) { c.enqueue(1); c.close(); } })),
  'cancel that enqueues': async () => {
    let c, seen;
    const s = new ReadableStream({ start(given) { c = given; }, cancel() { seen = thrown(() => c.enqueue(1)); } });
    await s.cancel();
    return seen;
  },
  'a size that closes the stream': async () => {
    let c;
    const s = new ReadableStream({ start(given) { c = given; } }, { size() { c.close(); return 1; }, highWaterMark: 5 });
    const first = thrown(() => c.enqueue('x'));
    return [first[0], await outcome(s.getReader().read())];
  },
  'many chunks': async () => {
    let n = 0, sum = 0;
    for await (const v of new ReadableStream({ pull(c) { if (n === 2000) c.close(); else c.enqueue(n++); } })) sum += v;
    return sum;
  },
  'many small reads of many bytes': async () => {
    const r = bytesOf(...Array.from({ length: 50 }, (_, i) => [i, i, i])).getReader({ mode: 'byob' });
    let total = 0, reads = 0;
    for (;;) {
      const { value, done } = await r.read(new Uint8Array(7));
      if (done) break;
      total += value.length;
      reads++;
    }
    return [total, reads];
  },
});
