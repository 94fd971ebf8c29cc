// TextEncoder, TextDecoder (Encoding Standard) and structuredClone. atob and btoa are the engine's own,
// which do not ask for their argument.
//
// The decoder knows UTF-8, UTF-16 of both kinds and windows-1252, by all labels that the standard has for them.
export default function (web, op) {
  const { Object, Reflect, Symbol, String, ArrayBuffer, Uint8Array, DataView, TypeError, RangeError } = globalThis;
  const { apply } = Reflect;
  const { getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const { isView } = ArrayBuffer;
  const { toLowerCase, charCodeAt } = String.prototype;
  const getter = (prototype, name) => getOwnPropertyDescriptor(prototype, name).get;
  const TypedArray = getPrototypeOf(Uint8Array).prototype;
  const { set: setBytes } = TypedArray;
  const partsOf = (prototype) =>
    ({ buffer: getter(prototype, 'buffer'), at: getter(prototype, 'byteOffset'), length: getter(prototype, 'byteLength') });
  const ofArray = partsOf(TypedArray), ofDataView = partsOf(DataView.prototype);
  const tagOf = getter(TypedArray, Symbol.toStringTag);
  const decode = (bytes, encoding, flags) => web.host(op, bytes, encoding, flags);
  const encode = (text) => web.host(op + 1, text);
  const encodeInto = (text, bytes) => web.host(op + 2, text, bytes);

  const UTF8 = 0, UTF16 = 1, WINDOWS_1252 = 2; // of the operation
  const FATAL = 1, KEEP_BOM = 2, BIG_ENDIAN = 4;
  const encodings = [
    ['utf-8', UTF8, 0, 'unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8'],
    ['utf-16be', UTF16, BIG_ENDIAN, 'unicodefffe utf-16be'],
    ['utf-16le', UTF16, 0, 'csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le'],
    ['windows-1252', WINDOWS_1252, 0, 'ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 ' +
      'iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252'],
  ];
  const labels = { __proto__: null };
  for (const [name, number, flags, all] of encodings) for (const label of all.split(' ')) labels[label] = { name, number, flags };
  function encodingOf(label) {
    let from = 0, to = label.length;
    const isSpace = (i) => { const c = apply(charCodeAt, label, [i]); return c === 9 || c === 10 || c === 12 || c === 13 || c === 32; };
    while (from < to && isSpace(from)) from++;
    while (to > from && isSpace(to - 1)) to--;
    let name = '';
    for (let i = from; i < to && to - from < 32; i++) {
      const c = label[i];
      name += c >= 'A' && c <= 'Z' ? apply(toLowerCase, c, []) : c; // not those of other scripts that become ASCII
    }
    const found = labels[name];
    if (found === undefined) throw new RangeError('an unknown encoding');
    return found;
  }
  function bytesOf(source) {
    if (isView(source)) {
      const of = apply(tagOf, source, []) === undefined ? ofDataView : ofArray;
      return new Uint8Array(apply(of.buffer, source, []), apply(of.at, source, []), apply(of.length, source, []));
    }
    return new Uint8Array(bufferOf(source));
  }
  const lengthOf = getter(ArrayBuffer.prototype, 'byteLength'), lengthOfShared = getter(globalThis.SharedArrayBuffer.prototype, 'byteLength');
  function bufferOf(source) {
    try {
      apply(lengthOf, source, []);
    } catch {
      apply(lengthOfShared, source, []); // or it is a TypeError
    }
    return source;
  }
  const sizeOf = (bytes) => apply(ofArray.length, bytes, []);
  const part = (bytes, from, length) => new Uint8Array(apply(ofArray.buffer, bytes, []), apply(ofArray.at, bytes, []) + from, length);
  // How many bytes at the end are a character that may go on.
  function unfinished(bytes, { number, flags }) {
    const length = sizeOf(bytes);
    if (number === UTF16) {
      const odd = length % 2, at = length - odd - 2;
      const high = at >= 0 && (bytes[flags & BIG_ENDIAN ? at : at + 1] & 0xfc) === 0xd8;
      return odd + (high ? 2 : 0);
    }
    for (let back = 1; back <= 3 && back <= length; back++) {
      const byte = bytes[length - back];
      if (byte < 0x80) return 0;
      if (byte < 0xc0) continue;
      const need = byte < 0xc2 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : byte < 0xf5 ? 4 : 1;
      if (back >= need) return 0;
      const next = bytes[length - back + 1];
      const wrong = back > 1 && ((byte === 0xe0 && next < 0xa0) || (byte === 0xed && next > 0x9f) || (byte === 0xf0 && next < 0x90) || (byte === 0xf4 && next > 0x8f));
      return wrong ? 0 : back;
    }
    return 0;
  }
  function join(first, second) {
    const length = sizeOf(first), all = new Uint8Array(length + sizeOf(second));
    apply(setBytes, all, [first]);
    apply(setBytes, all, [second, length]);
    return all;
  }

  const none = new Uint8Array(0);
  class TextDecoder {
    #encoding; #fatal = false; #ignoreBOM = false;
    #rest = none; // of a character that may go on in the next piece
    #begun = false; // in the midst of a stream, behind what may have been a BOM
    constructor(label = undefined, options = undefined) {
      this.#encoding = encodingOf(label === undefined ? 'utf-8' : `${label}`);
      if (options === undefined || options === null) return;
      if (typeof options !== 'object' && typeof options !== 'function') throw new TypeError('options are an object');
      this.#fatal = !!options.fatal;
      this.#ignoreBOM = !!options.ignoreBOM;
    }
    get encoding() { return this.#encoding.name; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#ignoreBOM; }
    decode(input = undefined, options = undefined) {
      const { number, flags: order } = this.#encoding;
      let bytes = input === undefined ? none : input;
      const stream = options === undefined || options === null ? false : !!options.stream;
      const flags = order | (this.#fatal ? FATAL : 0) | (this.#ignoreBOM || this.#begun ? KEEP_BOM : 0);
      if (!stream && !this.#begun && sizeOf(this.#rest) === 0) {
        let text = decode(bytes, number, flags);
        if (text === undefined) text = decode(bytesOf(bytes), number, flags);
        if (text === null) throw new TypeError('the bytes are not of the encoding');
        return text ?? '';
      }
      bytes = bytesOf(bytes);
      if (sizeOf(this.#rest) > 0) bytes = join(this.#rest, bytes);
      this.#rest = none;
      if (stream && number !== WINDOWS_1252) {
        const left = unfinished(bytes, this.#encoding);
        if (left > 0) {
          const whole = sizeOf(bytes) - left;
          this.#rest = join(part(bytes, whole, left), none); // what was given may change
          bytes = part(bytes, 0, whole);
        }
      }
      this.#begun = stream && (this.#begun || sizeOf(bytes) > 0);
      const text = sizeOf(bytes) === 0 ? '' : decode(bytes, number, flags);
      if (text === null) {
        this.#rest = none;
        this.#begun = false;
        throw new TypeError('the bytes are not of the encoding');
      }
      return text;
    }
  }
  class TextEncoder {
    #brand = true;
    get encoding() { return this.#brand ? 'utf-8' : undefined; }
    encode(input = undefined) {
      if (!this.#brand) return undefined;
      return encode(input === undefined ? '' : `${input}`);
    }
    encodeInto(source, destination) {
      if (!this.#brand) return undefined;
      if (arguments.length < 2) throw new TypeError('encodeInto needs a text and a Uint8Array');
      const text = `${source}`;
      if (!isView(destination) || apply(tagOf, destination, []) !== 'Uint8Array') throw new TypeError('encodeInto needs a Uint8Array');
      const done = encodeInto(text, destination);
      return { read: done[0], written: done[1] };
    }
  }
  for (const Class of [TextDecoder, TextEncoder]) {
    for (const key of Object.getOwnPropertyNames(Class.prototype))
      if (key !== 'constructor') Object.defineProperty(Class.prototype, key, { enumerable: true });
    Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: Class.name, configurable: true });
  }

  function structuredClone(value, options = undefined) {
    if (arguments.length === 0) throw new TypeError('structuredClone needs a value');
    const transfer = options === undefined || options === null ? undefined : options.transfer;
    return web.clone(value, transfer === undefined ? undefined : [...transfer]);
  }

  const { atob: fromBase64, btoa: toBase64 } = globalThis;
  function atob(data) {
    if (arguments.length === 0) throw new TypeError('atob needs a text');
    return fromBase64(data);
  }
  function btoa(data) {
    if (arguments.length === 0) throw new TypeError('btoa needs a text');
    return toBase64(data);
  }

  web.define({ TextDecoder, TextEncoder, structuredClone, atob, btoa });
}
