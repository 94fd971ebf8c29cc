// CompressionStream and DecompressionStream. What is compressed here is decompressed again, or was compressed elsewhere: how
// well it is compressed is not compared.
const outcome = (promise) => promise.then((v) => ['ok', v], (e) => ['failed', e instanceof Error ? e.name : e]);
const thrown = (fn) => {
  try {
    return ['ok', fn()];
  } catch (e) {
    return ['threw', e instanceof Error ? e.name : e];
  }
};
const formats = ['gzip', 'deflate', 'deflate-raw'];
const of = (...chunks) => new ReadableStream({
  start(c) {
    for (const chunk of chunks) c.enqueue(chunk);
    c.close();
  },
});
async function bytesOf(stream) {
  const parts = [];
  let total = 0, at = 0;
  for await (const chunk of stream) {
    parts.push(chunk);
    total += chunk.length;
  }
  const all = new Uint8Array(total);
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
const pack = (format, ...chunks) => bytesOf(of(...chunks).pipeThrough(new CompressionStream(format)));
const unpack = (format, ...chunks) => bytesOf(of(...chunks).pipeThrough(new DecompressionStream(format)));
function noise(length) {
  const bytes = new Uint8Array(length);
  let x = 12345;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    bytes[i] = x >>> 16;
  }
  return bytes;
}
function sum(bytes) {
  let a = 1, b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return [bytes.length, a, b];
}
const hex = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
// "hello", as other programs have compressed it
const packed = {
  'gzip': hex('1f8b0800000000000003cb48cdc9c907008' + '6a6103605000000'),
  'deflate': hex('789ccb48cdc9c90700062c0215'),
  'deflate-raw': hex('cb48cdc9c90700'),
};
const contents = {
  nothing: () => new Uint8Array(0), hello: () => new TextEncoder().encode('hello'), zeros: () => new Uint8Array(100000), noise: () => noise(100000),
  long: () => new TextEncoder().encode('the same again and again. '.repeat(20000)), one: () => new Uint8Array([7]), piece: () => noise(65536), pieces: () => noise(131072),
};

export const cases = {};
for (const format of formats) {
  for (const [name, make] of Object.entries(contents)) {
    cases[`${format}: ${name} there and back`] = async () => sum(await unpack(format, await pack(format, make())));
    cases[`${format}: ${name} in many chunks`] = async () => {
      const all = make(), chunks = [];
      for (let at = 0; at < all.length; at += 9999) chunks.push(all.subarray(at, at + 9999));
      const small = await pack(format, ...chunks), parts = [];
      for (let at = 0; at < small.length; at += 777) parts.push(small.subarray(at, at + 777));
      return sum(await unpack(format, ...parts));
    };
  }
  cases[`${format}: what others have compressed`] = async () => new TextDecoder().decode(await unpack(format, packed[format]));
  cases[`${format}: byte by byte`] = async () => new TextDecoder().decode(await unpack(format, ...Array.from(packed[format], (b) => new Uint8Array([b]))));
  cases[`${format}: what repeats becomes small`] = async () => (await pack(format, new Uint8Array(100000))).length < 1000;
  cases[`${format}: what is cut off fails`] = async () => (await outcome(unpack(format, packed[format].subarray(0, packed[format].length - 1))))[0];
  cases[`${format}: nothing fails`] = async () => (await outcome(unpack(format)))[0];
  cases[`${format}: nonsense fails`] = async () => (await outcome(unpack(format, new Uint8Array([255, 254, 253, 252, 251, 250, 249]))))[0];
  cases[`${format}: chunks of other views`] = async () => {
    const all = new Uint8Array([...packed[format], 0]), view = new DataView(all.buffer, 0, all.length - 1);
    return new TextDecoder().decode(await unpack(format, view));
  };
  cases[`${format}: empty chunks`] = async () => new TextDecoder().decode(await unpack(format, new Uint8Array(0), await pack(format, new Uint8Array(0), new TextEncoder().encode('hello'), new Uint8Array(0)), new Uint8Array(0)));
  cases[`${format}: a reader that goes away`] = async () => {
    const c = new CompressionStream(format), w = c.writable.getWriter(), p = [];
    p.push(outcome(w.write(noise(200000))));
    const r = c.readable.getReader();
    await r.read();
    await outcome(r.cancel('enough'));
    return (await outcome(w.write(new Uint8Array(1))))[0];
  };
  cases[`${format}: a writer that aborts`] = async () => {
    const c = new DecompressionStream(format), w = c.writable.getWriter(), r = c.readable.getReader();
    await outcome(w.abort('mine'));
    return outcome(r.read());
  };
}
for (const [i, format] of ['GZIP', 'br', '', 'deflate ', null, undefined, 1, {}].entries())
  cases[`formats that are not there ${i}`] = () => [thrown(() => new CompressionStream(format)), thrown(() => new DecompressionStream(format))];
cases['a format is needed'] = () => [thrown(() => new CompressionStream()), thrown(() => new DecompressionStream())];
for (const name of ['CompressionStream', 'DecompressionStream']) {
  cases[`${name} is a hidden global`] = () => {
    const d = Object.getOwnPropertyDescriptor(globalThis, name);
    return [d.enumerable, d.configurable, globalThis[name].prototype[Symbol.toStringTag], Object.getOwnPropertyNames(globalThis[name].prototype).sort()];
  };
  cases[`${name} has two sides`] = () => {
    const s = new globalThis[name]('gzip');
    return [s.readable instanceof ReadableStream, s.writable instanceof WritableStream, s.readable === s.readable, s.writable === s.writable];
  };
  cases[`${name}: sides of another object`] = () => thrown(() => Object.getOwnPropertyDescriptor(globalThis[name].prototype, 'readable').get.call({}));
}
cases['text through both'] = async () => {
  const text = 'häl€o 😀 '.repeat(1000);
  const small = of(text).pipeThrough(new TextEncoderStream()).pipeThrough(new CompressionStream('gzip'));
  let all = '';
  for await (const part of small.pipeThrough(new DecompressionStream('gzip')).pipeThrough(new TextDecoderStream())) all += part;
  return all === text;
};
