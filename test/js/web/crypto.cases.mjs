// crypto against Node's: what is deterministic is compared byte by byte, what is random by how it fits together; of what
// fails, the name. Where Node is not what the standard says, the case is left out or says why.
import { keys } from './crypto.keys.mjs';

const { subtle } = crypto;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
function fromBase64(text) {
  const bytes = [];
  let held = 0, bits = 0;
  for (const c of text.replace(/=+$/, '')) {
    held = (held << 6) | ALPHABET.indexOf(c);
    bits += 6;
    if (bits >= 8) bytes.push((held >> (bits -= 8)) & 255);
  }
  return new Uint8Array(bytes);
}
const toBase64url = (bytes) => {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const n = (bytes[i] << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    const four = ALPHABET[n >> 18] + ALPHABET[(n >> 12) & 63] + ALPHABET[(n >> 6) & 63] + ALPHABET[n & 63];
    text += four.slice(0, Math.min(4, bytes.length - i + 1));
  }
  return text.replaceAll('+', '-').replaceAll('/', '_');
};
// Bytes that are always the same.
function some(length, seed = 1) {
  const bytes = new Uint8Array(length);
  let state = seed * 2654435761 >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
const spki = (name) => fromBase64(keys[name][0]), pkcs8 = (name) => fromBase64(keys[name][1]);
const sorted = (object) => Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1))
  .map(([name, value]) => [name, name === 'key_ops' ? [...value].sort() : value]));
// A key without what nobody can compare.
const describe = (key) => [key.type, key.extractable, sorted(key.algorithm), [...new Set(key.usages)].sort()];
// Node has a name that no standard has.
const NAMES = { InvalidAccessException: 'InvalidAccessError' };
const error = async (what) => {
  try {
    await what();
    return 'no error';
  } catch (e) {
    return `${NAMES[e.name] ?? e.name} ${e instanceof DOMException}`;
  }
};
// Where Node has another name than the standard.
const fails = async (what) => (await error(what)).endsWith(' true');
const HASHES = ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'];
const cases = {};
export { cases };

// ---------------------------------------------------------------- shape
cases['what there is'] = () => [typeof crypto, typeof Crypto, typeof CryptoKey, typeof SubtleCrypto, String(crypto), String(crypto.subtle),
  crypto instanceof Crypto, subtle instanceof SubtleCrypto, crypto.subtle === crypto.subtle];
for (const Class of ['Crypto', 'SubtleCrypto', 'CryptoKey'])
  cases[`${Class} is not made by scripts`] = () => error(() => new globalThis[Class]());
cases['members of Crypto'] = () => Object.getOwnPropertyNames(Crypto.prototype).sort();
cases['members of SubtleCrypto'] = () => Object.getOwnPropertyNames(SubtleCrypto.prototype).sort();
cases['members of a key'] = () => Object.getOwnPropertyNames(CryptoKey.prototype).filter((n) => n !== 'constructor').sort();
for (const method of ['digest', 'generateKey', 'importKey', 'exportKey', 'sign', 'verify', 'encrypt', 'decrypt', 'deriveBits', 'deriveKey', 'wrapKey', 'unwrapKey']) {
  cases[`${method} of nothing`] = () => error(() => subtle[method]());
  cases[`${method} of another object`] = () => error(() => subtle[method].call({}, 'SHA-1', new Uint8Array(1)));
  cases[`${method} gives a promise`] = () => {
    const promise = subtle[method]();
    promise.catch(() => {});
    return promise instanceof Promise;
  };
}

// ---------------------------------------------------------------- random values
for (const [name, make] of Object.entries({
  Int8Array: () => new Int8Array(40), Uint8Array: () => new Uint8Array(40), Uint8ClampedArray: () => new Uint8ClampedArray(40),
  Int16Array: () => new Int16Array(40), Uint16Array: () => new Uint16Array(40), Int32Array: () => new Int32Array(40),
  Uint32Array: () => new Uint32Array(40), BigInt64Array: () => new BigInt64Array(40), BigUint64Array: () => new BigUint64Array(40),
  Float32Array: () => new Float32Array(4), Float64Array: () => new Float64Array(4), DataView: () => new DataView(new ArrayBuffer(4)),
  ArrayBuffer: () => new ArrayBuffer(4), Array: () => [1, 2], 'an object': () => ({}), undefined: () => undefined, null: () => null,
  '65,536 bytes': () => new Uint8Array(65536), '65,537 bytes': () => new Uint8Array(65537), '65,540 bytes': () => new Uint32Array(16385),
  nothing: () => new Uint8Array(0),
}))
  cases[`random values for ${name}`] = () => {
    const array = make(), filled = crypto.getRandomValues(array);
    return [filled === array, filled.length, new Set(filled).size > 10];
  };
cases['random values fill a part only'] = () => {
  const whole = new Uint8Array(64);
  crypto.getRandomValues(whole.subarray(16, 32));
  return [whole.slice(0, 16), whole.slice(32), whole.slice(16, 32).some((b) => b !== 0)];
};
cases['random values of another object'] = () => crypto.getRandomValues.call({}, new Uint8Array(1));
cases['random values differ'] = () => String(crypto.getRandomValues(new Uint8Array(16))) !== String(crypto.getRandomValues(new Uint8Array(16)));
cases['a UUID'] = () => /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID());
cases['UUIDs differ'] = () => new Set(Array.from({ length: 100 }, () => crypto.randomUUID())).size;

// ---------------------------------------------------------------- digests
for (const hash of HASHES)
  for (const length of [0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 1000, 65535, 65536, 65537, 300000])
    cases[`${hash} of ${length} bytes`] = () => subtle.digest(hash, some(length));
cases['a digest of an ArrayBuffer'] = () => subtle.digest('SHA-256', some(10).buffer);
cases['a digest of a DataView'] = () => subtle.digest('SHA-256', new DataView(some(10).buffer, 2, 5));
cases['a digest of a Uint16Array'] = () => subtle.digest('SHA-256', new Uint16Array(some(10).buffer, 2, 3));
cases['a digest by an object'] = () => subtle.digest({ name: 'sha-256' }, some(10));
cases['a digest by a name in small letters'] = () => subtle.digest('sha-1', some(10));
for (const [what, args] of Object.entries({
  'MD5': ['MD5', some(1)], 'no name': [{}, some(1)], 'null': [null, some(1)], 'a number': [5, some(1)], 'HMAC': ['HMAC', some(1)],
  'text': ['SHA-1', 'text'], 'an array': ['SHA-1', [1, 2]], 'no data': ['SHA-1'], 'null as data': ['SHA-1', null],
}))
  cases[`a digest that cannot be: ${what}`] = () => error(() => subtle.digest(...args));
cases['a digest sees the bytes of the call'] = async () => {
  const bytes = some(32), promise = subtle.digest('SHA-256', bytes);
  bytes.fill(0);
  return promise;
};
cases['long digests see the bytes of the call'] = () => Promise.all([1, 2, 3, 4, 5].map((seed) => {
  const bytes = some(100000, seed), promise = subtle.digest('SHA-256', bytes);
  bytes.fill(0);
  return promise;
}));

// ---------------------------------------------------------------- HMAC
const hmacKey = (hash, bytes, usages = ['sign', 'verify'], extra = {}) => subtle.importKey('raw', bytes, { name: 'HMAC', hash, ...extra }, true, usages);
for (const hash of HASHES) {
  for (const [keyLength, length] of [[1, 0], [16, 10], [64, 64], [65, 100], [128, 1], [200, 70000]])
    cases[`HMAC with ${hash}, a key of ${keyLength} and ${length} bytes`] = async () => {
      const key = await hmacKey(hash, some(keyLength)), signed = await subtle.sign('HMAC', key, some(length, 2));
      return [signed, await subtle.verify('HMAC', key, signed, some(length, 2)), await subtle.verify('HMAC', key, signed, some(length + 1, 2)),
        await subtle.verify('HMAC', key, signed.slice(1), some(length, 2)), await subtle.verify('HMAC', key, new Uint8Array(0), some(length, 2))];
    };
  cases[`an HMAC key is made for ${hash}`] = async () => {
    const key = await subtle.generateKey({ name: 'hmac', hash }, true, ['sign', 'verify']);
    const raw = await subtle.exportKey('raw', key), again = await hmacKey(hash, raw);
    return [describe(key), raw.byteLength, await subtle.verify('HMAC', again, await subtle.sign('HMAC', key, some(9)), some(9))];
  };
  cases[`an HMAC key as JWK, ${hash}`] = async () => {
    const jwk = await subtle.exportKey('jwk', await hmacKey(hash, some(40)));
    const again = await subtle.importKey('jwk', jwk, { name: 'HMAC', hash }, true, ['verify']);
    return [sorted(jwk), describe(again), await subtle.exportKey('raw', again)];
  };
}
for (const length of [0, 8, 256, 1000])
  cases[`an HMAC key of ${length} bits is made`] = async () => {
    const key = await subtle.generateKey({ name: 'HMAC', hash: 'SHA-256', length }, true, ['sign']);
    return [describe(key), (await subtle.exportKey('raw', key)).byteLength];
  };
for (const [what, make] of Object.entries({
  'of no length': () => hmacKey('SHA-1', new Uint8Array(0)), 'of another length': () => hmacKey('SHA-1', some(16), ['sign'], { length: 64 }),
  'of the length given': async () => describe(await hmacKey('SHA-1', some(16), ['sign'], { length: 128 })),
  'without usages': () => hmacKey('SHA-1', some(16), []), 'for encrypt': () => hmacKey('SHA-1', some(16), ['encrypt']),
  'for what is no usage': () => hmacKey('SHA-1', some(16), ['nothing']), 'without a hash': () => subtle.importKey('raw', some(16), 'HMAC', true, ['sign']),
  'with MD5': () => hmacKey('MD5', some(16)),
  'as nothing': () => subtle.importKey('none', some(16), { name: 'HMAC', hash: 'SHA-1' }, true, ['sign']),
  'from text': () => subtle.importKey('raw', 'text', { name: 'HMAC', hash: 'SHA-1' }, true, ['sign']),
  'usages that are none': () => subtle.importKey('raw', some(16), { name: 'HMAC', hash: 'SHA-1' }, true, 5),
  'usages twice': async () => describe(await hmacKey('SHA-1', some(16), ['sign', 'verify', 'sign'])),
}))
  cases[`an HMAC key: ${what}`] = make;
const octet = { kty: 'oct', k: 'AAECAwQFBgcICQoLDA0ODw' };
for (const [what, jwk] of Object.entries({
  plain: octet, 'of kty RSA': { ...octet, kty: 'RSA' }, 'without kty': { k: octet.k }, 'without k': { kty: 'oct' }, 'alg HS256': { ...octet, alg: 'HS256' },
  'alg HS512': { ...octet, alg: 'HS512' }, 'use sig': { ...octet, use: 'sig' }, 'use enc': { ...octet, use: 'enc' },
  'key_ops with it': { ...octet, key_ops: ['sign', 'other'] }, 'key_ops without it': { ...octet, key_ops: ['verify'] },
  'key_ops twice': { ...octet, key_ops: ['sign', 'sign'] }, 'ext false': { ...octet, ext: false }, 'ext true': { ...octet, ext: true },
  'a number': 5, undefined, null: null, 'a string': 'text',
}))
  cases[`a JWK of an HMAC key: ${what}`] = async () => {
    const key = await subtle.importKey('jwk', jwk, { name: 'HMAC', hash: 'SHA-256' }, true, ['sign']);
    return [describe(key), await subtle.exportKey('raw', key)];
  };

// ---------------------------------------------------------------- AES
const aesKey = (name, length, usages = name === 'AES-KW' ? ['wrapKey', 'unwrapKey'] : ['encrypt', 'decrypt']) =>
  subtle.importKey('raw', some(length / 8, length), name, true, usages);
for (const name of ['AES-CBC', 'AES-CTR', 'AES-GCM', 'AES-KW']) {
  for (const length of [128, 192, 256]) {
    cases[`${name} key of ${length} bits`] = async () => {
      const key = await aesKey(name, length), jwk = await subtle.exportKey('jwk', key);
      const again = await subtle.importKey('jwk', jwk, name, false, name === 'AES-KW' ? ['wrapKey'] : ['encrypt']);
      return [describe(key), await subtle.exportKey('raw', key), sorted(jwk), describe(again), await error(() => subtle.exportKey('raw', again))];
    };
    cases[`${name} key of ${length} bits is made`] = async () => {
      const key = await subtle.generateKey({ name, length }, true, name === 'AES-KW' ? ['wrapKey'] : ['encrypt', 'wrapKey']);
      return [describe(key), (await subtle.exportKey('raw', key)).byteLength];
    };
  }
  for (const length of [0, 64, 120, 512, 70000, -1, 'x'])
    cases[`${name} key of ${length} bits cannot be made`] = () => error(() => subtle.generateKey({ name, length }, true, name === 'AES-KW' ? ['wrapKey'] : ['encrypt']));
  for (const length of [0, 8, 15, 17, 33])
    cases[`${name} key of ${length} bytes is refused`] = () => error(() => subtle.importKey('raw', some(length), name, true, name === 'AES-KW' ? ['wrapKey'] : ['encrypt']));
  for (const usage of ['sign', 'verify', 'deriveKey', 'deriveBits', 'encrypt', 'wrapKey'])
    cases[`${name} key for ${usage}`] = () => error(() => subtle.importKey('raw', some(16), name, true, [usage]));
  cases[`${name} key without usages`] = () => error(() => subtle.importKey('raw', some(16), name, true, []));
  cases[`${name} key is made without usages`] = () => error(() => subtle.generateKey({ name, length: 128 }, true, []));
  cases[`${name} key is made without a length`] = () => error(() => subtle.generateKey({ name }, true, ['wrapKey']));
  for (const format of ['spki', 'pkcs8'])
    cases[`${name} key as ${format}`] = () => error(() => subtle.importKey(format, some(16), name, true, ['wrapKey']));
  cases[`${name} key with another alg`] = () => error(() => subtle.importKey('jwk', { ...octet, alg: 'A192XYZ' }, name, true, ['wrapKey']));
  cases[`${name} key with use sig`] = () => error(() => subtle.importKey('jwk', { ...octet, use: 'sig' }, name, true, ['wrapKey']));
}
const roundTrip = async (params, key, data) => {
  const sealed = await subtle.encrypt(params, key, data), opened = await subtle.decrypt(params, key, sealed);
  return [sealed.byteLength > 300 ? await subtle.digest('SHA-256', sealed) : sealed, String(new Uint8Array(opened)) === String(data)];
};
for (const length of [128, 192, 256])
  for (const size of [0, 1, 15, 16, 17, 32, 1000, 70000]) {
    cases[`AES-CBC, ${length} bits, ${size} bytes`] = async () => roundTrip({ name: 'AES-CBC', iv: some(16, 3) }, await aesKey('AES-CBC', length), some(size, 4));
    cases[`AES-CTR, ${length} bits, ${size} bytes`] = async () =>
      roundTrip({ name: 'AES-CTR', counter: some(16, 3), length: 64 }, await aesKey('AES-CTR', length), some(size, 4));
    cases[`AES-GCM, ${length} bits, ${size} bytes`] = async () =>
      roundTrip({ name: 'AES-GCM', iv: some(12, 3), additionalData: some(20, 5) }, await aesKey('AES-GCM', length), some(size, 4));
  }
for (const bits of [1, 2, 4, 8, 16, 31, 32, 33, 63, 64, 65, 100, 127, 128]) {
  cases[`a counter of ${bits} bits begins anew`] = async () => {
    const counter = new Uint8Array(16).fill(255), size = bits < 5 ? 16 << bits : 500;
    return roundTrip({ name: 'AES-CTR', counter, length: bits }, await aesKey('AES-CTR', 128), some(Math.min(size, 500), 4));
  };
  cases[`a counter of ${bits} bits in the middle`] = async () => {
    const counter = some(16, 9);
    counter[15] = 253;
    return roundTrip({ name: 'AES-CTR', counter, length: bits }, await aesKey('AES-CTR', 128), some(bits < 3 ? 16 : 64, 4));
  };
}
for (const [what, params, size] of [
  ['a counter that is too short', { name: 'AES-CTR', counter: some(16), length: 1 }, 33], ['a counter of 15 bytes', { name: 'AES-CTR', counter: some(15), length: 64 }, 1],
  ['a counter of no bits', { name: 'AES-CTR', counter: some(16), length: 0 }, 1], ['a counter of 129 bits', { name: 'AES-CTR', counter: some(16), length: 129 }, 1],
  ['a counter of 256 bits', { name: 'AES-CTR', counter: some(16), length: 256 }, 1], ['no counter', { name: 'AES-CTR', length: 64 }, 1],
  ['no length', { name: 'AES-CTR', counter: some(16) }, 1], ['an iv of 15 bytes', { name: 'AES-CBC', iv: some(15) }, 1], ['no iv', { name: 'AES-CBC' }, 1],
  ['an iv that is text', { name: 'AES-CBC', iv: '1234567890123456' }, 1], ['GCM without an iv', { name: 'AES-GCM' }, 1],
  ['GCM with a tag of 33 bits', { name: 'AES-GCM', iv: some(12), tagLength: 33 }, 1], ['GCM with a tag of 40 bits', { name: 'AES-GCM', iv: some(12), tagLength: 40 }, 1],
  ['GCM with a tag of 300 bits', { name: 'AES-GCM', iv: some(12), tagLength: 300 }, 1], ['GCM with a tag of no bits', { name: 'AES-GCM', iv: some(12), tagLength: 0 }, 1],
  ['AES-KW', 'AES-KW', 16], ['a cipher that is none', 'DES', 1],
])
  cases[`no encryption: ${what}`] = async () => error(async () => subtle.encrypt(params, await aesKey(params.name ?? 'AES-CBC', 128), some(size)));
for (const tagLength of [32, 64, 96, 104, 112, 120, 128])
  cases[`AES-GCM with a tag of ${tagLength} bits`] = async () => roundTrip({ name: 'AES-GCM', iv: some(12), tagLength }, await aesKey('AES-GCM', 256), some(50));
for (const size of [12, 13, 16, 64, 128])
  cases[`AES-GCM with an iv of ${size} bytes`] = async () => roundTrip({ name: 'AES-GCM', iv: some(size) }, await aesKey('AES-GCM', 256), some(50));
for (const [what, change] of Object.entries({
  'a bit of the data': (s) => { s[0] ^= 1; return s; }, 'a bit of the tag': (s) => { s[s.length - 1] ^= 1; return s; }, 'less': (s) => s.slice(1),
  'only the tag': (s) => s.slice(-16), 'less than the tag': (s) => s.slice(-15), 'nothing': () => new Uint8Array(0),
}))
  cases[`AES-GCM sees a change: ${what}`] = () => error(async () => {
    const key = await aesKey('AES-GCM', 128), params = { name: 'AES-GCM', iv: some(12) };
    return subtle.decrypt(params, key, change(new Uint8Array(await subtle.encrypt(params, key, some(40)))));
  });
cases['AES-GCM sees other additional data'] = () => error(async () => {
  const key = await aesKey('AES-GCM', 128), sealed = await subtle.encrypt({ name: 'AES-GCM', iv: some(12), additionalData: some(3) }, key, some(40));
  return subtle.decrypt({ name: 'AES-GCM', iv: some(12), additionalData: some(4) }, key, sealed);
});
for (const size of [0, 1, 15, 17])
  cases[`AES-CBC of ${size} bytes cannot be opened`] = () => error(async () => subtle.decrypt({ name: 'AES-CBC', iv: some(16) }, await aesKey('AES-CBC', 128), some(size)));
cases['a key of another cipher'] = () => error(async () => subtle.encrypt({ name: 'AES-GCM', iv: some(12) }, await aesKey('AES-CBC', 128), some(1)));
cases['a key for the other direction'] = () => error(async () => subtle.encrypt({ name: 'AES-CBC', iv: some(16) }, await aesKey('AES-CBC', 128, ['decrypt']), some(1)));
cases['a key that is none'] = () => error(() => subtle.encrypt({ name: 'AES-CBC', iv: some(16) }, {}, some(1)));
cases['a key that looks like one'] = () => error(() => subtle.encrypt({ name: 'AES-CBC', iv: some(16) },
  Object.create(CryptoKey.prototype, { type: { value: 'secret' } }), some(1)));

// ---------------------------------------------------------------- deriving
const baseKey = (name, bytes = some(20), usages = ['deriveBits', 'deriveKey']) => subtle.importKey('raw', bytes, name, false, usages);
for (const hash of HASHES) {
  for (const length of [8, 128, 160, 512, 2048])
    cases[`PBKDF2 with ${hash}, ${length} bits`] = async () =>
      subtle.deriveBits({ name: 'PBKDF2', hash, salt: some(8), iterations: 100 }, await baseKey('PBKDF2'), length);
  for (const length of [8, 128, 160, 512, 2048])
    cases[`HKDF with ${hash}, ${length} bits`] = async () =>
      subtle.deriveBits({ name: 'HKDF', hash, salt: some(8), info: some(30, 6) }, await baseKey('HKDF'), length);
  cases[`HKDF with ${hash} and nothing`] = async () =>
    subtle.deriveBits({ name: 'HKDF', hash, salt: new Uint8Array(0), info: new Uint8Array(0) }, await baseKey('HKDF', some(1)), 256);
  cases[`HKDF with ${hash}, more than it makes`] = async () => error(async () =>
    subtle.deriveBits({ name: 'HKDF', hash, salt: some(1), info: some(1) }, await baseKey('HKDF'), 256 * 8 * { 'SHA-1': 20, 'SHA-256': 32, 'SHA-384': 48, 'SHA-512': 64 }[hash]));
  cases[`PBKDF2 with ${hash}, long`] = async () => subtle.deriveBits({ name: 'PBKDF2', hash, salt: some(16), iterations: 20000 }, await baseKey('PBKDF2'), 256);
}
for (const [what, params, length] of [
  ['no rounds', { name: 'PBKDF2', hash: 'SHA-1', salt: some(1), iterations: 0 }, 128], ['rounds that are none', { name: 'PBKDF2', hash: 'SHA-1', salt: some(1), iterations: 'x' }, 128],
  ['no salt', { name: 'PBKDF2', hash: 'SHA-1', iterations: 1 }, 128], ['no hash', { name: 'PBKDF2', salt: some(1), iterations: 1 }, 128],
  ['null bits', { name: 'PBKDF2', hash: 'SHA-1', salt: some(1), iterations: 1 }, null], ['7 bits', { name: 'PBKDF2', hash: 'SHA-1', salt: some(1), iterations: 1 }, 7],
  ['HKDF, null bits', { name: 'HKDF', hash: 'SHA-1', salt: some(1), info: some(1) }, null], ['HKDF, 9 bits', { name: 'HKDF', hash: 'SHA-1', salt: some(1), info: some(1) }, 9],
  ['HKDF, no info', { name: 'HKDF', hash: 'SHA-1', salt: some(1) }, 128], ['HKDF, no salt', { name: 'HKDF', hash: 'SHA-1', info: some(1) }, 128],
  ['HKDF, a hash that is none', { name: 'HKDF', hash: 'MD5', salt: some(1), info: some(1) }, 128],
])
  cases[`nothing is derived: ${what}`] = () => error(async () => subtle.deriveBits(params, await baseKey(params.name), length));
cases['PBKDF2 of an empty password'] = async () => subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt: some(8), iterations: 10 }, await baseKey('PBKDF2', new Uint8Array(0)), 128);
cases['PBKDF2 with a salt of no bytes'] = async () =>
  subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt: new Uint8Array(0), iterations: 10 }, await baseKey('PBKDF2'), 128);
for (const name of ['PBKDF2', 'HKDF']) {
  cases[`${name} key`] = async () => describe(await baseKey(name));
  cases[`${name} key that is extractable`] = () => error(() => subtle.importKey('raw', some(8), name, true, ['deriveBits']));
  cases[`${name} key as JWK`] = () => error(() => subtle.importKey('jwk', octet, name, false, ['deriveBits']));
  cases[`${name} key for sign`] = () => error(() => baseKey(name, some(8), ['sign']));
  cases[`${name} key without usages`] = () => error(() => baseKey(name, some(8), []));
  cases[`${name} key cannot be made`] = () => error(() => subtle.generateKey(name, false, ['deriveBits']));
  cases[`${name} key cannot be exported`] = () => fails(async () => subtle.exportKey('raw', await baseKey(name)));
  const params = { name, hash: 'SHA-256', salt: some(8), info: some(3), iterations: 50 };
  cases[`${name} needs deriveBits`] = () => error(async () => subtle.deriveBits(params, await baseKey(name, some(8), ['deriveKey']), 128));
  cases[`${name} needs deriveKey`] = () => error(async () => subtle.deriveKey(params, await baseKey(name, some(8), ['deriveBits']), { name: 'AES-CBC', length: 128 }, true, ['encrypt']));
  for (const [kind, made, usages] of [['AES', { name: 'AES-GCM', length: 256 }, ['encrypt']], ['HMAC', { name: 'HMAC', hash: 'SHA-384' }, ['sign']],
    ['HMAC of 64 bits', { name: 'HMAC', hash: 'SHA-1', length: 64 }, ['sign']]])
    cases[`${name} makes a key: ${kind}`] = async () => {
      const key = await subtle.deriveKey(params, await baseKey(name), made, true, usages);
      return [describe(key), await subtle.exportKey('raw', key)];
    };
  for (const [what, made, usages] of [['AES of 100 bits', { name: 'AES-GCM', length: 100 }, ['encrypt']], ['AES without usages', { name: 'AES-GCM', length: 128 }, []],
    ['a usage that it has not', { name: 'AES-GCM', length: 128 }, ['sign']], ['ECDSA', { name: 'ECDSA', namedCurve: 'P-256' }, ['sign']], ['nothing', 'none', []]])
    cases[`${name} makes no key: ${what}`] = () => error(async () => subtle.deriveKey(params, await baseKey(name), made, true, usages));
  cases[`${name} makes a key with many rounds`] = async () => subtle.exportKey('raw',
    await subtle.deriveKey({ ...params, iterations: 5000 }, await baseKey(name), { name: 'AES-CTR', length: 192 }, true, ['encrypt']));
}

// ---------------------------------------------------------------- keys of two halves
const PAIRS = {
  'ECDSA P-256': [{ name: 'ECDSA', namedCurve: 'P-256' }, 'p256'], 'ECDSA P-384': [{ name: 'ECDSA', namedCurve: 'P-384' }, 'p384'],
  'ECDSA P-521': [{ name: 'ECDSA', namedCurve: 'P-521' }, 'p521'], 'ECDH P-256': [{ name: 'ECDH', namedCurve: 'P-256' }, 'p256b'],
  'ECDH P-384': [{ name: 'ECDH', namedCurve: 'P-384' }, 'p384b'], 'ECDH P-521': [{ name: 'ECDH', namedCurve: 'P-521' }, 'p521b'],
  Ed25519: [{ name: 'Ed25519' }, 'ed25519'], X25519: [{ name: 'X25519' }, 'x25519'],
  'RSASSA-PKCS1-v1_5': [{ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, 'rsa'], 'RSA-PSS': [{ name: 'RSA-PSS', hash: 'SHA-384' }, 'rsa'],
  'RSA-OAEP': [{ name: 'RSA-OAEP', hash: 'SHA-1' }, 'rsa'], 'RSA-OAEP SHA-512': [{ name: 'RSA-OAEP', hash: 'SHA-512' }, 'rsa'],
  'RSA of 4,096 bits': [{ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512' }, 'rsa4096'], 'RSA with 3': [{ name: 'RSA-PSS', hash: 'SHA-1' }, 'rsa1024e3'],
};
const usagesFor = ({ name }) => name === 'RSA-OAEP' ? [['encrypt', 'wrapKey'], ['decrypt', 'unwrapKey']]
  : name === 'ECDH' || name === 'X25519' ? [[], ['deriveBits', 'deriveKey']] : [['verify'], ['sign']];
const readPublic = (params, name, extractable = true) => subtle.importKey('spki', spki(name), params, extractable, usagesFor(params)[0]);
const readPrivate = (params, name, extractable = true) => subtle.importKey('pkcs8', pkcs8(name), params, extractable, usagesFor(params)[1]);
for (const [title, [params, name]] of Object.entries(PAIRS)) {
  const [ofPublic, ofPrivate] = usagesFor(params);
  cases[`${title}: spki in and out`] = async () => {
    const key = await readPublic(params, name);
    return [describe(key), await subtle.exportKey('spki', key), sorted(await subtle.exportKey('jwk', key))];
  };
  cases[`${title}: pkcs8 in and out`] = async () => {
    const key = await readPrivate(params, name);
    return [describe(key), await subtle.exportKey('pkcs8', key), sorted(await subtle.exportKey('jwk', key))];
  };
  cases[`${title}: JWK in and out`] = async () => {
    const key = await subtle.importKey('jwk', await subtle.exportKey('jwk', await readPrivate(params, name)), params, true, ofPrivate);
    const half = await subtle.importKey('jwk', await subtle.exportKey('jwk', await readPublic(params, name)), params, true, ofPublic);
    return [describe(key), await subtle.exportKey('pkcs8', key), describe(half), await subtle.exportKey('spki', half)];
  };
  if (name.startsWith('rsa')) cases[`${title}: no raw keys`] = async () => [
    await fails(async () => subtle.exportKey('raw', await readPublic(params, name))), await fails(() => subtle.importKey('raw', some(64), params, true, ofPublic))];
  else cases[`${title}: raw`] = async () => {
    const raw = await subtle.exportKey('raw', await readPublic(params, name)), key = await subtle.importKey('raw', raw, params, true, ofPublic);
    return [raw, describe(key), await subtle.exportKey('spki', key)];
  };
  cases[`${title}: raw of the private half`] = async () => fails(async () => subtle.exportKey('raw', await readPrivate(params, name)));
  cases[`${title}: spki of the private half`] = async () => error(async () => subtle.exportKey('spki', await readPrivate(params, name)));
  cases[`${title}: pkcs8 of the public half`] = async () => error(async () => subtle.exportKey('pkcs8', await readPublic(params, name)));
  cases[`${title}: not extractable`] = async () => {
    const key = await readPrivate(params, name, false), half = await readPublic(params, name, false);
    return [describe(key), describe(half), await error(() => subtle.exportKey('pkcs8', key)), await error(() => subtle.exportKey('jwk', key)),
      await error(() => subtle.exportKey('spki', half))];
  };
  cases[`${title}: the private half without usages`] = () => error(() => subtle.importKey('pkcs8', pkcs8(name), params, true, []));
  cases[`${title}: a usage of the other half`] = async () => [
    await error(() => subtle.importKey('spki', spki(name), params, true, [ofPrivate[0]])),
    ofPublic.length > 0 && await error(() => subtle.importKey('pkcs8', pkcs8(name), params, true, [ofPublic[0]]))];
  cases[`${title}: a usage that it never has`] = () => error(() => subtle.importKey('spki', spki(name), params, true, [params.name.startsWith('RSA-O') ? 'sign' : 'encrypt']));
  cases[`${title}: malformed`] = async () => {
    const outcomes = [];
    for (const cut of [0, 1, 10, -1]) {
      outcomes.push(await error(() => subtle.importKey('spki', spki(name).slice(0, cut), params, true, ofPublic)));
      outcomes.push(await error(() => subtle.importKey('pkcs8', pkcs8(name).slice(0, cut), params, true, ofPrivate)));
    }
    return outcomes;
  };
  cases[`${title}: one form for the other`] = async () => [await error(() => subtle.importKey('pkcs8', spki(name), params, true, ofPrivate)),
    await error(() => subtle.importKey('spki', pkcs8(name), params, true, ofPublic))];
  cases[`${title}: a key of another kind`] = async () => {
    const outcomes = [];
    for (const other of ['p256', 'p384', 'rsa', 'ed25519', 'x25519', 'x448', 'secp256k1'])
      if (!name.startsWith(other)) outcomes.push(await error(() => subtle.importKey('spki', spki(other), params, true, ofPublic)));
    return outcomes;
  };
  for (const [what, change] of Object.entries({
    'another kty': { kty: 'oct' }, 'no kty': { kty: undefined }, 'another crv': { crv: 'P-000' }, 'another use': { use: 'nothing' },
    'key_ops without it': { key_ops: ['nothing'] }, 'ext false': { ext: false }, 'an x that is short': { x: 'AAAA', e: undefined }, 'no x': { x: undefined, n: undefined },
    'no y': { y: undefined }, 'no e': { e: undefined }, 'no p': { p: undefined },
  }))
    cases[`${title}: a JWK with ${what}`] = async () => error(async () => {
      const jwk = { ...await subtle.exportKey('jwk', await readPrivate(params, name)), ...change };
      for (const member of Object.keys(jwk)) if (jwk[member] === undefined) delete jwk[member];
      return subtle.importKey('jwk', jwk, params, true, ofPrivate);
    });
}
for (const name of ['ECDSA', 'ECDH'])
  for (const namedCurve of ['P-192', 'p-256', 'secp256k1', undefined, 5])
    cases[`${name} with the curve ${namedCurve}`] = async () => [await error(() => subtle.generateKey({ name, namedCurve }, true, ['sign', 'deriveBits'])),
      await error(() => subtle.importKey('spki', spki('p256'), { name, namedCurve }, true, []))];
for (const name of ['P-256', 'P-384', 'P-521']) {
  const size = { 'P-256': 32, 'P-384': 48, 'P-521': 66 }[name];
  for (const [what, bytes] of Object.entries({ 'no point': some(1 + 2 * size), 'nothing': new Uint8Array(0), 'zeros': new Uint8Array(1 + 2 * size), 'infinity': new Uint8Array(1) }))
    cases[`${name}: ${what} is no key`] = () => error(() => subtle.importKey('raw', bytes, { name: 'ECDSA', namedCurve: name }, true, ['verify']));
}
for (const name of ['Ed25519', 'X25519'])
  for (const size of [0, 31, 33])
    cases[`${name}: ${size} bytes are no key`] = () => error(() => subtle.importKey('raw', some(size), name, true, []));

// ---------------------------------------------------------------- making them
for (const [title, params] of Object.entries({
  'ECDSA P-256': { name: 'ECDSA', namedCurve: 'P-256' }, 'ECDSA P-384': { name: 'ECDSA', namedCurve: 'P-384' }, 'ECDSA P-521': { name: 'ECDSA', namedCurve: 'P-521' },
  'ECDH P-256': { name: 'ECDH', namedCurve: 'P-256' }, 'ECDH P-384': { name: 'ECDH', namedCurve: 'P-384' }, 'ECDH P-521': { name: 'ECDH', namedCurve: 'P-521' },
  Ed25519: { name: 'Ed25519' }, X25519: { name: 'X25519' },
  'RSASSA-PKCS1-v1_5': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]) },
  'RSA-PSS': { name: 'RSA-PSS', hash: { name: 'SHA-1' }, modulusLength: 1024, publicExponent: new Uint8Array([3]) },
  'RSA-OAEP': { name: 'RSA-OAEP', hash: 'SHA-512', modulusLength: 2048, publicExponent: new Uint8Array([0, 1, 0, 1]) },
})) {
  const [ofPublic, ofPrivate] = usagesFor(params);
  cases[`${title} keys are made`] = async () => {
    const { publicKey, privateKey } = await subtle.generateKey(params, false, [...ofPublic, ...ofPrivate]);
    const made = await subtle.generateKey(params, true, ofPrivate);
    const again = await subtle.importKey('pkcs8', await subtle.exportKey('pkcs8', made.privateKey), params, true, ofPrivate);
    const jwk = await subtle.exportKey('jwk', again), half = await subtle.exportKey('jwk', made.publicKey);
    return [describe(publicKey), describe(privateKey), describe(made.publicKey), jwk.x === half.x && jwk.y === half.y && jwk.n === half.n,
      await error(() => subtle.exportKey('pkcs8', privateKey)), (await subtle.exportKey('spki', publicKey)).byteLength > 40];
  };
  cases[`${title} keys without usages`] = () => error(() => subtle.generateKey(params, true, []));
  cases[`${title} keys for the public half only`] = () => error(() => subtle.generateKey(params, true, ofPublic));
  cases[`${title} keys for what they are not`] = () => error(() => subtle.generateKey(params, true, [...ofPrivate, params.name === 'RSA-OAEP' ? 'sign' : 'encrypt']));
}
for (const [what, change] of Object.entries({
  'no exponent': { publicExponent: undefined }, 'an exponent as a number': { publicExponent: 65537 }, 'an exponent as an array': { publicExponent: [1, 0, 1] },
  'no length': { modulusLength: undefined }, 'no hash': { hash: undefined }, 'another hash': { hash: 'MD5' }, 'an even exponent': { publicExponent: new Uint8Array([2]) },
  'an exponent of 1': { publicExponent: new Uint8Array([1]) }, 'a negative length': { modulusLength: -1 },
}))
  cases[`RSA keys with ${what}`] = () => error(() => subtle.generateKey({ name: 'RSA-PSS', hash: 'SHA-1', modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]), ...change }, true, ['sign']));

// ---------------------------------------------------------------- signatures
cases['Ed25519 signs always the same'] = async () => {
  const key = await readPrivate({ name: 'Ed25519' }, 'ed25519'), half = await readPublic({ name: 'Ed25519' }, 'ed25519'), outcomes = [];
  for (const size of [0, 1, 64, 1000, 100000]) {
    const signed = await subtle.sign('Ed25519', key, some(size));
    outcomes.push(signed, await subtle.verify('Ed25519', half, signed, some(size)), await subtle.verify('Ed25519', half, signed, some(size + 1)),
      await subtle.verify('Ed25519', half, signed.slice(1), some(size)), await subtle.verify('Ed25519', half, new Uint8Array(64), some(size)));
  }
  return outcomes;
};
for (const hash of HASHES) {
  for (const name of ['rsa', 'rsa4096', 'rsa1024e3'])
    cases[`RSASSA-PKCS1-v1_5 with ${hash} and ${name}`] = async () => {
      const params = { name: 'RSASSA-PKCS1-v1_5', hash }, key = await readPrivate(params, name), half = await readPublic(params, name);
      const signed = await subtle.sign(params, key, some(100)), bad = new Uint8Array(signed.slice());
      bad[5] ^= 1;
      return [signed, await subtle.verify(params, half, signed, some(100)), await subtle.verify(params, half, signed, some(101)), await subtle.verify(params, half, bad, some(100)),
        await subtle.verify(params, half, signed.slice(1), some(100))];
    };
  cases[`RSASSA-PKCS1-v1_5 with ${hash}, much data`] = async () => {
    const params = { name: 'RSASSA-PKCS1-v1_5', hash };
    return subtle.sign(params, await readPrivate(params, 'rsa'), some(200000));
  };
  cases[`RSA-PSS with ${hash} and no salt`] = async () => {
    const params = { name: 'RSA-PSS', hash, saltLength: 0 };
    return subtle.sign(params, await readPrivate(params, 'rsa'), some(100));
  };
  for (const saltLength of [0, 1, 20, 32, 64])
    cases[`RSA-PSS with ${hash} and a salt of ${saltLength}`] = async () => {
      const params = { name: 'RSA-PSS', hash, saltLength }, key = await readPrivate(params, 'rsa'), half = await readPublic(params, 'rsa');
      const signed = await subtle.sign(params, key, some(50));
      return [signed.byteLength, await subtle.verify(params, half, signed, some(50)), await subtle.verify(params, half, signed, some(51)),
        await subtle.verify({ ...params, saltLength: saltLength + 1 }, half, signed, some(50))];
    };
  for (const [curve, name] of [['P-256', 'p256'], ['P-384', 'p384'], ['P-521', 'p521']])
    cases[`ECDSA with ${hash} and ${curve}`] = async () => {
      const params = { name: 'ECDSA', namedCurve: curve, hash }, key = await readPrivate(params, name), half = await readPublic(params, name);
      const signed = await subtle.sign(params, key, some(70)), bad = new Uint8Array(signed.slice());
      bad[40] ^= 1;
      return [signed.byteLength, await subtle.verify(params, half, signed, some(70)), await subtle.verify(params, half, signed, some(71)),
        await subtle.verify(params, half, bad, some(70)), await subtle.verify(params, half, signed.slice(1), some(70)),
        await subtle.verify(params, half, new Uint8Array(signed.byteLength), some(70)), await subtle.verify(params, half, new Uint8Array(signed.byteLength).fill(255), some(70)),
        await subtle.verify(params, half, new Uint8Array(0), some(70))];
    };
}
cases['a salt that is too long'] = () => error(async () => {
  const params = { name: 'RSA-PSS', hash: 'SHA-512', saltLength: 200 };
  return subtle.sign(params, await readPrivate(params, 'rsa'), some(1));
});
for (const [what, make] of Object.entries({
  'with the public half': async () => subtle.sign('Ed25519', await readPublic({ name: 'Ed25519' }, 'ed25519'), some(1)),
  'with the private half': async () => subtle.verify('Ed25519', await readPrivate({ name: 'Ed25519' }, 'ed25519'), some(64), some(1)),
  'with a key of another kind': async () => subtle.sign('Ed25519', await readPrivate({ name: 'X25519' }, 'x25519'), some(1)),
  'ECDSA without a hash': async () => subtle.sign('ECDSA', await readPrivate({ name: 'ECDSA', namedCurve: 'P-256' }, 'p256'), some(1)),
  'PSS without a salt': async () => subtle.sign('RSA-PSS', await readPrivate({ name: 'RSA-PSS', hash: 'SHA-1' }, 'rsa'), some(1)),
  'with a key of another algorithm': async () => subtle.sign({ name: 'RSA-PSS', saltLength: 8 }, await readPrivate({ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-1' }, 'rsa'), some(1)),
  'with AES': async () => subtle.sign('AES-GCM', await aesKey('AES-GCM', 128), some(1)), 'with no key': () => subtle.sign('Ed25519', {}, some(1)),
  'of text': async () => subtle.sign('Ed25519', await readPrivate({ name: 'Ed25519' }, 'ed25519'), 'text'),
  'an HMAC key for verify only': async () => subtle.sign('HMAC', await hmacKey('SHA-1', some(9), ['verify']), some(1)),
}))
  cases[`no signature: ${what}`] = () => error(make);
// ECDSA signatures that others have made are known to hold.
const FIXED = {
  p256: ['P-256', 'SHA-256', 'ghc98kWM1hfKuURO3UzXW6fMPXW9597sCGB+zD0M7UZsbELoeXnuX+DoBhL5kUnsS8sk9+wWwn0JUcXM0a953A=='], p384: ['P-384', 'SHA-384', '73USB/VufobmQfUJ0AWe9LxW9or0xnK1GhmgHnCTtW4VH6cMxrmq+LvMlev2LSgVFJ6I4hoSQKpmRAO1XtCjrqPVnbZj3b/vvAEDfBJHBj0KgnRIi00gEvoRrqisaZ9D'], p521: ['P-521', 'SHA-512', 'AOX1r/ffOrZPSL47o/iXjsQYMUy+i1MDiOVFA6T/YzPGd4c+vF3Q2+oYo5oCoBGyYkWcKqvkItYj8dx+fI7CQ58IAFOMoHbPaeok8vKYsEWXjUh70aV2L/3gFlfi8UrxewG0kwA2uBk6jHYGsehupC+EnGwsubF/A3qDDOD2ZmQS2cgj'],
};
for (const [name, [namedCurve, hash, signed]] of Object.entries(FIXED))
  cases[`a fixed signature of ${namedCurve}`] = async () => {
    const params = { name: 'ECDSA', namedCurve, hash }, half = await readPublic(params, name);
    return [await subtle.verify(params, half, fromBase64(signed), some(33)), await subtle.verify(params, half, fromBase64(signed), some(34))];
  };

// ---------------------------------------------------------------- RSA-OAEP
for (const hash of HASHES)
  for (const label of [undefined, some(5)])
    cases[`RSA-OAEP with ${hash}${label ? ' and a label' : ''}`] = async () => {
      const params = { name: 'RSA-OAEP', hash, ...(label && { label }) }, key = await readPrivate(params, 'rsa'), half = await readPublic(params, 'rsa');
      const sealed = await subtle.encrypt(params, half, some(30));
      return [sealed.byteLength, await subtle.decrypt(params, key, sealed), await error(() => subtle.decrypt({ ...params, label: some(6) }, key, sealed)),
        await error(() => subtle.decrypt(params, key, sealed.slice(0, -1))), await error(() => subtle.encrypt(params, half, some(250))), await error(() => subtle.decrypt(params, half, sealed)),
        await error(() => subtle.encrypt(params, key, some(1))), new Uint8Array(await subtle.decrypt(params, key, await subtle.encrypt(params, half, new Uint8Array(0)))).length];
    };
cases['RSA-OAEP with a long key'] = async () => {
  const params = { name: 'RSA-OAEP', hash: 'SHA-256' };
  return subtle.decrypt(params, await readPrivate(params, 'rsa4096'), await subtle.encrypt(params, await readPublic(params, 'rsa4096'), some(100)));
};
const oaepSealed = 'Ji0/27nvvQtGbr2aUsrIMIalBD64h0z/nJJf4a4SPRJ69vnvMtz2KYpNs8J/FXcrP8f1Hi77fPsni5CoaigFvO4EbhnQb5niTySu4+AEW62H4oDQPlJii0lnNH9cTHJKnm04kUjmRNMkNO7FqUmddm0lXA7M7UdhRHEDOxqJrbn0zDDLzcIJCpQ2ygXpB1ZBAnTr7xgJU/D7r9pV7HHbTe3qqK8mp2z2+fjf1Qu1Hc6WnlDzqiWzxM+ip/W5v+Mt9ZBemunTrJlcygs34L4LlnR/HC5Pj3Is/HqApJNJav8eLBtVsMM+UQdcvjSbm3ecXrGepi3dqvfl3pWikJD0kg==';
cases['RSA-OAEP opens what another has sealed'] = async () => {
  const params = { name: 'RSA-OAEP', hash: 'SHA-256' };
  return subtle.decrypt(params, await readPrivate(params, 'rsa'), fromBase64(oaepSealed));
};

// ---------------------------------------------------------------- ECDH and X25519
for (const [title, params, own, other] of [['P-256', { name: 'ECDH', namedCurve: 'P-256' }, 'p256', 'p256b'], ['P-384', { name: 'ECDH', namedCurve: 'P-384' }, 'p384', 'p384b'],
  ['P-521', { name: 'ECDH', namedCurve: 'P-521' }, 'p521', 'p521b'], ['X25519', { name: 'X25519' }, 'x25519', 'x25519b']]) {
  const both = async () => [await readPrivate(params, own), await readPublic(params, other)];
  for (const length of [null, 0, 8, 128, 200, 256, 384, 528, 1000])
    cases[`${title}: ${length} bits of a secret`] = async () => {
      const [key, theirs] = await both();
      return subtle.deriveBits({ ...params, public: theirs }, key, length);
    };
  cases[`${title}: both have the same`] = async () => {
    const [key, theirs] = await both();
    const back = await subtle.deriveBits({ ...params, public: await readPublic(params, own) }, await readPrivate(params, other), null);
    return String(new Uint8Array(await subtle.deriveBits({ ...params, public: theirs }, key, null))) === String(new Uint8Array(back));
  };
  cases[`${title}: a key from a secret`] = async () => {
    const [key, theirs] = await both();
    return subtle.exportKey('raw', await subtle.deriveKey({ ...params, public: theirs }, key, { name: 'AES-GCM', length: 256 }, true, ['encrypt']));
  };
  cases[`${title}: a key for HKDF from a secret`] = async () => {
    const [key, theirs] = await both(), base = await subtle.deriveKey({ ...params, public: theirs }, key, 'HKDF', false, ['deriveBits']);
    return [describe(base), await subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt: some(3), info: some(3) }, base, 256)];
  };
  cases[`${title}: the other has no key`] = () => error(async () => subtle.deriveBits({ ...params, public: {} }, (await both())[0], 128));
  cases[`${title}: the other is left out`] = () => error(async () => subtle.deriveBits(params, (await both())[0], 128));
  cases[`${title}: the other is private`] = () => error(async () => subtle.deriveBits({ ...params, public: (await both())[0] }, (await both())[0], 128));
  cases[`${title}: one's own is public`] = () => error(async () => subtle.deriveBits({ ...params, public: (await both())[1] }, (await both())[1], 128));
  cases[`${title}: the other is of another curve`] = () => error(async () =>
    subtle.deriveBits({ ...params, public: await readPublic({ name: 'ECDH', namedCurve: title === 'P-384' ? 'P-256' : 'P-384' }, title === 'P-384' ? 'p256' : 'p384') }, (await both())[0], 128));
}
cases['X25519: a public key of small order'] = () => error(async () =>
  subtle.deriveBits({ name: 'X25519', public: await subtle.importKey('raw', new Uint8Array(32), 'X25519', true, []) }, await readPrivate({ name: 'X25519' }, 'x25519'), 256));

// ---------------------------------------------------------------- wrapping
const WRAPPERS = {
  'AES-KW': async () => ['AES-KW', await aesKey('AES-KW', 256)],
  'AES-GCM': async () => [{ name: 'AES-GCM', iv: some(12) }, await aesKey('AES-GCM', 128, ['wrapKey', 'unwrapKey'])],
  'AES-CBC': async () => [{ name: 'AES-CBC', iv: some(16) }, await aesKey('AES-CBC', 192, ['wrapKey', 'unwrapKey'])],
  'AES-CTR': async () => [{ name: 'AES-CTR', counter: some(16), length: 64 }, await aesKey('AES-CTR', 192, ['wrapKey', 'unwrapKey'])],
};
for (const [wrapper, make] of Object.entries(WRAPPERS)) {
  for (const [what, key, format, params, usages] of [
    ['an AES key', () => aesKey('AES-CBC', 256), 'raw', 'AES-CBC', ['encrypt']], ['an HMAC key', () => hmacKey('SHA-256', some(32)), 'raw', { name: 'HMAC', hash: 'SHA-256' }, ['sign']],
    ['an Ed25519 key', () => readPublic({ name: 'Ed25519' }, 'ed25519'), 'raw', 'Ed25519', ['verify']],
  ]) {
    cases[`${wrapper} wraps ${what}`] = async () => {
      const [how, with_] = await make(), wrapped = await subtle.wrapKey(format, await key(), with_, how);
      const back = await subtle.unwrapKey(format, wrapped, with_, how, params, true, usages);
      return [wrapped, describe(back), await subtle.exportKey(format, back)];
    };
  }
  cases[`${wrapper} wraps a JWK`] = async () => {
    const [how, with_] = await make(), wrapped = await subtle.wrapKey('jwk', await aesKey('AES-CBC', 256), with_, how);
    const back = await subtle.unwrapKey('jwk', wrapped, with_, how, 'AES-CBC', true, ['encrypt']);
    return [describe(back), await subtle.exportKey('raw', back)];
  };
  cases[`${wrapper} wraps an RSA key`] = async () => {
    const [how, with_] = await make(), params = { name: 'RSA-PSS', hash: 'SHA-256' };
    const wrapped = await subtle.wrapKey('jwk', await readPrivate(params, 'rsa'), with_, how), back = await subtle.unwrapKey('jwk', wrapped, with_, how, params, true, ['sign']);
    return [describe(back), await subtle.exportKey('pkcs8', back)];
  };
  cases[`${wrapper} does not wrap what is not extractable`] = () => error(async () => {
    const [how, with_] = await make();
    return subtle.wrapKey('raw', await subtle.importKey('raw', some(16), 'AES-CBC', false, ['encrypt']), with_, how);
  });
  if (wrapper !== 'AES-CTR') cases[`${wrapper} sees a change`] = () => error(async () => {
    const [how, with_] = await make(), wrapped = new Uint8Array(await subtle.wrapKey('jwk', await aesKey('AES-CBC', 256), with_, how));
    wrapped[3] ^= 0x55;
    return subtle.unwrapKey('jwk', wrapped, with_, how, 'AES-CBC', true, ['encrypt']);
  });
  cases[`${wrapper} unwraps for what a key is for`] = () => error(async () => {
    const [how, with_] = await make();
    return subtle.unwrapKey('raw', await subtle.wrapKey('raw', await aesKey('AES-CBC', 256), with_, how), with_, how, 'AES-CBC', true, ['sign']);
  });
}
cases['RSA-OAEP wraps an AES key'] = async () => {
  const params = { name: 'RSA-OAEP', hash: 'SHA-256' }, outcomes = [];
  for (const name of ['rsa', 'rsa4096']) {
    const wrapped = await subtle.wrapKey('raw', await aesKey('AES-GCM', 256), await readPublic(params, name), params);
    outcomes.push(wrapped.byteLength, await subtle.exportKey('raw', await subtle.unwrapKey('raw', wrapped, await readPrivate(params, name), params, 'AES-GCM', true, ['encrypt'])));
  }
  return outcomes;
};
for (const [what, make] of Object.entries({
  'AES-KW with 15 bytes': async () => subtle.wrapKey('raw', await hmacKey('SHA-1', some(15)), await aesKey('AES-KW', 128), 'AES-KW'),
  'a key without the usage': async () => subtle.wrapKey('raw', await aesKey('AES-CBC', 128), await aesKey('AES-CBC', 128), { name: 'AES-CBC', iv: some(16) }),
  'AES-KW of what is none': async () => subtle.unwrapKey('raw', some(24), await aesKey('AES-KW', 128), 'AES-KW', 'AES-CBC', true, ['encrypt']),
  'AES-KW of 8 bytes': async () => subtle.unwrapKey('raw', some(8), await aesKey('AES-KW', 128), 'AES-KW', 'AES-CBC', true, ['encrypt']),
  'AES-KW with another key': async () => subtle.wrapKey('raw', await aesKey('AES-CBC', 128), await aesKey('AES-GCM', 128, ['wrapKey']), 'AES-KW'),
  'HMAC': async () => subtle.wrapKey('raw', await aesKey('AES-CBC', 128), await hmacKey('SHA-1', some(9)), 'HMAC'),
  'a format that is none': async () => subtle.wrapKey('text', await aesKey('AES-CBC', 128), await aesKey('AES-KW', 128), 'AES-KW'),
}))
  cases[`no wrapping: ${what}`] = () => error(make);
cases['a PBKDF2 key is not wrapped'] = () => fails(async () => subtle.wrapKey('raw', await baseKey('PBKDF2'), await aesKey('AES-KW', 128), 'AES-KW'));
cases['a secret has no spki'] = () => fails(async () => subtle.wrapKey('spki', await aesKey('AES-CBC', 128), await aesKey('AES-KW', 128), 'AES-KW'));

// ---------------------------------------------------------------- keys as objects
cases['a key cannot be changed'] = async () => {
  const key = await aesKey('AES-CBC', 128, ['decrypt']);
  for (const member of ['type', 'extractable', 'usages', 'algorithm']) {
    try { key[member] = 'other'; } catch { /* strict code throws */ }
  }
  return describe(key);
};
cases['names are those of the standard'] = async () => {
  const key = await subtle.importKey('raw', some(16), 'aes-cbc', true, ['encrypt']);
  return [key.algorithm.name, (await subtle.importKey('raw', some(16), { name: 'hmac', hash: 'sha-256' }, true, ['sign'])).algorithm.hash.name];
};
cases['members of a key belong to keys'] = () => error(() => Object.getOwnPropertyDescriptor(CryptoKey.prototype, 'type').get.call({}));
cases['a key is cloned'] = async () => {
  const key = await subtle.importKey('raw', some(16), 'AES-CBC', false, ['encrypt']), clone = structuredClone({ key }).key;
  return [clone === key, clone instanceof CryptoKey, describe(clone), await error(() => subtle.exportKey('raw', clone)),
    await subtle.encrypt({ name: 'AES-CBC', iv: some(16) }, clone, some(3))];
};

// ---------------------------------------------------------------- forms of keys that are rare
const compressed = (name) => {
  const der = spki(name), point = der.slice(-65);
  return { point: new Uint8Array([2 + (point[64] & 1), ...point.slice(1, 33)]), der };
};
cases['a compressed point'] = async () => {
  const key = await subtle.importKey('raw', compressed('p256').point, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify']);
  return [describe(key), await subtle.exportKey('raw', key), sorted(await subtle.exportKey('jwk', key))];
};
cases['a compressed point in spki'] = async () => {
  const { point, der } = compressed('p256'), head = der.slice(0, -65);
  head[1] -= 32; // of the whole, and of the bit string
  head[head.length - 2] -= 32;
  const key = await subtle.importKey('spki', new Uint8Array([...head, ...point]), { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify']);
  return [describe(key), await subtle.exportKey('raw', key)];
};
cases['pkcs8 of a curve without the public half'] = async () => {
  const der = pkcs8('p256'), d = der.slice(36, 68);
  const bare = new Uint8Array([0x30, 0x41, 2, 1, 0, ...der.slice(6, 27), 4, 0x27, 0x30, 0x25, 2, 1, 1, 4, 0x20, ...d]);
  const key = await subtle.importKey('pkcs8', bare, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']);
  return [describe(key), sorted(await subtle.exportKey('jwk', key))];
};
cases['a JWK of a curve whose halves do not fit'] = () => error(async () => {
  const jwk = await subtle.exportKey('jwk', await readPrivate({ name: 'ECDSA', namedCurve: 'P-256' }, 'p256'));
  const { x, y } = await subtle.exportKey('jwk', await readPublic({ name: 'ECDSA', namedCurve: 'P-256' }, 'p256b'));
  return subtle.importKey('jwk', { ...jwk, x: y, y: x }, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']);
});
cases['a JWK with a private number of nothing'] = () => error(async () => {
  const jwk = await subtle.exportKey('jwk', await readPrivate({ name: 'ECDSA', namedCurve: 'P-256' }, 'p256'));
  return subtle.importKey('jwk', { ...jwk, d: 'A'.repeat(43) }, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']);
});
cases['deriveBits without a length'] = async () => subtle.deriveBits({ name: 'X25519', public: await readPublic({ name: 'X25519' }, 'x25519b') },
  await readPrivate({ name: 'X25519' }, 'x25519'));
cases['lengths of the methods'] = () => Object.getOwnPropertyNames(SubtleCrypto.prototype).filter((n) => n !== 'constructor').sort()
  .map((name) => `${name} ${SubtleCrypto.prototype[name].length}`);
cases['extractable is a boolean'] = async () => (await subtle.importKey('raw', some(16), 'AES-CBC', 'yes', ['encrypt'])).extractable;
cases['algorithms are read when the method is called'] = async () => {
  const algorithm = { name: 'AES-CBC', iv: some(16) }, promise = subtle.encrypt(algorithm, await aesKey('AES-CBC', 128), some(3));
  algorithm.name = 'none';
  algorithm.iv = null;
  return promise;
};
cases['getters of algorithms throw what they throw'] = () => error(() => subtle.digest({ get name() { throw new RangeError('mine'); } }, some(1)));
