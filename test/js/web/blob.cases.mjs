// Blob, File and FormData, by the rules of the File API and the XMLHttpRequest Standard.
const outcome = (promise) => promise.then((v) => ['ok', v], (e) => ['failed', e instanceof Error ? e.name : e]);
const thrown = (fn) => {
  try {
    return ['ok', fn()];
  } catch (e) {
    return ['threw', e instanceof Error ? e.name : e];
  }
};
const text = (...args) => new Blob(...args).text();
const bytes = (...values) => new Uint8Array(values);
const shown = (form) => [...form].map(([name, value]) => [name, typeof value === 'string' ? value : [value.name, value.type, value.size]]);
const members = (made) => Object.getOwnPropertyNames(made.prototype).filter((n) => n !== 'constructor').sort().map((name) => {
  const d = Object.getOwnPropertyDescriptor(made.prototype, name);
  return `${name}${d.enumerable ? '' : ' hidden'}${d.get ? ' get' : ` ${d.value.length}`}`;
});

export const cases = {};
for (const name of ['Blob', 'File', 'FormData'])
  cases[`${name} is a hidden global with a tag`] = () => {
    const d = Object.getOwnPropertyDescriptor(globalThis, name);
    return [d.enumerable, d.configurable, globalThis[name].prototype[Symbol.toStringTag]];
  };
for (const [i, parts] of [undefined, [], ['a'], ['a', 'b'], [''], ['é€😀'], ['\ud800x'], [1, null, undefined, true, {}], [bytes(104, 105)], [bytes(104, 105).buffer],
  [new Uint16Array([26952])], [new DataView(bytes(1, 104, 105).buffer, 1)], ['x', new Blob(['in', 'ner']), 'y'], new Set(['set']), 'string' && ['abc'], [['nested', 1]]].entries())
  cases[`parts of a blob ${i}`] = async () => {
    const blob = new Blob(parts);
    return [blob.size, await blob.text()];
  };
for (const [i, parts] of [null, 1, 'text', true, {}, { length: 1, 0: 'a' }, { [Symbol.iterator]: 1 }, () => {}].entries())
  cases[`what a blob is not made of ${i}`] = () => thrown(() => new Blob(parts).size);
for (const [i, type] of ['text/plain', 'TEXT/Plain', 'a\u00e9', 'a\nb', 'a\tb', '', undefined, null, 5, 'no slash', 'a~b', 'a\x7fb', 'K'].entries())
  cases[`types of a blob ${i}`] = () => [new Blob([], { type }).type, new Blob(['abc']).slice(0, 1, type).type];
for (const [i, options] of [undefined, null, {}, 1, 'x', [], () => {}, { endings: 'x' }, { endings: null }].entries())
  cases[`options of a blob ${i}`] = () => thrown(() => new Blob(['a'], options).type);
for (const [i, part] of ['a\nb', 'a\r\nb', '\r\n\n', '\n', 'none'].entries()) {
  cases[`native endings ${i}`] = () => text([part], { endings: 'native' });
  cases[`transparent endings ${i}`] = () => text([part], { endings: 'transparent' });
}
for (const [i, range] of [[], [1], [1, 3], [-2], [-3, -1], [3, 1], [0, 100], [-100, 2], [undefined, 2], [2, undefined], [5], [6]].entries())
  cases[`slices ${i}`] = async () => {
    const part = new Blob(['abcde'], { type: 'text/plain' }).slice(...range);
    return [part.size, await part.text(), part.type];
  };

Object.assign(cases, {
  'the members of Blob': () => members(Blob).filter((m) => !m.startsWith('bytes ')),
  'the members of File': () => members(File),
  'the members of FormData': () => members(FormData),
  'a blob is what it was made of, then': async () => {
    const b = bytes(1, 2), blob = new Blob([b]);
    b[0] = 9;
    return blob.arrayBuffer();
  },
  'what is read from a blob is a copy': async () => {
    const blob = new Blob([bytes(1, 2)]), first = new Uint8Array(await blob.arrayBuffer());
    first[0] = 9;
    return blob.arrayBuffer();
  },
  'endings leave bytes alone': async () => new Blob([bytes(13, 10), '\r\n'], { endings: 'native' }).arrayBuffer(),
  'text of bytes that are no UTF-8': async () => new Blob([bytes(0xff, 97, 0xe2, 0x82)]).text(),
  'text without the byte order mark': async () => new Blob([bytes(0xef, 0xbb, 0xbf, 97)]).text(),
  'a slice of a slice': async () => new Blob(['abcdefgh']).slice(2, 7).slice(1, 3).text(),
  'a slice has no type of its own': () => new Blob(['a'], { type: 'text/plain' }).slice(0, 1).type,
  'a stream of a blob': async () => {
    const got = [];
    for await (const chunk of new Blob(['hello ', 'world']).stream()) got.push(...chunk);
    return got;
  },
  'a stream of an empty blob': async () => new Blob([]).stream().getReader().read().then((r) => r.done),
  'a long blob comes in chunks': async () => {
    let total = 0, right = true;
    for await (const chunk of new Blob([new Uint8Array(300000).map((_, i) => i)]).stream()) {
      for (let i = 0; i < chunk.length; i += 1000) right &&= chunk[i] === ((total + i) & 255);
      total += chunk.length;
    }
    return [total, right];
  },
  'a stream of a blob is one of bytes': async () => {
    const r = new Blob(['hello']).stream().getReader({ mode: 'byob' }), { value } = await r.read(new Uint8Array(3));
    return value;
  },
  'a blob is streamed as often as one likes': async () => {
    const blob = new Blob(['x']), read = async () => (await blob.stream().getReader().read()).value;
    return [await read(), await read()];
  },
  'a blob has no settable size': () => {
    const b = new Blob(['abc']);
    return thrown(() => { 'use strict'; b.size = 1; });
  },
  'methods of another object fail': async () => [await outcome(Promise.resolve().then(() => Blob.prototype.text.call({}))), thrown(() => Blob.prototype.slice.call({})),
    thrown(() => Object.getOwnPropertyDescriptor(Blob.prototype, 'size').get.call({})), thrown(() => Object.getOwnPropertyDescriptor(File.prototype, 'name').get.call(new Blob()))],
  'a blob can be extended': () => {
    class Mine extends Blob { get twice() { return this.size * 2; } }
    return [new Mine(['abc']).twice, new Mine(['abc']) instanceof Blob];
  },
  'parts whose toString throws': () => thrown(() => new Blob([{ toString() { throw 'mine'; } }])),
  'a symbol is no part': () => thrown(() => new Blob([Symbol('x')])),
  'an iterator that throws': () => thrown(() => new Blob((function* () { yield 'a'; throw 'mine'; })())),

  // ---- File
  'a file has a name and a time': () => {
    const f = new File(['abc'], 'a.txt', { type: 'text/plain', lastModified: 12345 });
    return [f.name, f.size, f.type, f.lastModified, f instanceof Blob, f instanceof File];
  },
  'a file is of now': () => {
    const before = Date.now(), f = new File([], 'x');
    return f.lastModified >= before && f.lastModified <= Date.now();
  },
  'a file needs two arguments': () => [thrown(() => new File()), thrown(() => new File([])), thrown(() => new File('x', 'y'))],
  'names of files are text': () => [new File([], 1).name, new File([], null).name, new File([], 'a/b').name, new File([], '\ud800').name, new File([], '').name],
  ...Object.fromEntries([0, -1, '7', null, NaN, true, new Date(5)].map((v, i) => [`times of files ${i}`, () => new File([], 'x', { lastModified: v }).lastModified])),
  'a slice of a file is a blob': () => {
    const s = new File(['abc'], 'x').slice(1);
    return [s instanceof File, s instanceof Blob, s.size];
  },
  'a file is part of a blob': () => text([new File(['abc'], 'x'), 'd']),

  // ---- FormData
  'a form holds pairs in order': () => {
    const f = new FormData();
    f.append('a', '1');
    f.append('b', '2');
    f.append('a', '3');
    return [f.get('a'), f.getAll('a'), f.get('x'), f.getAll('x'), f.has('b'), f.has('x'), shown(f)];
  },
  'set replaces the first and drops the others': () => {
    const f = new FormData();
    for (const [n, v] of [['a', '1'], ['b', '2'], ['a', '3'], ['c', '4'], ['a', '5']]) f.append(n, v);
    f.set('a', 'x');
    f.set('new', 'y');
    return shown(f);
  },
  'delete drops all of a name': () => {
    const f = new FormData();
    for (const [n, v] of [['a', '1'], ['b', '2'], ['a', '3']]) f.append(n, v);
    f.delete('a');
    f.delete('none');
    return shown(f);
  },
  'values are text or files': () => {
    const f = new FormData();
    f.append('n', 5);
    f.append('u', undefined);
    f.append('o', {});
    f.append('half', '\ud800');
    f.append('blob', new Blob(['abc'], { type: 'text/plain' }));
    f.append('named', new Blob(['abc']), 'n.bin');
    f.append('file', new File(['x'], 'f.txt'));
    f.append('renamed', new File(['x'], 'f.txt', { type: 'a/b' }), 'g.txt');
    return shown(f);
  },
  'a file stays the same object': () => {
    const f = new FormData(), file = new File(['x'], 'f');
    f.append('f', file);
    return f.get('f') === file;
  },
  'a blob becomes a file': () => {
    const f = new FormData();
    f.append('f', new Blob(['x']));
    return [f.get('f') instanceof File, f.get('f').name];
  },
  'a name of a file is for blobs': () => thrown(() => new FormData().append('a', 'b', 'c')),
  'forms of documents are not there': () => [thrown(() => new FormData({})), thrown(() => new FormData(null)), thrown(() => typeof new FormData(undefined))],
  'arguments that are missing': () => {
    const f = new FormData();
    return [thrown(() => f.append()), thrown(() => f.append('a')), thrown(() => f.set('a')), thrown(() => f.get()), thrown(() => f.getAll()), thrown(() => f.has()), thrown(() => f.delete()), thrown(() => f.forEach())];
  },
  'iteration': () => {
    const f = new FormData();
    f.append('a', '1');
    f.append('b', '2');
    const each = [];
    f.forEach(function (v, n, form) { each.push([v, n, form === f, this.me]); }, { me: 1 });
    return [[...f.entries()], [...f.keys()], [...f.values()], each, FormData.prototype.entries === FormData.prototype[Symbol.iterator]];
  },
  'an iterator sees what is added meanwhile': () => {
    const f = new FormData(), seen = [];
    f.append('a', '1');
    for (const [n] of f) {
      seen.push(n);
      if (n === 'a') f.append('b', '2');
    }
    return seen;
  },
  'an iterator of a form has a tag': () => {
    const it = new FormData().entries();
    return [it[Symbol.toStringTag], it[Symbol.iterator]() === it, it.next().done];
  },
  'forEach needs a function': () => thrown(() => new FormData().forEach(1)),
  'methods of a form on other objects': () => [thrown(() => FormData.prototype.append.call({}, 'a', 'b')), thrown(() => FormData.prototype.entries.call({}))],
  'a clone of a blob': async () => {
    const blob = new Blob(['abc'], { type: 'text/plain' }), { made, list } = structuredClone({ made: blob, list: [blob, new Blob([])] });
    return [made instanceof Blob, made !== blob, made === list[0], made.size, made.type, await made.text(), list[1].size];
  },
  'a clone of a file is a blob at least': async () => {
    const made = structuredClone(new File(['abc'], 'a.txt', { type: 'text/plain', lastModified: 5 }));
    return [made instanceof Blob, made.size, made.type, await made.text()];
  },
});
