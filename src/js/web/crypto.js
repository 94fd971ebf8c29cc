// crypto: getRandomValues, randomUUID and subtle (Web Cryptography API, with Ed25519 and X25519). Numbers and formats of
// keys are those of subtle.h, where everything is computed; here are the rules of the standard around it.
//
// Key bytes live in the memory of the script's process, in private fields of CryptoKey. No script reads those of a key that
// is not extractable: whatever touches them uses functions that were taken before the script ran, and no promise is ever
// settled with what holds them (scripts may define `then` for all objects, and look at each promise). What a bug of the engine
// gives away is the script's own. Keys that C kept would be safer still, but would not outlive this memory where it is kept and
// started anew.
export default function (web, op) {
  const RANDOM = op, RUN = op + 1, TEXT = op + 2, BYTES = op + 3, BASE64 = op + 4, UNBASE64 = op + 5;
  const DIGEST = 1, HMAC = 2, HMAC_VERIFY = 3, CBC_ENCRYPT = 4, CBC_DECRYPT = 5, CTR = 6, GCM_ENCRYPT = 7, GCM_DECRYPT = 8, WRAP = 9,
    UNWRAP = 10, PBKDF2 = 11, HKDF = 12, GENERATE = 13, IMPORT_PUBLIC = 14, IMPORT_PARTS = 15, IMPORT_SPKI = 16, IMPORT_PKCS8 = 17,
    EXPORT_SPKI = 18, EXPORT_PKCS8 = 19, SIGN = 20, VERIFY = 21, OAEP_ENCRYPT = 22, OAEP_DECRYPT = 23, DERIVE = 24;
  const SECRET = 1 << 24; // the answer of a process comes as text
  const { Object, Reflect, Symbol, Number, Math, String, Promise, TypeError, DOMException, Uint8Array, ArrayBuffer, DataView, JSON } =
    globalThis;
  const { apply } = Reflect;
  const { host, askLong } = web;

  // ---- what scripts may replace, as it was
  const getter = (object, name) => Object.getOwnPropertyDescriptor(object, name).get;
  const Typed = Object.getPrototypeOf(Uint8Array.prototype);
  const kindOf = getter(Typed, Symbol.toStringTag);
  const typedBuffer = getter(Typed, 'buffer'), typedOffset = getter(Typed, 'byteOffset'), typedLength = getter(Typed, 'byteLength');
  const viewBuffer = getter(DataView.prototype, 'buffer'), viewOffset = getter(DataView.prototype, 'byteOffset'),
    viewLength = getter(DataView.prototype, 'byteLength');
  const bufferLength = getter(ArrayBuffer.prototype, 'byteLength');
  const { isView } = ArrayBuffer;
  const { set } = Uint8Array.prototype;
  const { charCodeAt, toUpperCase, slice, indexOf } = String.prototype;
  const { parse, stringify } = JSON;
  const { freeze, assign, defineProperty, setPrototypeOf } = Object;
  const { trunc, ceil } = Math;

  const fail = (name, message) => new DOMException(message, name);
  const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';
  function need(count, given, what) {
    if (given < count) throw new TypeError(`${what} needs ${count} argument${count === 1 ? '' : 's'}`);
  }
  const table = (object) => setPrototypeOf(object, null);

  // ---- bytes
  const lengthOf = (bytes) => apply(typedLength, bytes, []);
  const bufferOf = (bytes) => apply(typedBuffer, bytes, []);
  const part = (bytes, from, length) => new Uint8Array(bufferOf(bytes), apply(typedOffset, bytes, []) + from, length);
  function copy(bytes) {
    const made = new Uint8Array(lengthOf(bytes));
    apply(set, made, [bytes]);
    return made;
  }
  // A BufferSource as bytes, where they are.
  function source(value, what) {
    if (isView(value)) {
      return apply(kindOf, value, []) !== undefined
        ? new Uint8Array(bufferOf(value), apply(typedOffset, value, []), apply(typedLength, value, []))
        : new Uint8Array(apply(viewBuffer, value, []), apply(viewOffset, value, []), apply(viewLength, value, []));
    }
    try {
      apply(bufferLength, value, []);
    } catch {
      throw new TypeError(`${what} is neither an ArrayBuffer nor a view of one`);
    }
    return new Uint8Array(value);
  }
  function random(length) {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += 65536) host(RANDOM, part(bytes, at, length - at < 65536 ? length - at : 65536));
    return bytes;
  }
  const base64 = (bytes) => host(BASE64, bytes);
  function unbase64(text, what) {
    const bytes = text === undefined ? null : host(UNBASE64, text);
    if (bytes === null) throw fail('DataError', `the key's "${what}" is missing or no Base64`);
    return bytes;
  }
  // Parts of a key: subtle.h.
  function pack(parts) {
    let length = 0;
    for (let i = 0; i < parts.length; i++) length += 4 + lengthOf(parts[i]);
    const bytes = new Uint8Array(length);
    for (let i = 0, at = 0; i < parts.length; i++) {
      const size = lengthOf(parts[i]);
      for (let k = 0; k < 4; k++) bytes[at + k] = (size >>> (8 * k)) & 255;
      apply(set, bytes, [parts[i], at + 4]);
      at += 4 + size;
    }
    return bytes;
  }
  function unpack(bytes) {
    const parts = table([]), length = lengthOf(bytes);
    let count = 0;
    for (let at = 0; at + 4 <= length; count++) {
      const size = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
      parts[count] = part(bytes, at + 4, size);
      at += 4 + size;
    }
    return parts;
  }

  // ---- jobs
  function digit(code) { return code < 58 ? code - 48 : code - 87; }
  function result(answer) {
    if (typeof answer !== 'string') return answer;
    if (answer[0] === '!') {
      const colon = apply(indexOf, answer, [':']);
      throw fail(apply(slice, answer, [1, colon]), apply(slice, answer, [colon + 1]));
    }
    const length = (answer.length - 1) / 2, bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++)
      bytes[i] = (digit(apply(charCodeAt, answer, [1 + 2 * i])) << 4) | digit(apply(charCodeAt, answer, [2 + 2 * i]));
    return bytes;
  }
  // What finish(bytes) makes of the result, or a promise of it. A job has no prototype, or scripts that define a member of
  // all objects would get the job where it has none of that name.
  function run(what, { n = 0, m = 0, key, data, extra, more }, finish) {
    const answer = host(RUN, 0, what, n, m, key, data, extra, more);
    if (answer !== null) return finish(result(answer));
    return new Promise((resolve, reject) => {
      askLong((id) => {
        const refused = host(RUN, id, what, n, m, key, data, extra, more);
        if (refused !== undefined) result(refused);
      }, () => {
        data = kept(data);
        extra = kept(extra);
        more = kept(more);
      }, (value) => {
        try {
          resolve(finish(result(value)));
        } catch (error) {
          reject(error);
        }
      }, (error) => reject(error instanceof DOMException ? error : fail('OperationError', error.message)));
    });
  }
  const kept = (bytes) => bytes === undefined ? undefined : copy(bytes);
  const isTrue = (bytes) => bytes[0] === 1;

  // ---- algorithms and their parameters
  const HASHES = table({ 'SHA-1': 1, 'SHA-256': 2, 'SHA-384': 3, 'SHA-512': 4 });
  const HASH_BYTES = [0, 20, 32, 48, 64], HASH_BLOCK = [0, 512, 512, 1024, 1024];
  const CURVES = table({ 'P-256': 3, 'P-384': 4, 'P-521': 5 });
  const FIELD = [0, 0, 0, 32, 48, 66];
  const RSA = 1, RSA_PSS = 2, ED25519 = 6, X25519 = 7;

  function member(from, name) {
    const value = from[name];
    if (value === undefined) throw new TypeError(`the algorithm's "${name}" is missing`);
    return value;
  }
  function integer(value, most, what) {
    const number = Number(value);
    if (!(number > -1 && trunc(number) <= most)) throw new TypeError(`${what} is not a number from 0 to ${most}`);
    return trunc(number);
  }
  const bytesOf = (from, name) => source(member(from, name), `the algorithm's "${name}"`);
  const maybeBytes = (from, name) => from[name] === undefined ? undefined : bytesOf(from, name);
  const numberOf = (from, name, most) => integer(member(from, name), most, `the algorithm's "${name}"`);
  const maybeNumber = (from, name, most) => from[name] === undefined ? undefined : numberOf(from, name, most);
  const hashOf = (from) => normalize('digest', member(from, 'hash')).name;
  const U32 = 0xffffffff;

  const none = () => ({ __proto__: null });
  const withHash = (from) => ({ __proto__: null, hash: hashOf(from) });
  const withCurve = (from) => ({ __proto__: null, namedCurve: `${member(from, 'namedCurve')}` });
  const withLength = (from) => ({ __proto__: null, length: numberOf(from, 'length', 65535) });
  const withIv = (from) => ({ __proto__: null, iv: bytesOf(from, 'iv') });
  const hmacParams = (from) => ({ __proto__: null, hash: hashOf(from), length: maybeNumber(from, 'length', U32) });
  function rsaMaking(from) {
    const hash = hashOf(from), modulusLength = numberOf(from, 'modulusLength', U32), publicExponent = member(from, 'publicExponent');
    if (!isView(publicExponent) || apply(kindOf, publicExponent, []) !== 'Uint8Array')
      throw new TypeError('the algorithm\'s "publicExponent" is no Uint8Array');
    return { __proto__: null, hash, modulusLength, publicExponent: copy(publicExponent) };
  }
  function gcmParams(from) {
    return { __proto__: null, iv: bytesOf(from, 'iv'), additionalData: maybeBytes(from, 'additionalData'),
      tagLength: maybeNumber(from, 'tagLength', 255) };
  }
  const ctrParams = (from) => ({ __proto__: null, counter: bytesOf(from, 'counter'), length: numberOf(from, 'length', 255) });
  const withSalt = (from) => ({ __proto__: null, saltLength: numberOf(from, 'saltLength', U32) });
  const withLabel = (from) => ({ __proto__: null, label: maybeBytes(from, 'label') });
  function withPublic(from) {
    const other = member(from, 'public');
    if (!isKey(other)) throw new TypeError('the algorithm\'s "public" is no CryptoKey');
    return { __proto__: null, public: other };
  }
  const hkdfParams = (from) => ({ __proto__: null, hash: hashOf(from), info: bytesOf(from, 'info'), salt: bytesOf(from, 'salt') });
  const pbkdf2Params = (from) =>
    ({ __proto__: null, hash: hashOf(from), iterations: numberOf(from, 'iterations', U32), salt: bytesOf(from, 'salt') });

  // Which algorithm takes part in which operation, and how its parameters are read.
  const AES = ['AES-CBC', 'AES-CTR', 'AES-GCM', 'AES-KW'];
  const RSAS = ['RSASSA-PKCS1-v1_5', 'RSA-PSS', 'RSA-OAEP'];
  const each = (names, how) => {
    const made = {};
    for (const name of names) made[name] = how;
    return made;
  };
  const KDFS = { HKDF: none, PBKDF2: none }, OKPS = { Ed25519: none, X25519: none };
  const CIPHERS = { 'RSA-OAEP': withLabel, 'AES-CBC': withIv, 'AES-CTR': ctrParams, 'AES-GCM': gcmParams };
  const SIGNERS = { 'RSASSA-PKCS1-v1_5': none, 'RSA-PSS': withSalt, ECDSA: withHash, HMAC: none, Ed25519: none };
  const OPERATIONS = table({
    digest: each(['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'], none),
    generateKey: { ...each(RSAS, rsaMaking), ...each(['ECDSA', 'ECDH'], withCurve), ...each(AES, withLength), ...OKPS, HMAC: hmacParams },
    importKey: { ...each(RSAS, withHash), ...each(['ECDSA', 'ECDH'], withCurve), ...each(AES, none), ...OKPS, ...KDFS, HMAC: hmacParams },
    exportKey: each([...RSAS, 'ECDSA', 'ECDH', ...AES, 'Ed25519', 'X25519', 'HMAC'], none),
    sign: SIGNERS, verify: SIGNERS, encrypt: CIPHERS, decrypt: CIPHERS,
    wrapKey: { 'AES-KW': none }, unwrapKey: { 'AES-KW': none },
    deriveBits: { ECDH: withPublic, X25519: withPublic, HKDF: hkdfParams, PBKDF2: pbkdf2Params },
    keyLength: { ...each(AES, withLength), HMAC: hmacParams, ...KDFS },
  });
  for (const operation of Object.keys(OPERATIONS)) {
    const upper = { __proto__: null };
    for (const name of Object.keys(OPERATIONS[operation]))
      upper[name.toUpperCase()] = freeze({ __proto__: null, name, read: OPERATIONS[operation][name] });
    OPERATIONS[operation] = upper;
  }
  // The parameters as they were now, with the name as it is written.
  function normalize(operation, algorithm) {
    const from = isObject(algorithm) ? algorithm : { __proto__: null, name: `${algorithm}` };
    const name = `${member(from, 'name')}`, found = OPERATIONS[operation][apply(toUpperCase, name, [])];
    if (found === undefined) throw fail('NotSupportedError', `there is no ${operation} with ${name}`);
    const params = found.read(from);
    params.name = found.name;
    return params;
  }

  // ---- what a key is for: a bit for each
  const USAGES = ['encrypt', 'decrypt', 'sign', 'verify', 'deriveKey', 'deriveBits', 'wrapKey', 'unwrapKey'];
  const BIT = { __proto__: null };
  for (let i = 0; i < USAGES.length; i++) BIT[USAGES[i]] = 1 << i;
  const bits = (...names) => {
    let all = 0;
    for (let i = 0; i < names.length; i++) all |= BIT[names[i]];
    return all;
  };
  const SIGNS = bits('sign'), VERIFIES = bits('verify'), DERIVES = bits('deriveKey', 'deriveBits'), WRAPS = bits('wrapKey', 'unwrapKey'),
    CRYPTS = bits('encrypt', 'decrypt');
  // [of the public half or the secret, of the private half]
  const ALLOWED = table({
    'RSASSA-PKCS1-v1_5': [VERIFIES, SIGNS], 'RSA-PSS': [VERIFIES, SIGNS], ECDSA: [VERIFIES, SIGNS], Ed25519: [VERIFIES, SIGNS],
    'RSA-OAEP': [bits('encrypt', 'wrapKey'), bits('decrypt', 'unwrapKey')], ECDH: [0, DERIVES], X25519: [0, DERIVES],
    'AES-CBC': [CRYPTS | WRAPS, 0], 'AES-CTR': [CRYPTS | WRAPS, 0], 'AES-GCM': [CRYPTS | WRAPS, 0], 'AES-KW': [WRAPS, 0],
    HMAC: [SIGNS | VERIFIES, 0], HKDF: [DERIVES, 0], PBKDF2: [DERIVES, 0],
  });
  function usagesOf(sequence) {
    if (!isObject(sequence)) throw new TypeError('the usages are no sequence');
    let all = 0;
    for (const usage of sequence) {
      const bit = BIT[`${usage}`];
      if (bit === undefined) throw new TypeError(`there is no usage "${usage}"`);
      all |= bit;
    }
    return all;
  }
  function named(usages) {
    const names = [];
    for (let i = 0, count = 0; i < USAGES.length; i++)
      if ((usages & (1 << i)) !== 0)
        defineProperty(names, count++, { __proto__: null, value: USAGES[i], writable: true, enumerable: true, configurable: true });
    return names;
  }
  function allow(usages, allowed) {
    if ((usages & ~allowed) !== 0) throw fail('SyntaxError', 'a key of this kind cannot be used for that');
  }
  function needUsages(usages) {
    if (usages === 0) throw fail('SyntaxError', 'a secret or private key needs usages');
  }

  // ---- keys
  let isKey, slotsOf;
  const token = {};
  class CryptoKey {
    #slots; #algorithm; #usages;
    constructor(given, slots) {
      if (given !== token) throw new TypeError('keys are made by crypto.subtle');
      this.#slots = slots;
    }
    get type() { return this.#slots.type; }
    get extractable() { return this.#slots.extractable; }
    get algorithm() { return this.#algorithm ??= shownAlgorithm(this.#slots); }
    get usages() { return this.#usages ??= named(this.#slots.usages); }
    static {
      isKey = (value) => isObject(value) && #slots in value;
      slotsOf = (key) => key.#slots;
    }
  }
  // What a script sees of it, and may write to.
  function shownAlgorithm(slots) {
    const shown = { name: slots.name };
    if (slots.length !== undefined) shown.length = slots.length;
    if (slots.modulusLength !== undefined) {
      shown.modulusLength = slots.modulusLength;
      shown.publicExponent = copy(slots.publicExponent);
    }
    if (slots.hash !== undefined) shown.hash = { name: slots.hash };
    if (slots.namedCurve !== undefined) shown.namedCurve = slots.namedCurve;
    return shown;
  }
  // slots: type, name, bytes; hash, length, modulusLength, namedCurve and family where the algorithm has them.
  function keyOf(slots, extractable, usages) {
    slots.extractable = extractable;
    slots.usages = usages;
    return new CryptoKey(token, slots);
  }
  web.cloneable({ is: isKey, copy: (key) => new CryptoKey(token, slotsOf(key)) }); // slots never change
  function keyArgument(value) {
    if (!isKey(value)) throw new TypeError('that is no CryptoKey');
    return slotsOf(value);
  }
  function familyOf(name, namedCurve) {
    switch (name) {
      case 'RSA-PSS': return RSA_PSS;
      case 'RSASSA-PKCS1-v1_5': case 'RSA-OAEP': return RSA;
      case 'Ed25519': return ED25519;
      case 'X25519': return X25519;
      default: {
        const family = CURVES[namedCurve];
        if (family === undefined) throw fail('NotSupportedError', `there is no curve ${namedCurve}`);
        return family;
      }
    }
  }
  const isRsa = (family) => family === RSA || family === RSA_PSS;
  function bitsOfNumber(bytes) {
    let count = 8 * lengthOf(bytes);
    for (let top = bytes[0]; (top & 128) === 0; top <<= 1) count--;
    return count;
  }
  // Of a key of two halves, from its parts.
  function pairSlots(type, params, family, bytes) {
    const slots = { __proto__: null, type, name: params.name, family, bytes };
    if (isRsa(family)) {
      const parts = unpack(bytes);
      slots.modulusLength = bitsOfNumber(parts[0]);
      slots.publicExponent = params.publicExponent ?? copy(parts[1]);
      slots.hash = params.hash;
    } else if (family < ED25519) {
      slots.namedCurve = params.namedCurve;
    }
    return slots;
  }
  const publicParts = (family, bytes) => {
    const parts = unpack(bytes);
    return pack(isRsa(family) ? [parts[0], parts[1]] : [parts[0]]);
  };
  const what = (kind, slots, hash) => kind | ((hash === undefined ? 0 : HASHES[hash]) << 8) | ((slots.family ?? 0) << 16);

  // ---- making them
  function makePair(params, extractable, usages) {
    const family = familyOf(params.name, params.namedCurve), allowed = ALLOWED[params.name], ofPublic = allowed[0], ofPrivate = allowed[1];
    allow(usages, ofPublic | ofPrivate);
    needUsages(usages & ofPrivate);
    return run(GENERATE | (family << 16) | SECRET, { __proto__: null, n: params.modulusLength, data: params.publicExponent }, (bytes) => ({
      publicKey: keyOf(pairSlots('public', params, family, publicParts(family, bytes)), true, usages & ofPublic),
      privateKey: keyOf(pairSlots('private', params, family, bytes), extractable, usages & ofPrivate),
    }));
  }
  function makeSecret(params, extractable, usages) {
    const { name, hash } = params;
    let { length } = params;
    allow(usages, ALLOWED[name][0]);
    if (name === 'HMAC') {
      if (length === 0) throw fail('OperationError', 'an HMAC key of no length');
      length ??= HASH_BLOCK[HASHES[hash]];
      if (length > 65536 * 8) throw fail('OperationError', 'an HMAC key of more than 65,536 bytes');
    } else if (length !== 128 && length !== 192 && length !== 256) {
      throw fail('OperationError', 'AES keys have 128, 192 or 256 bits');
    }
    needUsages(usages);
    const bytes = random(ceil(length / 8));
    if (length % 8 !== 0) bytes[lengthOf(bytes) - 1] &= 256 - (1 << (8 - (length % 8)));
    return keyOf({ __proto__: null, type: 'secret', name, hash, length, bytes }, extractable, usages);
  }

  // ---- reading them
  const JWK_TEXTS = ['alg', 'crv', 'd', 'dp', 'dq', 'e', 'k', 'kty', 'n', 'p', 'q', 'qi', 'use', 'x', 'y'];
  // A JsonWebKey with nothing else in it.
  function jwkOf(from) {
    const jwk = { __proto__: null };
    if (from === undefined || from === null) return jwk;
    if (!isObject(from)) throw new TypeError('the key is no JsonWebKey');
    for (let i = 0; i < JWK_TEXTS.length; i++) {
      const value = from[JWK_TEXTS[i]];
      if (value !== undefined) jwk[JWK_TEXTS[i]] = String(value); // a template would be a call of concat
    }
    if (from.ext !== undefined) jwk.ext = !!from.ext;
    if (from.oth !== undefined) jwk.oth = true;
    if (from.key_ops !== undefined) {
      if (!isObject(from.key_ops)) throw new TypeError('"key_ops" is no sequence');
      jwk.key_ops = { __proto__: null };
      for (const name of from.key_ops) {
        if (jwk.key_ops[`${name}`]) throw fail('DataError', `"key_ops" has ${name} twice`);
        jwk.key_ops[`${name}`] = true;
      }
    }
    return jwk;
  }
  function checkJwk(jwk, kty, use, alg, extractable, usages) {
    if (jwk.kty !== kty) throw fail('DataError', `the key's "kty" is not ${kty}`);
    if (usages !== 0 && jwk.use !== undefined && jwk.use !== use) throw fail('DataError', `the key's "use" is not ${use}`);
    if (jwk.key_ops !== undefined)
      for (let i = 0; i < USAGES.length; i++)
        if ((usages & (1 << i)) !== 0 && !jwk.key_ops[USAGES[i]]) throw fail('DataError', `the key's "key_ops" lacks ${USAGES[i]}`);
    if (jwk.ext === false && extractable) throw fail('DataError', 'the key says that it is not to be extractable');
    if (alg !== undefined && jwk.alg !== undefined && jwk.alg !== alg) throw fail('DataError', `the key's "alg" is not ${alg}`);
  }
  const hashNumber = (hash) => apply(slice, hash, [4]);
  function jwkAlgorithm(slots) {
    const { name, hash } = slots;
    switch (name) {
      case 'HMAC': return `HS${hashNumber(hash)}`;
      case 'RSASSA-PKCS1-v1_5': return `RS${hashNumber(hash)}`;
      case 'RSA-PSS': return `PS${hashNumber(hash)}`;
      case 'RSA-OAEP': return hash === 'SHA-1' ? 'RSA-OAEP' : `RSA-OAEP-${hashNumber(hash)}`;
      case 'AES-CBC': case 'AES-CTR': case 'AES-GCM': case 'AES-KW': return `A${slots.length}${apply(slice, name, [4])}`;
      case 'Ed25519': return name;
      default: return undefined;
    }
  }
  const useOf = (name) => ALLOWED[name][0] & VERIFIES ? 'sig' : 'enc';
  const noFormat = (format, name) => fail('NotSupportedError', `${name} keys have no format ${format}`);

  function readSecret(format, data, params, extractable, usages) {
    const { name, hash } = params, derives = name === 'HKDF' || name === 'PBKDF2';
    if (format !== 'raw' && (format !== 'jwk' || derives)) throw noFormat(format, name);
    allow(usages, ALLOWED[name][0]);
    if (derives && extractable) throw fail('SyntaxError', `${name} keys are not extractable`);
    if (format === 'jwk' && data.kty !== 'oct') throw fail('DataError', 'the key\'s "kty" is not oct');
    const bytes = format === 'jwk' ? unbase64(data.k, 'k') : copy(data), size = lengthOf(bytes) * 8;
    let length = derives ? undefined : size;
    if (name === 'HMAC') {
      if (size === 0) throw fail('DataError', 'an HMAC key of no length');
      if (params.length !== undefined) {
        if (params.length > size || params.length <= size - 8) throw fail('DataError', 'the key has another length');
        length = params.length;
      }
    } else if (!derives && size !== 128 && size !== 192 && size !== 256) {
      throw fail('DataError', 'AES keys have 128, 192 or 256 bits');
    }
    const slots = { __proto__: null, type: 'secret', name, hash, length, bytes };
    if (format === 'jwk') checkJwk(data, 'oct', useOf(name), jwkAlgorithm(slots), extractable, usages);
    needUsages(usages);
    return keyOf(slots, extractable, usages);
  }

  const RSA_PARTS = ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'];
  function rsaJwkParts(jwk, isPrivate) {
    const parts = [];
    if (jwk.oth !== undefined) throw fail('NotSupportedError', 'RSA keys have two primes');
    for (let i = 0; i < (isPrivate ? 8 : 2); i++)
      defineProperty(parts, i, { __proto__: null, value: unbase64(jwk[RSA_PARTS[i]], RSA_PARTS[i]) });
    return pack(parts);
  }
  function curveJwkParts(jwk, family, isPrivate) {
    const x = unbase64(jwk.x, 'x'), y = unbase64(jwk.y, 'y'), point = new Uint8Array(1 + 2 * FIELD[family]);
    if (lengthOf(x) !== FIELD[family] || lengthOf(y) !== FIELD[family]) throw fail('DataError', 'the key is of another curve');
    point[0] = 4;
    apply(set, point, [x, 1]);
    apply(set, point, [y, 1 + FIELD[family]]);
    return pack(isPrivate ? [point, unbase64(jwk.d, 'd')] : [point]);
  }
  function okpJwkParts(jwk, isPrivate) {
    const x = unbase64(jwk.x, 'x');
    return pack(isPrivate ? [x, unbase64(jwk.d, 'd')] : [x]);
  }
  const ES = table({ 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' });
  function pairJwk(jwk, params, family, extractable, usages) {
    const isPrivate = jwk.d !== undefined, { name, namedCurve } = params;
    allow(usages, ALLOWED[name][isPrivate ? 1 : 0]);
    if (isRsa(family)) {
      checkJwk(jwk, 'RSA', useOf(name), jwkAlgorithm(params), extractable, usages);
      return rsaJwkParts(jwk, isPrivate);
    }
    if (family >= ED25519) {
      checkJwk(jwk, 'OKP', useOf(name), undefined, extractable, usages);
      if (jwk.crv !== name) throw fail('DataError', `the key's "crv" is not ${name}`);
      if (name === 'Ed25519' && jwk.alg !== undefined && jwk.alg !== 'EdDSA' && jwk.alg !== 'Ed25519')
        throw fail('DataError', 'the key\'s "alg" is not EdDSA');
      return okpJwkParts(jwk, isPrivate);
    }
    checkJwk(jwk, 'EC', useOf(name), name === 'ECDSA' ? ES[namedCurve] : undefined, extractable, usages);
    if (jwk.crv !== namedCurve) throw fail('DataError', `the key's "crv" is not ${namedCurve}`);
    return curveJwkParts(jwk, family, isPrivate);
  }
  function readPair(format, data, params, extractable, usages) {
    const family = familyOf(params.name, params.namedCurve);
    let isPrivate = format === 'pkcs8', kind, job;
    if (format === 'raw' && isRsa(family)) throw noFormat(format, params.name);
    if (format === 'jwk') {
      isPrivate = data.d !== undefined;
      kind = IMPORT_PARTS;
      job = { __proto__: null, key: pairJwk(data, params, family, extractable, usages) };
    } else {
      allow(usages, ALLOWED[params.name][isPrivate ? 1 : 0]);
      kind = isPrivate ? IMPORT_PKCS8 : format === 'spki' ? IMPORT_SPKI : IMPORT_PUBLIC;
      job = { __proto__: null, data };
    }
    return run(kind | (family << 16) | SECRET, job, (bytes) => {
      if (isPrivate) needUsages(usages);
      return keyOf(pairSlots(isPrivate ? 'private' : 'public', params, family, bytes), extractable, usages);
    });
  }
  const isSecretName = (name) => ALLOWED[name][1] === 0;
  function read(format, data, params, extractable, usages) {
    return (isSecretName(params.name) ? readSecret : readPair)(format, data, params, extractable, usages);
  }
  const FORMATS = table({ raw: true, spki: true, pkcs8: true, jwk: true });
  function formatOf(value) {
    const format = `${value}`;
    if (FORMATS[format] === undefined) throw new TypeError(`there is no format "${format}"`);
    return format;
  }

  // ---- writing them; finish(a copy of the bytes, or a JsonWebKey with nothing around it)
  function jwkFrom(slots) {
    const jwk = { __proto__: null }, { family, namedCurve, name } = slots, alg = jwkAlgorithm(slots);
    if (slots.type === 'secret') {
      jwk.kty = 'oct';
      jwk.k = base64(slots.bytes);
    } else {
      const parts = unpack(slots.bytes), isPrivate = slots.type === 'private';
      if (isRsa(family)) {
        jwk.kty = 'RSA';
        for (let i = 0; i < (isPrivate ? 8 : 2); i++) jwk[RSA_PARTS[i]] = base64(parts[i]);
      } else if (family >= ED25519) {
        jwk.kty = 'OKP';
        jwk.crv = name;
        jwk.x = base64(parts[0]);
      } else {
        jwk.kty = 'EC';
        jwk.crv = namedCurve;
        jwk.x = base64(part(parts[0], 1, FIELD[family]));
        jwk.y = base64(part(parts[0], 1 + FIELD[family], FIELD[family]));
      }
      if (isPrivate && !isRsa(family)) jwk.d = base64(parts[1]);
    }
    if (alg !== undefined) jwk.alg = alg;
    jwk.key_ops = named(slots.usages);
    jwk.ext = slots.extractable;
    return jwk;
  }
  function write(format, slots, finish) {
    const { type, bytes, family } = slots;
    if (format === 'jwk') return finish(jwkFrom(slots));
    if (type === 'secret') {
      if (format !== 'raw') throw noFormat(format, slots.name);
      return finish(copy(bytes));
    }
    if (format === 'raw') {
      if (isRsa(family)) throw noFormat(format, slots.name);
      if (type !== 'public') throw fail('InvalidAccessError', 'only public keys are exported so');
      return finish(copy(unpack(bytes)[0]));
    }
    if (type !== (format === 'spki' ? 'public' : 'private')) throw fail('InvalidAccessError', `${format} is for keys of another type`);
    return run((format === 'spki' ? EXPORT_SPKI : EXPORT_PKCS8) | (family << 16) | SECRET, { __proto__: null, key: bytes }, finish);
  }

  // ---- using them
  function crypt(params, slots, data, seals, finish, secret) {
    const job = { __proto__: null, key: slots.bytes, data }, flag = secret ? SECRET : 0;
    let kind;
    switch (params.name) {
      case 'AES-CBC':
        if (lengthOf(params.iv) !== 16) throw fail('OperationError', 'the iv has not 16 bytes');
        job.extra = params.iv;
        kind = seals ? CBC_ENCRYPT : CBC_DECRYPT;
        break;
      case 'AES-CTR':
        if (lengthOf(params.counter) !== 16) throw fail('OperationError', 'the counter has not 16 bytes');
        if (params.length === 0 || params.length > 128) throw fail('OperationError', 'the counter has not 1 to 128 bits');
        job.extra = params.counter;
        job.n = params.length;
        kind = CTR;
        break;
      case 'AES-GCM':
        job.n = params.tagLength ?? 128;
        if (job.n !== 32 && job.n !== 64 && !(job.n >= 96 && job.n <= 128 && job.n % 8 === 0))
          throw fail('OperationError', 'the tag has not 32, 64, 96, 104, 112, 120 or 128 bits');
        job.extra = params.iv;
        job.more = params.additionalData;
        kind = seals ? GCM_ENCRYPT : GCM_DECRYPT;
        break;
      case 'AES-KW':
        kind = seals ? WRAP : UNWRAP;
        break;
      default:
        if (slots.type !== (seals ? 'public' : 'private')) throw fail('InvalidAccessError', 'that is the other half of the key');
        job.extra = params.label;
        kind = seals ? OAEP_ENCRYPT : OAEP_DECRYPT;
    }
    return run(what(kind, slots, slots.hash) | flag, job, finish);
  }
  function signature(kind, params, slots, data, extra, finish) {
    const type = kind === SIGN ? 'private' : 'public';
    if (params.name === 'HMAC') {
      return run(what(kind === SIGN ? HMAC : HMAC_VERIFY, slots, slots.hash), { __proto__: null, key: slots.bytes, data, extra }, finish);
    }
    if (slots.type !== type) throw fail('InvalidAccessError', `the key is not ${type}`);
    return run(what(kind, slots, params.name === 'Ed25519' ? undefined : params.hash ?? slots.hash),
      { __proto__: null, key: slots.bytes, data, extra, n: params.saltLength }, finish);
  }
  function agree(params, slots, length, finish) {
    const other = slotsOf(params.public);
    if (slots.type !== 'private') throw fail('InvalidAccessError', 'the key is not private');
    if (other.type !== 'public') throw fail('InvalidAccessError', 'the key of the other is not public');
    if (other.name !== slots.name || other.family !== slots.family) throw fail('InvalidAccessError', 'the keys are of different kinds');
    return run(what(DERIVE, slots) | SECRET, { __proto__: null, key: slots.bytes, data: unpack(other.bytes)[0] }, (secret) => {
      if (length === null) return finish(copy(secret));
      const size = ceil(length / 8);
      if (size > lengthOf(secret)) throw fail('OperationError', 'more bits than there are');
      const made = copy(part(secret, 0, size));
      if (length % 8 !== 0) made[size - 1] &= 256 - (1 << (8 - (length % 8)));
      return finish(made);
    });
  }
  function derive(params, slots, length, finish) {
    if (params.name === 'ECDH' || params.name === 'X25519') return agree(params, slots, length, finish);
    if (length === null || length % 8 !== 0) throw fail('OperationError', 'the number of bits is not one of whole bytes');
    const job = { __proto__: null, n: params.iterations, m: length / 8, key: slots.bytes, extra: params.salt, more: params.info };
    if (params.name === 'HKDF') return run(what(HKDF, slots, params.hash) | SECRET, job, finish);
    if (params.iterations === 0) throw fail('OperationError', 'PBKDF2 without rounds');
    return run(what(PBKDF2, slots, params.hash) | SECRET, job, finish);
  }
  function derivedLength(params) {
    switch (params.name) {
      case 'HKDF': case 'PBKDF2': return null;
      case 'HMAC':
        if (params.length === 0) throw new TypeError('an HMAC key of no length');
        return params.length ?? HASH_BLOCK[HASHES[params.hash]];
      default:
        if (params.length !== 128 && params.length !== 192 && params.length !== 256) throw fail('OperationError', 'AES keys have 128, 192 or 256 bits');
        return params.length;
    }
  }
  function check(params, slots, usage) {
    if (params.name !== slots.name) throw fail('InvalidAccessError', `the key is of ${slots.name}`);
    if ((slots.usages & BIT[usage]) === 0) throw fail('InvalidAccessError', `the key is not for ${usage}`);
  }
  // With AES-KW, or with what encrypts.
  function wrapping(operation, otherwise, algorithm) {
    const name = isObject(algorithm) ? algorithm.name : algorithm;
    return normalize(OPERATIONS[operation][apply(toUpperCase, `${name}`, [])] === undefined ? otherwise : operation, algorithm);
  }

  // ---- the interfaces
  let isSubtle, isCrypto;
  const own = (self) => { if (!isSubtle(self)) throw new TypeError('that is not crypto.subtle'); };
  class SubtleCrypto {
    #is = true;
    constructor(given) { if (given !== token) throw new TypeError('there is one, crypto.subtle'); }
    async digest(algorithm, data) {
      own(this);
      need(2, arguments.length, 'digest');
      const params = normalize('digest', algorithm), bytes = source(data, 'the data');
      return run(DIGEST | (HASHES[params.name] << 8), { __proto__: null, data: bytes }, bufferOf);
    }
    async generateKey(algorithm, extractable, usages) {
      own(this);
      need(3, arguments.length, 'generateKey');
      const params = normalize('generateKey', algorithm), bits = usagesOf(usages);
      return (isSecretName(params.name) ? makeSecret : makePair)(params, !!extractable, bits);
    }
    async importKey(format, keyData, algorithm, extractable, usages) {
      own(this);
      need(5, arguments.length, 'importKey');
      format = formatOf(format);
      const data = format === 'jwk' ? jwkOf(keyData) : source(keyData, 'the key'), params = normalize('importKey', algorithm);
      return read(format, data, params, !!extractable, usagesOf(usages));
    }
    async exportKey(format, key) {
      own(this);
      need(2, arguments.length, 'exportKey');
      format = formatOf(format);
      const slots = keyArgument(key);
      if (OPERATIONS.exportKey[apply(toUpperCase, slots.name, [])] === undefined)
        throw fail('NotSupportedError', `${slots.name} keys cannot be exported`);
      if (!slots.extractable) throw fail('InvalidAccessError', 'the key is not extractable');
      return write(format, slots, (written) => format === 'jwk' ? assign({}, written) : bufferOf(written));
    }
    async sign(algorithm, key, data) {
      own(this);
      need(3, arguments.length, 'sign');
      const params = normalize('sign', algorithm), slots = keyArgument(key), bytes = source(data, 'the data');
      check(params, slots, 'sign');
      return signature(SIGN, params, slots, bytes, undefined, bufferOf);
    }
    async verify(algorithm, key, signed, data) {
      own(this);
      need(4, arguments.length, 'verify');
      const params = normalize('verify', algorithm), slots = keyArgument(key), extra = source(signed, 'the signature'), bytes = source(data, 'the data');
      check(params, slots, 'verify');
      return signature(VERIFY, params, slots, bytes, extra, isTrue);
    }
    async encrypt(algorithm, key, data) {
      own(this);
      need(3, arguments.length, 'encrypt');
      const params = normalize('encrypt', algorithm), slots = keyArgument(key), bytes = source(data, 'the data');
      check(params, slots, 'encrypt');
      return crypt(params, slots, bytes, true, bufferOf, false);
    }
    async decrypt(algorithm, key, data) {
      own(this);
      need(3, arguments.length, 'decrypt');
      const params = normalize('decrypt', algorithm), slots = keyArgument(key), bytes = source(data, 'the data');
      check(params, slots, 'decrypt');
      return crypt(params, slots, bytes, false, bufferOf, false);
    }
    async deriveBits(algorithm, baseKey, length = null) {
      own(this);
      need(2, arguments.length, 'deriveBits');
      const params = normalize('deriveBits', algorithm), slots = keyArgument(baseKey);
      if (length !== null) length = integer(length, U32, 'the length');
      check(params, slots, 'deriveBits');
      return derive(params, slots, length, bufferOf);
    }
    async deriveKey(algorithm, baseKey, derivedKeyType, extractable, usages) {
      own(this);
      need(5, arguments.length, 'deriveKey');
      const params = normalize('deriveBits', algorithm), slots = keyArgument(baseKey), made = normalize('importKey', derivedKeyType),
        length = derivedLength(normalize('keyLength', derivedKeyType)), bits = usagesOf(usages);
      check(params, slots, 'deriveKey');
      return derive(params, slots, length, (bytes) => read('raw', bytes, made, !!extractable, bits));
    }
    async wrapKey(format, key, wrappingKey, wrapAlgorithm) {
      own(this);
      need(4, arguments.length, 'wrapKey');
      format = formatOf(format);
      const slots = keyArgument(key), wrapper = keyArgument(wrappingKey), params = wrapping('wrapKey', 'encrypt', wrapAlgorithm);
      check(params, wrapper, 'wrapKey');
      if (OPERATIONS.exportKey[apply(toUpperCase, slots.name, [])] === undefined)
        throw fail('NotSupportedError', `${slots.name} keys cannot be exported`);
      if (!slots.extractable) throw fail('InvalidAccessError', 'the key is not extractable');
      return write(format, slots, (written) => crypt(params, wrapper, format === 'jwk' ? jsonBytes(written) : written, true, bufferOf, false));
    }
    async unwrapKey(format, wrappedKey, unwrappingKey, unwrapAlgorithm, unwrappedKeyAlgorithm, extractable, usages) {
      own(this);
      need(7, arguments.length, 'unwrapKey');
      format = formatOf(format);
      const wrapped = source(wrappedKey, 'the wrapped key'), wrapper = keyArgument(unwrappingKey),
        params = wrapping('unwrapKey', 'decrypt', unwrapAlgorithm), made = normalize('importKey', unwrappedKeyAlgorithm), bits = usagesOf(usages);
      check(params, wrapper, 'unwrapKey');
      return crypt(params, wrapper, wrapped, false,
        (bytes) => read(format, format === 'jwk' ? jsonKey(bytes) : bytes, made, !!extractable, bits), true);
    }
    static { isSubtle = (value) => isObject(value) && #is in value; }
  }
  // The text of a JsonWebKey as bytes. AES-KW wants a multiple of eight, and blanks mean nothing at the end.
  function jsonBytes(jwk) {
    const bytes = host(BYTES, stringify(jwk)), length = lengthOf(bytes), padded = new Uint8Array(ceil(length / 8) * 8);
    apply(set, padded, [bytes]);
    for (let i = length; i < lengthOf(padded); i++) padded[i] = 32;
    return padded;
  }
  function jsonKey(bytes) {
    let parsed = null;
    try {
      parsed = parse(host(TEXT, bytes));
    } catch { /* said below */ }
    if (!isObject(parsed)) throw fail('DataError', 'the key is no JSON');
    // without a prototype, none of whose setters and getters then sees it
    return jwkOf(setPrototypeOf(parsed, null));
  }

  const subtle = new SubtleCrypto(token);
  const INTEGERS = table({ Int8Array: 1, Uint8Array: 1, Uint8ClampedArray: 1, Int16Array: 1, Uint16Array: 1, Int32Array: 1, Uint32Array: 1,
    BigInt64Array: 1, BigUint64Array: 1 });
  const HEX = '0123456789abcdef';
  class Crypto {
    #is = true;
    constructor(given) { if (given !== token) throw new TypeError('there is one, crypto'); }
    get subtle() {
      if (!isCrypto(this)) throw new TypeError('that is not crypto');
      return subtle;
    }
    getRandomValues(array) {
      if (!isCrypto(this)) throw new TypeError('that is not crypto');
      need(1, arguments.length, 'getRandomValues');
      if (!isView(array) || INTEGERS[apply(kindOf, array, [])] === undefined)
        throw fail('TypeMismatchError', 'random values are for typed arrays of integers');
      const bytes = source(array, 'the array');
      if (lengthOf(bytes) > 65536) throw fail('QuotaExceededError', 'more than 65,536 random bytes at once');
      host(RANDOM, bytes);
      return array;
    }
    randomUUID() {
      if (!isCrypto(this)) throw new TypeError('that is not crypto');
      const bytes = random(16);
      let text = '';
      bytes[6] = (bytes[6] & 15) | 64;
      bytes[8] = (bytes[8] & 63) | 128;
      for (let i = 0; i < 16; i++) text += (i === 4 || i === 6 || i === 8 || i === 10 ? '-' : '') + HEX[bytes[i] >> 4] + HEX[bytes[i] & 15];
      return text;
    }
    static { isCrypto = (value) => isObject(value) && #is in value; }
  }
  // Members of an interface are seen by for-in, unlike those of a class.
  for (const Class of [Crypto, SubtleCrypto, CryptoKey]) {
    for (const key of Object.getOwnPropertyNames(Class.prototype))
      if (key !== 'constructor') Object.defineProperty(Class.prototype, key, { __proto__: null, enumerable: true });
    Object.defineProperty(Class.prototype, Symbol.toStringTag, { __proto__: null, value: Class.name, configurable: true });
  }
  web.define({ Crypto, SubtleCrypto, CryptoKey });
  web.define({ crypto: new Crypto(token) });
}
