// Text and bytes: tables of inputs, of which each row is a case.
const cases = {};
const add = (name, fn) => {
  if (name in cases) throw new Error(`two cases are called ${name}`);
  cases[name] = fn;
};
const outcome = (fn) => { try { return fn(); } catch (error) { return `throws ${error.name}`; } };
const units = (text) => Array.from({ length: text.length }, (_, i) => text.charCodeAt(i).toString(16)).join(' ');
const hex = (text) => Uint8Array.from(text.match(/[0-9a-f]{2}/g) ?? [], (pair) => parseInt(pair, 16));
// A small hash, so that many results are compared as one.
const hash = (h, text) => { for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619) >>> 0; return h; };

// ---- UTF-8 out of bytes: well-formed, malformed, cut off
const sequences = {
  'nothing': '', 'ASCII': '48656c6c6f', 'NUL': '00', 'DEL': '7f', 'first of two bytes': 'c280', 'last of two bytes': 'dfbf',
  'first of three bytes': 'e0a080', 'last before the surrogates': 'ed9fbf', 'first behind the surrogates': 'ee8080', 'last of three bytes': 'efbfbf',
  'first of four bytes': 'f0908080', 'last character': 'f48fbfbf', 'an emoji': 'f09f9880', 'noncharacters': 'efb790efbfbe',
  'eight ASCII bytes': '6162636465666768', 'nine ASCII bytes': '616263646566676869', 'ASCII, then two bytes': '6162636465666768c3a9',
  'a byte that continues nothing': '80', 'two of those': '8081', 'sixty-four of those': '80'.repeat(64), 'the last of those': 'bf',
  'C0': 'c0', 'C1': 'c1', 'overlong slash in two': 'c0af', 'overlong slash in three': 'e080af', 'overlong slash in four': 'f08080af',
  'overlong NUL in two': 'c080', 'overlong in two, the last': 'c1bf', 'overlong in three, the last': 'e09fbf', 'overlong in four, the last': 'f08fbfbf',
  'first surrogate': 'eda080', 'last high surrogate': 'edafbf', 'first low surrogate': 'edb080', 'last surrogate': 'edbfbf', 'a pair of surrogates': 'eda080edb080',
  'behind the last character': 'f4908080', 'F5': 'f5808080', 'F8 of five': 'f888808080', 'FC of six': 'fc8480808080', 'FE': 'fe', 'FF': 'ff', 'FE FF': 'feff',
  'two bytes, cut': 'c3', 'three bytes, cut to two': 'e282', 'three bytes, cut to one': 'e2', 'four bytes, cut to three': 'f09f98', 'four bytes, cut to two': 'f09f',
  'four bytes, cut to one': 'f0', 'cut, then ASCII': 'e28261', 'cut, then another': 'e282c3a9', 'cut to one, then another': 'f09fe282ac', 'two begin': 'c3c3',
  'three begin': 'e2e2e2', 'four begin': 'f0f0f0f0', 'a wrong second byte': 'e228a1', 'a wrong third byte': 'e28228', 'a wrong fourth byte': 'f09f9828',
  'a wrong second of four': 'f028988c', 'E0 with a low second': 'e08080', 'ED with a high second': 'eda0', 'F0 with a low second': 'f0808080', 'F4 with a high second': 'f490',
  'ASCII around a wrong byte': '61ff62', 'between good ones': 'c3a9ffc3a9', 'a BOM': 'efbbbf', 'a BOM and text': 'efbbbf61', 'two BOMs': 'efbbbfefbbbf', 'a BOM inside': '61efbbbf62',
  'half a BOM': 'efbb', 'a third of a BOM': 'ef', 'nearly a BOM': 'efbbbe', 'UTF-16 BOM': 'fffe6100', 'text of many scripts': '48c3a4e4bda0e5a5bdf09f8c8dd796d790',
  'a long run': '61'.repeat(300), 'a long run of two': 'c3a9'.repeat(300), 'a long run of four': 'f09f9880'.repeat(100), 'a wrong byte at each place of eight': Array.from({ length: 8 }, (_, i) => '61'.repeat(i) + 'ff' + '61'.repeat(7 - i)).join(''),
};
for (const [name, text] of Object.entries(sequences)) {
  add(`UTF-8: ${name}`, () => units(new TextDecoder().decode(hex(text))));
  add(`UTF-8, fatal: ${name}`, () => units(new TextDecoder('utf-8', { fatal: true }).decode(hex(text))));
  add(`UTF-8, with its BOM: ${name}`, () => units(new TextDecoder('utf-8', { ignoreBOM: true }).decode(hex(text))));
  add(`UTF-8, byte by byte: ${name}`, () => {
    const decoder = new TextDecoder(), got = [];
    for (const byte of hex(text)) got.push(units(decoder.decode(Uint8Array.of(byte), { stream: true })));
    return [...got, units(decoder.decode())];
  });
  add(`UTF-16, of the same bytes: ${name}`, () => ['utf-16le', 'utf-16be'].map((label) => units(new TextDecoder(label).decode(hex(text)))));
}
add('UTF-8: all pairs of bytes', () => {
  let h = 0;
  for (let a = 0; a < 256; a++) for (let b = 0; b < 256; b += 1) h = hash(h, new TextDecoder().decode(Uint8Array.of(a, b)));
  return h;
});
add('UTF-8: all that begin with E0 to F5 and go on in all ways', () => {
  let h = 0;
  const decoder = new TextDecoder();
  for (let a = 0xe0; a < 0xf6; a++) for (let b = 0x70; b < 0xd0; b += 5) for (const c of [0, 0x7f, 0x80, 0xbf, 0xc0, 0xf0]) for (const d of [0x41, 0x80, 0xbf, 0xff])
    h = hash(h, decoder.decode(Uint8Array.of(a, b, c, d)));
  return h;
});
add('UTF-8: any split of random bytes is the whole', () => {
  let seed = 1, wrong = 0, h = 0;
  const random = (n) => { seed = (Math.imul(seed, 1103515245) + 12345) >>> 0; return (seed >>> 8) % n; };
  const pool = [0, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xe2, 0xed, 0xef, 0xbb, 0xf0, 0xf4, 0xf5, 0xff];
  for (let round = 0; round < 300; round++) {
    const bytes = Uint8Array.from({ length: random(24) }, () => pool[random(pool.length)]);
    for (const label of ['utf-8', 'utf-16le', 'utf-16be']) {
      const whole = new TextDecoder(label).decode(bytes), decoder = new TextDecoder(label);
      let text = '', at = 0;
      while (at < bytes.length) {
        const n = 1 + random(5);
        text += decoder.decode(bytes.subarray(at, at + n), { stream: true });
        at += n;
      }
      text += decoder.decode();
      if (text !== whole) wrong++;
      h = hash(h, whole);
    }
  }
  return [wrong, h];
});
add('UTF-8: every character there and back', () => {
  let h = 0, wrong = 0;
  for (let c = 0; c < 0x110000; c += c < 0x3000 ? 1 : 97) {
    const text = String.fromCodePoint(c), bytes = new TextEncoder().encode(text);
    const back = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
    if (back !== text && (c < 0xd800 || c > 0xdfff)) wrong++;
    h = hash(h, back) ^ bytes.length;
  }
  return [wrong, h];
});

// ---- UTF-16
const wide = {
  'a letter': '6100', 'two letters': '61006200', 'an odd byte': '61', 'a letter and an odd byte': '610062', 'a pair': '3dd800de', 'a high one alone': '3dd8', 'a high one, then a letter': '3dd86100',
  'a low one alone': '00de', 'two high ones': '3dd83dd8', 'two high ones and a low one': '3dd83dd800de', 'two low ones': '00de00de', 'a BOM': 'fffe', 'a BOM and a letter': 'fffe6100', 'two BOMs': 'fffefffe',
  'the other BOM': 'feff0061', 'half a BOM': 'ff', 'a pair and an odd byte': '3dd800de61', 'a high one and an odd byte': '3dd861', 'NUL': '0000', 'the last unit': 'ffff',
};
for (const [name, text] of Object.entries(wide))
  for (const label of ['utf-16le', 'utf-16be']) {
    const bytes = () => { const b = hex(text); if (label === 'utf-16be') for (let i = 0; i + 1 < b.length; i += 2) [b[i], b[i + 1]] = [b[i + 1], b[i]]; return b; };
    add(`${label}: ${name}`, () => [{}, { fatal: true }, { ignoreBOM: true }].map((options) => outcome(() => units(new TextDecoder(label, options).decode(bytes())))));
    add(`${label}, byte by byte: ${name}`, () => { const d = new TextDecoder(label), got = []; for (const b of bytes()) got.push(units(d.decode(Uint8Array.of(b), { stream: true }))); return [...got, units(d.decode())]; });
  }
add('windows-1252: all bytes that are latin1', () => units(new TextDecoder('windows-1252').decode(Uint8Array.from({ length: 256 }, (_, i) => (i < 0x80 || i > 0x9f ? i : 0)))));
add('windows-1252: a stream', () => { const d = new TextDecoder('latin1'); return d.decode(hex('e9'), { stream: true }) + d.decode(hex('c0')); });

// ---- labels
for (const label of ['utf-8', 'UTF-8', 'utf8', 'Utf8', ' utf-8', 'utf-8\n', '\tutf-8\f', 'unicode-1-1-utf-8', 'unicode11utf8', 'unicode20utf8', 'x-unicode20utf8', 'utf-16', 'utf-16le', 'UTF-16LE', 'utf-16be',
  'unicodefffe', 'unicodefeff', 'csunicode', 'iso-10646-ucs-2', 'ucs-2', 'unicode', 'latin1', 'LATIN1', 'l1', 'ascii', 'us-ascii', 'iso-8859-1', 'iso8859-1', 'iso88591', 'iso_8859-1', 'iso_8859-1:1987', 'iso-ir-100',
  'cp1252', 'cp819', 'ibm819', 'csisolatin1', 'ansi_x3.4-1968', 'windows-1252', 'x-cp1252', '', ' ', 'utf', 'utf-7', 'utf-32', 'utf_8', 'utf-8 x', '\u00a0utf-8', '\u000butf-8', 'utf\u22128', 'a'.repeat(1000), '__proto__', 'constructor', 'toString', 'iso-8859-1\0'])
  add(`label ${JSON.stringify(label).slice(0, 40)}`, () => new TextDecoder(label).encoding);
for (const [name, label] of [['null', null], ['undefined', undefined], ['a number', 8], ['an object', { toString: () => 'utf8' }], ['a symbol', Symbol('utf8')]])
  add(`label is ${name}`, () => new TextDecoder(label).encoding);

// ---- the decoder
add('a decoder has defaults', () => { const d = new TextDecoder(); return [d.encoding, d.fatal, d.ignoreBOM, String(d)]; });
add('a decoder takes options', () => { const d = new TextDecoder('latin1', { fatal: 1, ignoreBOM: 'yes' }); return [d.encoding, d.fatal, d.ignoreBOM]; });
add('a decoder of null options', () => new TextDecoder('utf-8', null).fatal);
add('options are no number', () => new TextDecoder('utf-8', 5));
add('a decoder needs new', () => TextDecoder());
add('members of a decoder need one', () => ['encoding', 'fatal', 'ignoreBOM'].map((k) => outcome(() => Object.getOwnPropertyDescriptor(TextDecoder.prototype, k).get.call({}))));
add('decode needs a decoder', () => TextDecoder.prototype.decode.call({}, hex('61')));
add('nothing decodes to nothing', () => [new TextDecoder().decode(), new TextDecoder().decode(undefined), new TextDecoder().decode(new Uint8Array(0)), new TextDecoder().decode(new ArrayBuffer(0))]);
for (const [name, make] of Object.entries({
  'an ArrayBuffer': (b) => b.buffer, 'a DataView': (b) => new DataView(b.buffer), 'a part in a DataView': (b) => new DataView(b.buffer, 1, 2), 'a part of an array': (b) => b.subarray(1, 3),
  'an Int8Array': (b) => new Int8Array(b.buffer), 'a clamped array': (b) => new Uint8ClampedArray(b.buffer), 'a Uint16Array': (b) => new Uint16Array(b.buffer), 'a Float32Array': (b) => new Float32Array(b.buffer),
  'a BigInt64Array': () => BigInt64Array.of(0x6867666564636261n), 'a SharedArrayBuffer': () => { const s = new SharedArrayBuffer(2); new Uint8Array(s).set([0x61, 0x62]); return s; },
  'an array over a SharedArrayBuffer': () => { const s = new SharedArrayBuffer(2); new Uint8Array(s).set([0x61, 0x62]); return new Uint8Array(s); },
  'null': () => null, 'text': () => 'abc', 'a number': () => 5, 'a list': () => [0x61], 'an object': () => ({ length: 1, 0: 0x61 }), 'true': () => true,
})) {
  add(`decode ${name}`, () => new TextDecoder().decode(make(hex('61626364'))));
  add(`decode ${name} as UTF-16`, () => units(new TextDecoder('utf-16le').decode(make(hex('61626364')))));
  add(`decode ${name} in a stream`, () => { const d = new TextDecoder(); return d.decode(make(hex('61626364')), { stream: true }) + d.decode(); });
}
add('a BOM is skipped once in a stream', () => { const d = new TextDecoder(); return [d.decode(hex('efbb'), { stream: true }), d.decode(hex('bfefbbbf61'), { stream: true }), d.decode()].map(units); });
add('a BOM is skipped in the next stream', () => { const d = new TextDecoder(); return [d.decode(hex('efbbbf61')), d.decode(hex('efbbbf62')), d.decode(hex('efbbbf63'), { stream: true }), d.decode(hex('efbbbf64'))].map(units); });
add('a stream ends with what is cut', () => { const d = new TextDecoder(); return [d.decode(hex('61e282'), { stream: true }), d.decode(), d.decode(hex('62'))].map(units); });
add('a fatal stream that is cut', () => { const d = new TextDecoder('utf-8', { fatal: true }); return [d.decode(hex('61e282'), { stream: true }), outcome(() => d.decode()), d.decode(hex('62'))]; });
add('a fatal stream that is whole', () => { const d = new TextDecoder('utf-8', { fatal: true }); return [d.decode(hex('61e282'), { stream: true }), d.decode(hex('ac'), { stream: true }), d.decode()]; });
add('empty pieces of a stream', () => { const d = new TextDecoder(); return [d.decode(new Uint8Array(0), { stream: true }), d.decode(hex('c3'), { stream: true }), d.decode(new Uint8Array(0), { stream: true }), d.decode(hex('a9'), { stream: true }), d.decode()].map(units); });
add('a decoder is used again after an error', () => { const d = new TextDecoder('utf-8', { fatal: true }); return [outcome(() => d.decode(hex('ff'))), d.decode(hex('61')), outcome(() => d.decode(hex('c3'))), d.decode(hex('c3a9'))]; });
add('decode takes what is not an object as options', () => [outcome(() => new TextDecoder().decode(hex('61'), null)), outcome(() => new TextDecoder().decode(hex('61'), {}))]);
add('a megabyte', () => { const b = new Uint8Array(1 << 20).fill(0x61); b[777777] = 0xff; return [new TextDecoder().decode(b).length, hash(0, new TextDecoder().decode(b).slice(777770, 777780))]; });
add('a megabyte of three', () => { const text = '\u20ac'.repeat(350000); const b = new TextEncoder().encode(text); return [b.length, new TextDecoder().decode(b) === text]; });

// ---- the encoder
for (const [name, text] of Object.entries({
  'nothing': '', 'ASCII': 'Hello', 'two bytes': '\u00e9\u07ff', 'three bytes': '\u0800\u20ac\uffff', 'four bytes': '\u{10000}\u{10ffff}', 'NUL': 'a\0b', 'a high surrogate': '\ud800', 'a low one': '\udc00',
  'two high ones': '\ud800\ud800', 'the wrong order': '\udc00\ud800', 'a high one before a letter': '\ud83da', 'a low one behind a letter': 'a\ude00', 'pairs and lone ones': '\ud83d\ude00\ud83d\ud83d\ude00\ude00', 'latin1': '\u00e9\u00ff\u0080',
  'hangul beside surrogates': '\ud7ff\ue000', 'hangul that begins with ED': '\ud55c\uae00\ud000', 'a BOM': '\ufeffa', 'a long one': 'abc\u20ac'.repeat(1000), 'lone ones in a long one': 'abc\ud800'.repeat(100),
})) {
  add(`encode ${name}`, () => new TextEncoder().encode(text));
  for (const room of [0, 1, 2, 3, 4, 5, 6, 8, 100])
    add(`encode ${name} into ${room} bytes`, () => { const b = new Uint8Array(room).fill(0x23); const { read, written } = new TextEncoder().encodeInto(text, b); return [read, written, b]; });
}
add('an encoder has an encoding', () => [new TextEncoder().encoding, String(new TextEncoder())]);
add('an encoder needs new', () => TextEncoder());
add('encode needs an encoder', () => TextEncoder.prototype.encode.call({}, 'a'));
add('encode takes anything', () => [undefined, null, 5, true, {}, [1, 2], 10n].map((v) => new TextDecoder().decode(new TextEncoder().encode(v))));
add('encode takes no symbol', () => new TextEncoder().encode(Symbol('x')));
add('encode without an argument', () => new TextEncoder().encode());
add('encode makes a Uint8Array of its own', () => { const b = new TextEncoder().encode('abc'); return [b.constructor === Uint8Array, b.byteOffset]; });
add('encodeInto a part', () => { const b = new Uint8Array(6); const r = new TextEncoder().encodeInto('\u20acuro', b.subarray(1, 5)); return [r.read, r.written, b]; });
for (const [name, make] of Object.entries({ 'nothing': () => undefined, 'null': () => null, 'an ArrayBuffer': () => new ArrayBuffer(4), 'an Int8Array': () => new Int8Array(4), 'a clamped array': () => new Uint8ClampedArray(4), 'a DataView': () => new DataView(new ArrayBuffer(4)), 'a list': () => [0, 0], 'a Uint16Array': () => new Uint16Array(4) }))
  add(`encodeInto ${name}`, () => new TextEncoder().encodeInto('abc', make()));
add('encodeInto without a place', () => new TextEncoder().encodeInto('abc'));
add('encodeInto a detached place', () => { const b = new Uint8Array(4); structuredClone(b.buffer, { transfer: [b.buffer] }); const r = new TextEncoder().encodeInto('abc', b); return [r.read, r.written]; });

// ---- base64
for (const [i, text] of ['', 'a', 'ab', 'abc', 'abcd', 'hello world', '\0', '\0\0\0', '\xff\xfe\xfd', '\x80', '\u0100', '\u20ac', 'a\u0100', '\ud800', '~~~???>>>', ' ', '=', 'x'.repeat(1000)].entries())
  add(`btoa ${i} ${JSON.stringify(text).slice(0, 20)}`, () => btoa(text));
for (const value of ['', 'YQ==', 'YWI=', 'YWJj', 'YQ', 'YWI', 'YQ=', 'Y', 'YWJjZ', 'YQ===', 'YQ==YQ==', '=', '==', '====', 'Y=Q=', 'YW=j', ' YQ==', 'YQ==\n', 'Y Q = =', 'Y\tQ\r\n=\f=', '\u00a0YQ==', '\vYQ==', 'YQ-_', '+/+/', 'a+b/', '-_-_', 'YR==', 'YWJ=', 'YWK', 'YR',
  '////', 'AAAA', 'abcdefg', 'abcdef', '\u20ac', 'YQ==\0', 'ab\ud800c', '!!!!', 'a===', '  ', 'Zg==', 'Zh', 'Zm8', 'Zm9v', 'Zm9vYg'])
  add(`atob ${JSON.stringify(value)}`, () => units(atob(value)));
add('atob and btoa take anything', () => [null, undefined, 5, true, 12345678].map((v) => [outcome(() => btoa(v)), outcome(() => units(atob(v)))]));
add('atob and btoa need something', () => [outcome(() => btoa()), outcome(() => atob())]);
add('the error of atob', () => { try { atob('!'); } catch (e) { return [e.name, e.code, e instanceof DOMException]; } return 'none'; });
add('the error of btoa', () => { try { btoa('\u0100'); } catch (e) { return [e.name, e.code, e instanceof DOMException]; } return 'none'; });
add('base64 of all bytes there and back', () => { const text = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join(''); return [btoa(text), atob(btoa(text)) === text]; });
add('base64 of a megabyte', () => { const text = 'a\xff\x80'.repeat(350000); const b = btoa(text); return [b.length, hash(0, b.slice(-100)), atob(b) === text]; });

// ---- structuredClone
const same = (v) => structuredClone(v);
const error = (fn) => { try { return ['none', fn()]; } catch (e) { return [e.name, e.code, e instanceof DOMException]; } };
for (const [name, make] of Object.entries({
  'undefined': () => undefined, 'null': () => null, 'true': () => true, 'a number': () => 1.5, 'NaN': () => NaN, 'minus zero': () => -0, 'infinity': () => -Infinity, 'text': () => 'a\ud800\u{1f600}', 'a big integer': () => 2n ** 80n,
  'a list': () => [1, 'a', null, undefined, [2]], 'a list with holes': () => { const a = [, 1]; a.length = 5; return [a.length, same(a).length, 0 in same(a), 1 in same(a), 4 in same(a)]; }, 'a list with a name': () => { const a = [1]; a.name = 'x'; const c = same(a); return [c.length, c.name, Object.keys(c)]; },
  'an empty object': () => ({}), 'a record': () => ({ a: 1, b: { c: [1, 2] } }), 'integer keys': () => ({ 2: 'b', 1: 'a', x: 1 }), 'a date': () => new Date(86400000), 'a date of no time': () => new Date(NaN),
  'a regular expression': () => /a+/gimsuy, 'another one': () => /[\/]/v, 'a map': () => new Map([[1, 'a'], [{ k: 1 }, new Map()]]), 'a set': () => new Set([1, 'a', { b: 1 }]), 'boxed text': () => [typeof same(Object('x')), String(same(Object('x')))], 'a boxed number': () => [typeof same(Object(5)), Number(same(Object(5)))],
  'a boxed boolean': () => [typeof same(Object(false)), same(Object(false)).valueOf()], 'a boxed big integer': () => [typeof same(Object(5n)), same(Object(5n)).valueOf()], 'a buffer': () => hex('010203').buffer, 'bytes': () => hex('010203'), 'a part of bytes': () => hex('0102030405').subarray(1, 3),
  'an Int8Array': () => Int8Array.of(-1, 1), 'a clamped array': () => Uint8ClampedArray.of(300, 1), 'an Int16Array': () => Int16Array.of(-5), 'a Uint16Array': () => Uint16Array.of(65535), 'an Int32Array': () => Int32Array.of(-5), 'a Uint32Array': () => Uint32Array.of(5), 'a Float32Array': () => Float32Array.of(1.5),
  'a Float64Array': () => Float64Array.of(1.5, NaN), 'a BigInt64Array': () => BigInt64Array.of(-1n), 'a BigUint64Array': () => BigUint64Array.of(1n), 'a DataView': () => new DataView(hex('01020304').buffer, 1, 2), 'an error': () => new Error('m'), 'null prototype': () => Object.assign(Object.create(null), { a: 1 }),
})) add(`clone ${name}`, () => same(make()));
for (const name of ['Error', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError']) add(`clone a ${name}`, () => { const C = globalThis[name], e = new C('words'), c = same(e); return [c.name, c.message, c instanceof C, Object.getPrototypeOf(c) === C.prototype, c.stack === e.stack, Object.keys(c)]; });
Object.assign(cases, {
  'clone an error with a cause': () => { const c = same(new Error('m', { cause: { a: 1 } })); return [c.cause, Object.keys(c)]; },
  'clone an error without a message': () => { const c = same(new Error()); return [Object.hasOwn(c, 'message'), c.message]; },
  'clone an error with other members': () => { const e = new Error('m'); e.code = 5; return same(e).code; },
  'clone an error of an own class': () => { class Own extends TypeError {} const c = same(new Own('m')); return [c.name, c instanceof TypeError, c instanceof Own]; },
  'clone an error of an unknown name': () => { const e = new Error('m'); e.name = 'Odd'; const c = same(e); return [c.name, c instanceof Error]; },
  'clone an error by its name': () => { const e = new Error('m'); e.name = 'RangeError'; return same(e) instanceof RangeError; },
  'clone an AggregateError': () => { const c = same(new AggregateError([1], 'm')); return [c.name, c.message, c.errors]; },
  'a clone is another object': () => { const a = { b: {} }, c = same(a); return [a !== c, a.b !== c.b, Object.getPrototypeOf(c) === Object.prototype]; },
  'a cycle': () => { const a = { name: 'a' }; a.self = a; a.list = [a]; const c = same(a); return [c.self === c, c.list[0] === c, c !== a]; },
  'a cycle through a map': () => { const m = new Map(); m.set('m', m); m.set(m, 1); const c = same(m); return [c.get('m') === c, c.get(c)]; },
  'a cycle through a set': () => { const s = new Set(); s.add(s); const c = same(s); return c.has(c); },
  'the same object twice': () => { const o = { a: 1 }, c = same([o, o]); return c[0] === c[1]; },
  'the same date twice': () => { const o = new Date(1), c = same([o, o]); return c[0] === c[1]; },
  'the same boxed text twice': () => { const o = Object('x'), c = same([o, o]); return c[0] === c[1]; },
  'views of one buffer stay so': () => { const b = new ArrayBuffer(4), c = same({ a: new Uint8Array(b, 0, 2), b: new Uint8Array(b, 2), buffer: b }); c.a[0] = 7; return [c.a.buffer === c.b.buffer, c.buffer === c.a.buffer, c.buffer, c.a, c.b, b]; },
  'a clone of bytes takes the whole buffer': () => same(hex('0102030405').subarray(1, 3)).buffer.byteLength,
  'a regular expression begins anew': () => { const r = /a/g; r.lastIndex = 5; return same(r).lastIndex; },
  'members of maps and dates are lost': () => { const m = new Map([[1, 2]]), d = new Date(1); m.x = 1; d.x = 1; return [Object.keys(same(m)), Object.keys(same(d))]; },
  'a class is lost': () => { class P { x = 1; get y() { return 2; } } const c = same(new P()); return [c, c instanceof P, Object.keys(c), c.y]; },
  'private fields are lost': () => { class P { #p = 1; x = 2; } return same(new P()); },
  'getters are called': () => same({ get a() { return 5; } }),
  'a getter that throws': () => same({ get a() { throw new RangeError('x'); } }),
  'getters are called in order': () => { const log = []; const make = (n, v) => ({ enumerable: true, get() { log.push(n); return v; } }); same(Object.defineProperties({}, { a: make('a', { get inner() { log.push('inner'); return 1; } }), b: make('b', 1) })); return log; },
  'a getter takes another away': () => { const o = { get a() { delete o.b; return 1; }, b: 2 }; return same(o); },
  'a getter adds another': () => { const o = { get a() { o.c = 3; return 1; }, b: 2 }; return same(o); },
  'a getter of a list makes it longer': () => { const a = [0, 1]; Object.defineProperty(a, 0, { enumerable: true, configurable: true, get() { a.push(9); return 'g'; } }); return same(a); },
  'what is not enumerable is left out': () => same(Object.defineProperty({ b: 1 }, 'a', { value: 1 })),
  'symbols as keys are left out': () => same({ [Symbol('s')]: 1, a: 2 }),
  'what is inherited is left out': () => same(Object.create({ a: 1 })),
  '__proto__ as a key': () => { const o = JSON.parse('{"__proto__": {"x": 1}, "a": 2}'), c = same(o); return [Object.keys(c), c.x, Object.getPrototypeOf(c) === Object.prototype]; },
  'frozen objects thaw': () => { const c = same(Object.freeze({ a: Object.freeze([1]) })); c.a.push(2); c.b = 1; return c; },
  'a tag does not deceive': () => { const c = same({ [Symbol.toStringTag]: 'Map', a: 1 }); return [c.a, c instanceof Map]; },
  'a prototype does not deceive': () => { const c = same(Object.create(Map.prototype)); return [c instanceof Map, Object.keys(c)]; },
  'a map without its prototype is one': () => { const m = new Map([[1, 2]]); Object.setPrototypeOf(m, null); return same(m); },
  'a date without its prototype is one': () => { const d = new Date(5); Object.setPrototypeOf(d, Object.prototype); return same(d); },
  'a list of another prototype is one': () => { class L extends Array {} const c = same(L.of(1, 2)); return [Array.isArray(c), c instanceof L, c]; },
  'deep ones': () => { let o = {}; const top = o; for (let i = 0; i < 500; i++) o = o.o = {}; let n = 0; for (let c = same(top); c.o; c = c.o) n++; return n; },
  'a large list': () => { const c = same(Array.from({ length: 100000 }, (_, i) => i)); return [c.length, c[99999], c.reduce((a, b) => a + b)]; },
  'a large record': () => { const o = {}; for (let i = 0; i < 20000; i++) o[`k${i}`] = i; return Object.keys(same(o)).length; },
  'a sparse list': () => { const a = []; a[1000000] = 1; const c = same(a); return [c.length, Object.keys(c)]; },
  'clone needs a value': () => structuredClone(),
  'clone with null options': () => structuredClone(1, null),
  'transfer is a list': () => error(() => structuredClone(1, { transfer: 5 })).slice(0, 1),
  'a buffer is transferred': () => { const b = hex('010203').buffer, c = structuredClone(b, { transfer: [b] }); return [c, b.byteLength, c !== b]; },
  'a buffer beside the value is transferred': () => { const b = new ArrayBuffer(2); return [structuredClone(1, { transfer: [b] }), b.byteLength]; },
  'a view of what is transferred': () => { const a = hex('01020304'), v = a.subarray(1, 3), c = structuredClone({ v, again: v, buffer: a.buffer, data: new DataView(a.buffer, 2) }, { transfer: [a.buffer] }); return [c.v, c.again === c.v, c.v.buffer === c.buffer, c.data.byteLength, a.length, Object.keys(c)]; },
  'views of what is transferred as keys': () => { const a = hex('0102'), m = new Map([['first', 1], [a, 2], ['last', a]]), c = structuredClone(m, { transfer: [a.buffer] }); return [...c.keys()].map((k) => (typeof k === 'string' ? k : [...k])); },
  'transfer what can be iterated': () => { const b = new ArrayBuffer(2); structuredClone(0, { transfer: new Set([b]) }); return b.byteLength; },
  'a failure transfers nothing': () => { const b = new ArrayBuffer(2); return [error(() => structuredClone(() => {}, { transfer: [b] })), b.byteLength]; },
  'a resizable buffer stays so': () => { const b = new ArrayBuffer(2, { maxByteLength: 8 }); new Uint8Array(b)[1] = 7; const c = same(b); return [c.resizable, c.maxByteLength, c]; },
});
for (const [name, make] of Object.entries({
  'a function': () => () => 1, 'a class': () => class A {}, 'a symbol': () => Symbol('x'), 'a boxed symbol': () => Object(Symbol('x')), 'a WeakMap': () => new WeakMap(), 'a WeakSet': () => new WeakSet(), 'a WeakRef': () => new WeakRef({}), 'a promise': () => Promise.resolve(1),
  'a generator': () => (function* () {})(), 'a proxy': () => new Proxy({}, {}), 'a proxy of a list': () => new Proxy([], {}), 'an iterator': () => [][Symbol.iterator](), 'an iterator of a map': () => new Map().entries(), 'a function inside': () => ({ a: [() => 1] }), 'a function as a key': () => new Map([[() => 1, 1]]),
  'a detached buffer': () => { const b = new ArrayBuffer(1); structuredClone(0, { transfer: [b] }); return b; }, 'a view of a detached buffer': () => { const v = new Uint8Array(1); structuredClone(0, { transfer: [v.buffer] }); return v; },
})) add(`there is no clone of ${name}`, () => error(() => same(make())));
for (const [name, make] of Object.entries({
  'null': () => [null], 'a number': () => [5], 'the same twice': () => { const b = new ArrayBuffer(1); return [b, b]; },
})) add(`there is no transfer of ${name}`, () => error(() => structuredClone(0, { transfer: make() })).slice(0, 1));

add('functions take as many arguments as elsewhere', () => [TextDecoder, TextEncoder, TextDecoder.prototype.decode, TextEncoder.prototype.encode, TextEncoder.prototype.encodeInto, atob, btoa].map((f) => [f.name, f.length]));

export { cases };
