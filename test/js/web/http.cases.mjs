// Headers, Request and Response, by the rules of the Fetch Standard.
const outcome = (promise) => promise.then((v) => ['ok', v], (e) => ['failed', e instanceof Error ? e.name : e]);
const thrown = (fn) => {
  try {
    return ['ok', fn()];
  } catch (e) {
    return ['threw', e instanceof Error ? e.name : e];
  }
};
const bytes = (...values) => new Uint8Array(values);
const encode = (text) => new TextEncoder().encode(text);
const stream = (...chunks) => new ReadableStream({
  start(c) {
    for (const chunk of chunks) c.enqueue(chunk);
    c.close();
  },
});
const members = (made, without = []) => Object.getOwnPropertyNames(made.prototype).filter((n) => n !== 'constructor' && !without.includes(n)).sort().map((name) => {
  const d = Object.getOwnPropertyDescriptor(made.prototype, name);
  return `${name}${d.enumerable ? '' : ' hidden'}${d.get ? ' get' : ` ${d.value.length}`}`;
});
const shownForm = (form) => [...form].map(([name, value]) => [name, typeof value === 'string' ? value : [value.name, value.type, value.size]]);
async function filesOf(form) {
  const got = [];
  for (const [name, value] of form) got.push([name, typeof value === 'string' ? value : [value.name, value.type, await value.text()]]);
  return got;
}
const url = 'https://example.org/';

export const cases = {};
for (const name of ['Headers', 'Request', 'Response'])
  cases[`${name} is a hidden global with a tag`] = () => {
    const d = Object.getOwnPropertyDescriptor(globalThis, name);
    return [d.enumerable, d.configurable, globalThis[name].prototype[Symbol.toStringTag]];
  };

// ---- Headers
for (const [i, init] of [undefined, {}, [], { a: '1' }, { B: '1', a: '2' }, [['a', '1'], ['a', '2']], [['b', '1'], ['A', '2'], ['B', '3']], new Map([['x', 'y']]),
  { a: 1, b: null, c: undefined, d: true }, [['a', 1]], { 'set-cookie': 'x' }, [['set-cookie', 'a'], ['Set-Cookie', 'b'], ['x', '1']], [new Set(['a', 'b'])]].entries())
  cases[`headers of ${i}`] = () => [...new Headers(init)];
for (const [i, init] of [null, 1, 'x', true, [['a']], [['a', 'b', 'c']], [[]], ['ab'.split('x')], [1], [null], { '': 'x' }, { 'a b': 'x' }, { a: 'x\ny' }, { a: 'x\0y' }, { a: '\u0100' },
  { '\u00e9': 'x' }, { [Symbol('x')]: 'y' }, [['a\n', 'b']], { 'a:': 'x' }, { [Symbol.iterator]: 1 }, { a: Symbol('x') }].entries())
  cases[`what headers are not made of ${i}`] = () => thrown(() => [...new Headers(init)]);
for (const [i, value] of ['x', ' x ', '\tx\t', '\r\n x \r\n', 'a b', '', '  ', '\u00e9', 'a,b', 'a, b', '\x01', '\x7f', 5, null, undefined].entries()) {
  cases[`values of fields ${i}`] = () => thrown(() => {
    const h = new Headers();
    h.set('a', value);
    return h.get('a');
  });
}
for (const [i, value] of ['a\nb', 'a\rb', 'a\0b', '\u0100', '€', Symbol('x')].entries())
  cases[`what is no value of a field ${i}`] = () => thrown(() => new Headers().append('a', value));
for (const [i, name] of ['', ' ', 'a b', 'a:', 'a\n', 'é', '(', ')', '<', '@', ',', ';', '\\', '"', '/', '[', ']', '?', '=', '{', '}', '\x7f', '\0'].entries())
  cases[`what is no name of a field ${i}`] = () => ['append', 'set'].map((m) => thrown(() => new Headers()[m](name, 'x'))).concat(['get', 'has', 'delete'].map((m) => thrown(() => new Headers()[m](name))));
for (const name of ['a', 'A-b', "!#$%&'*+-.^_`|~", '0', 'x1'])
  cases[`what is a name of a field ${name}`] = () => [...new Headers([[name, 'x']])];

Object.assign(cases, {
  'the members of Headers': () => members(Headers),
  'append joins, set replaces': () => {
    const h = new Headers();
    h.append('X', '1');
    h.append('x', '2');
    const joined = h.get('X');
    h.set('x', '3');
    return [joined, h.get('X'), h.has('x'), h.has('y'), h.get('y')];
  },
  'delete drops all of a name': () => {
    const h = new Headers([['a', '1'], ['A', '2'], ['b', '3']]);
    h.delete('A');
    h.delete('none');
    return [...h];
  },
  'cookies are not joined': () => {
    const h = new Headers([['Set-Cookie', 'a=1'], ['set-cookie', 'b=2']]);
    return [h.getSetCookie(), h.get('set-cookie'), [...h], new Headers().getSetCookie()];
  },
  'set of cookies': () => {
    const h = new Headers([['Set-Cookie', 'a=1'], ['set-cookie', 'b=2']]);
    h.set('set-cookie', 'c=3');
    return h.getSetCookie();
  },
  'iteration is sorted and in lower case': () => {
    const h = new Headers({ Zeta: '1', alpha: '2', Beta: '3' }), each = [];
    h.forEach(function (value, name, headers) { each.push([name, value, headers === h, this.me]); }, { me: 5 });
    return [[...h], [...h.keys()], [...h.values()], [...h.entries()], each];
  },
  'an iterator of headers has a tag': () => {
    const it = new Headers().entries();
    return [it[Symbol.toStringTag], it[Symbol.iterator]() === it, it.next().done, Headers.prototype.entries === Headers.prototype[Symbol.iterator]];
  },
  'forEach of headers needs a function': () => [thrown(() => new Headers().forEach()), thrown(() => new Headers().forEach(1))],
  'arguments of headers that are missing': () => {
    const h = new Headers();
    return [thrown(() => h.append()), thrown(() => h.append('a')), thrown(() => h.set('a')), thrown(() => h.get()), thrown(() => h.has()), thrown(() => h.delete())];
  },
  'headers of headers are a copy': () => {
    const a = new Headers({ x: '1' }), b = new Headers(a);
    b.set('x', '2');
    return [a.get('x'), b.get('x')];
  },
  'methods of headers on other objects': () => ['append', 'set', 'get', 'has', 'delete'].map((m) => thrown(() => Headers.prototype[m].call({}, 'a', 'b'))),
  'a getter of a record that throws': () => thrown(() => new Headers({ get a() { throw 'mine'; } })),
  'an iterator of pairs that throws': () => thrown(() => new Headers((function* () { yield ['a', 'b']; throw 'mine'; })())),

  // ---- Response
  'a response without arguments': async () => {
    const r = new Response();
    return [r.type, r.url, r.redirected, r.status, r.ok, r.statusText, [...r.headers], r.body, r.bodyUsed, await r.text()];
  },
  'the members of Response': () => members(Response, ['bytes', 'textStream']),
});
for (const [i, init] of [{ status: 200 }, { status: 599 }, { status: '201' }, { status: 200.9 }, { status: 65536 + 404 }, { statusText: 'Fine' }, { statusText: '' }, { statusText: 'a\tb' },
  { statusText: '\u00e9' }, { headers: { a: 'b' } }, { headers: [['a', 'b']] }, { status: undefined }, null, undefined, {}, { status: 404 }].entries())
  cases[`options of a response ${i}`] = () => {
    const r = new Response('x', init);
    return [r.status, r.ok, r.statusText, [...r.headers]];
  };
for (const [i, init] of [{ status: 199 }, { status: 600 }, { status: 0 }, { status: NaN }, { status: 'x' }, { status: 101 }, { statusText: 'a\nb' }, { statusText: '\0' }, { statusText: '\u0100' },
  { headers: 1 }, { headers: null }, { headers: { 'a b': 'c' } }, 1, 'x', { status: 204 }, { status: 205 }, { status: 304 }].entries())
  cases[`options that a response refuses ${i}`] = () => thrown(() => new Response('x', init).status);
for (const status of [204, 205, 304]) cases[`a response of ${status} without a body`] = () => new Response(null, { status }).status;

const bodies = {
  text: () => 'häl€o 😀', empty: () => '', number: () => 5, object: () => ({}), half: () => '\ud800', bytes: () => bytes(104, 105), buffer: () => bytes(104, 105).buffer,
  view: () => new Uint8Array(bytes(1, 104, 105, 2).buffer, 1, 2), dataview: () => new DataView(bytes(104, 105).buffer), blob: () => new Blob(['blob']),
  typed: () => new Blob(['blob'], { type: 'text/x-mine' }), file: () => new File(['file'], 'f.txt', { type: 'a/b' }), params: () => new URLSearchParams({ a: '1 2', b: 'é&' }),
  stream: () => stream(encode('one '), encode('two')), emptyStream: () => stream(),
};
for (const [name, make] of Object.entries(bodies)) {
  cases[`the body ${name} of a response`] = async () => {
    const r = new Response(make());
    return [r.headers.get('content-type'), r.bodyUsed, r.body instanceof ReadableStream, await r.text(), r.bodyUsed, r.body.locked];
  };
  cases[`the body ${name} as bytes`] = async () => new Response(make()).arrayBuffer();
  cases[`the body ${name} as a blob`] = async () => {
    const b = await new Response(make()).blob();
    return [b.size, b.type, await b.text()];
  };
  cases[`the body ${name} as a stream`] = async () => {
    const got = [];
    for await (const chunk of new Response(make()).body) got.push(...chunk);
    return got;
  };
  cases[`the body ${name} is used once`] = async () => {
    const r = new Response(make());
    await r.text();
    return [await outcome(r.text()), await outcome(r.json()), thrown(() => r.clone())];
  };
  cases[`the body ${name} of a clone`] = async () => {
    const r = new Response(make(), { status: 201, headers: { x: 'y' } }), c = r.clone();
    const seen = [c.status, c.headers.get('x'), c.headers.get('content-type'), await c.text(), r.bodyUsed, await r.text()];
    return seen;
  };
  cases[`the body ${name} of a request`] = async () => {
    const r = new Request(url, { method: 'POST', body: make(), duplex: 'half' });
    return [r.headers.get('content-type'), r.bodyUsed, await r.text(), r.bodyUsed];
  };
  cases[`the body ${name} of a request of a request`] = async () => {
    const r = new Request(url, { method: 'POST', body: make(), duplex: 'half' }), second = new Request(r);
    return [r.bodyUsed, await outcome(r.text()), await second.text()];
  };
}
const types = ['text/plain', 'TEXT/PLAIN', 'text/plain;charset=utf-8', 'text/plain; Charset="UTF-8"', 'a/b;x=y;x=z', 'a/b;;', 'a/b; x', 'nonsense', '', '/', 'a/', '/b', 'a/b;x="a;b"', 'a/b;x="a\\"b"',
  'text/html, text/plain', 'a b/c', '*/*', 'application/json;q="'];
for (const [i, type] of types.entries())
  cases[`types of blobs of responses ${i}`] = async () => (await new Response('x', { headers: { 'content-type': type } }).blob()).type;

Object.assign(cases, {
  'json of a body': async () => new Response('{"a": [1, null]}').json(),
  'json with a byte order mark': async () => new Response(bytes(0xef, 0xbb, 0xbf, 0x31)).json(),
  'json that is none': async () => [await outcome(new Response('{').json()), await outcome(new Response('').json()), await outcome(new Response().json())],
  'text without the byte order mark': async () => new Response(bytes(0xef, 0xbb, 0xbf, 97)).text(),
  'text of bytes that are no UTF-8': async () => new Response(bytes(0xff, 97)).text(),
  'no body': async () => {
    const r = new Response();
    return [await r.text(), r.bodyUsed, await r.text(), (await r.arrayBuffer()).byteLength, (await r.blob()).size];
  },
  'null and undefined are no body': () => [new Response(null).body, new Response(undefined).body],
  'a content type that is given stays': () => new Response('x', { headers: { 'Content-Type': 'a/b' } }).headers.get('content-type'),
  'the body is one stream': () => {
    const r = new Response('x');
    return r.body === r.body;
  },
  'a stream as a body is the body': () => {
    const s = stream();
    return new Response(s).body === s;
  },
  'a locked or used stream is no body': async () => {
    const a = stream(), b = stream(encode('x'));
    a.getReader();
    await b.getReader().read();
    return [thrown(() => new Response(a)), thrown(() => new Response(b))];
  },
  'a body that is locked is not read': async () => {
    const r = new Response('x');
    r.body.getReader();
    return [r.bodyUsed, await outcome(r.text()), thrown(() => r.clone())];
  },
  'a reader uses the body': async () => {
    const r = new Response('x'), reader = r.body.getReader();
    await reader.read();
    reader.releaseLock();
    return [r.bodyUsed, await outcome(r.text())];
  },
  'cancelling uses the body': async () => {
    const r = new Response('x');
    await r.body.cancel();
    return [r.bodyUsed, await outcome(r.text())];
  },
  'the body is used as soon as it is asked for': () => {
    const r = new Response('x');
    r.text();
    return r.bodyUsed;
  },
  'a stream that fails fails the body': async () => outcome(new Response(new ReadableStream({ start(c) { c.error('mine'); } })).text()),
  'a chunk that is no Uint8Array fails the body': async () => outcome(new Response(stream('text')).text()),
  'a chunk that is another view fails the body': async () => outcome(new Response(stream(new Uint16Array(1))).text()),
  'a body by byob': async () => {
    const { value } = await new Response('hello').body.getReader({ mode: 'byob' }).read(new Uint8Array(3));
    return value;
  },
  'bytes of a body are a copy': async () => {
    const b = bytes(1, 2), r = new Response(b);
    b[0] = 9;
    return r.arrayBuffer();
  },
  'an error response': async () => {
    const r = Response.error();
    return [r.type, r.status, r.ok, r.statusText, r.body, [...r.headers], thrown(() => r.headers.append('a', 'b')), thrown(() => r.headers.set('a', 'b')), thrown(() => r.headers.delete('a')), await r.text()];
  },
  ...Object.fromEntries([301, 302, 303, 307, 308, undefined].map((s) => [`a redirect of ${s}`, () => {
    const r = Response.redirect(url + 'x', s);
    return [r.status, r.headers.get('location'), r.type, r.body, thrown(() => r.headers.set('a', 'b'))];
  }])),
  ...Object.fromEntries([200, 300, 304, 400, 0, 'x'].map((s) => [`no redirect of ${s}`, () => thrown(() => Response.redirect(url, s))])),
  'a redirect needs a URL': () => [thrown(() => Response.redirect('not a url')), thrown(() => Response.redirect())],
  ...Object.fromEntries([{ a: 1 }, [1], 'x', 5, null, true, [undefined]].map((v, i) => [`json responses ${i}`, async () => {
    const r = Response.json(v);
    return [r.headers.get('content-type'), r.status, await r.text()];
  }])),
  'json responses have options': async () => {
    const r = Response.json({ a: 1 }, { status: 201, statusText: 'Made', headers: { x: 'y' } });
    return [r.status, r.statusText, [...r.headers]];
  },
  'a json response keeps its type': () => Response.json(1, { headers: { 'content-type': 'a/b' } }).headers.get('content-type'),
  'what JSON has no word for': () => [thrown(() => Response.json(undefined)), thrown(() => Response.json(() => {})), thrown(() => Response.json(Symbol('x'))), thrown(() => Response.json(1n))],
  'a json response of 204': () => thrown(() => Response.json(1, { status: 204 })),
  'a clone is another': async () => {
    const r = new Response('x', { headers: { a: '1' } }), c = r.clone();
    c.headers.set('a', '2');
    return [r.headers.get('a'), c.headers.get('a'), r !== c, c instanceof Response, await r.text(), await c.text()];
  },
  'a clone of a stream has its own chunks': async () => {
    const r = new Response(stream(bytes(1, 2))), c = r.clone();
    const a = await r.body.getReader().read(), b = await c.body.getReader().read();
    return [a.value, b.value];
  },
  'a clone of nothing': () => new Response(null, { status: 204 }).clone().status,
  'methods of a response on other objects': async () => [await outcome(Response.prototype.text.call({})), await outcome(Response.prototype.json.call({})), thrown(() => Response.prototype.clone.call({})),
    thrown(() => Object.getOwnPropertyDescriptor(Response.prototype, 'status').get.call({})), thrown(() => Object.getOwnPropertyDescriptor(Response.prototype, 'body').get.call({}))],
  'headers of a response are one object': () => {
    const r = new Response();
    return r.headers === r.headers;
  },

  // ---- forms
  'a form there and back': async () => {
    const f = new FormData();
    f.append('text', 'a\nb\r\nc\rd');
    f.append('quo"te\r\n', 'x');
    f.append('empty', '');
    f.append('ünï', 'cödé');
    f.append('file', new File(['hello\r\n--x'], 'na"me\n.txt', { type: 'text/plain' }));
    f.append('blob', new Blob([bytes(0, 13, 10, 255)]));
    const r = new Response(f), type = r.headers.get('content-type');
    return [type.split('=')[0], await filesOf(await r.formData())];
  },
  'an empty form': async () => {
    const r = new Response(new FormData());
    return [(await r.clone().text()).endsWith('--\r\n')];
  },
  'params there and back': async () => shownForm(await new Response(new URLSearchParams([['a', '1 2'], ['b', 'é&='], ['a', '']])).formData()),
  'a form needs a type': async () => [await outcome(new Response('a=b').formData()), await outcome(new Response('a=b', { headers: { 'content-type': 'application/json' } }).formData()), await outcome(new Response().formData())],
  'no form': async () => outcome(new Response('nonsense', { headers: { 'content-type': 'multipart/form-data; boundary=abcdefghijklmnopqrstuvwxyz01' } }).formData()),
});
const B = 'abcdefghijklmnopqrstuvwxyz01';
const part = (head, body) => `--${B}\r\n${head}\r\n\r\n${body}\r\n`;
const forms = {
  'one': part('Content-Disposition: form-data; name="a"', 'b') + `--${B}--\r\n`,
  'two': part('Content-Disposition: form-data; name="a"', 'b') + part('Content-Disposition: form-data; name="c"', 'd\r\ne') + `--${B}--\r\n`,
  'a file': part('Content-Disposition: form-data; name="a"; filename="f.txt"\r\nContent-Type: text/html', '<b>') + `--${B}--\r\n`,
  'fields in lower case': part('content-disposition: form-data; name="a"', 'b') + `--${B}--\r\n`,
  'escapes': part('Content-Disposition: form-data; name="a%22b%0D%0Ac%41"', 'b') + `--${B}--\r\n`,
  'an empty value': part('Content-Disposition: form-data; name="a"', '') + `--${B}--\r\n`,
  'a boundary in a value': part('Content-Disposition: form-data; name="a"', `--${B}x`.slice(0, -3)) + `--${B}--\r\n`,
  'text as UTF-8': part('Content-Disposition: form-data; name="ü"', 'é€') + `--${B}--\r\n`,
};
for (const [name, text] of Object.entries(forms))
  cases[`a form that came: ${name}`] = async () => filesOf(await new Response(text, { headers: { 'content-type': `multipart/form-data; boundary=${B}` } }).formData());
const broken = {
  'without an end': part('Content-Disposition: form-data; name="a"', 'b'),
  'without a name': part('Content-Disposition: form-data', 'b') + `--${B}--\r\n`,
  'without a disposition': part('Content-Type: text/plain', 'b') + `--${B}--\r\n`,
  'with another boundary': part('Content-Disposition: form-data; name="a"', 'b').replace(B, 'other') + '--other--',
  'that is empty': '',
  'cut in a head': `--${B}\r\nContent-Disposition: form-data; na`,
  'cut in a body': `--${B}\r\nContent-Disposition: form-data; name="a"\r\n\r\nbo`,
};
for (const [name, text] of Object.entries(broken))
  cases[`a form that is broken: ${name}`] = async () => outcome(new Response(text, { headers: { 'content-type': `multipart/form-data; boundary=${B}` } }).formData().then(shownForm));

// ---- Request
Object.assign(cases, {
  'a request of a URL': () => {
    const r = new Request(url + 'path?q');
    return [r.method, r.url, [...r.headers], r.body, r.bodyUsed, r.destination, r.referrer, r.referrerPolicy, r.mode, r.credentials, r.cache, r.redirect, r.integrity, r.keepalive, r.duplex, r.signal.aborted];
  },
  'the members of Request': () => members(Request, ['bytes', 'textStream', 'duplex', 'attribute', 'isReloadNavigation', 'isHistoryNavigation', 'priority']),
  'a request needs a URL': () => [thrown(() => new Request()), thrown(() => new Request('/relative')), thrown(() => new Request('')), thrown(() => new Request({}))],
  'a request takes a URL object': () => new Request(new URL(url + 'a')).url,
  'a URL with a user is refused': () => [thrown(() => new Request('https://user@example.org/')), thrown(() => new Request('https://user:pass@example.org/'))],
  'methods': () => ['get', 'Post', 'put', 'delete', 'options', 'head', 'patch', 'PATCH', 'chicken', 'Get'].map((method) => new Request(url, { method }).method),
  'methods that are refused': () => ['connect', 'TRACE', 'track', 'a b', '', 'é', 'a\n'].map((method) => thrown(() => new Request(url, { method }))),
  'headers of a request': () => [...new Request(url, { headers: { B: '1', a: '2' } }).headers],
  'headers that a request refuses': () => [thrown(() => new Request(url, { headers: null })), thrown(() => new Request(url, { headers: { 'a b': 'c' } })), thrown(() => new Request(url, { headers: 'x' }))],
  'a get has no body': () => [thrown(() => new Request(url, { body: 'x' })), thrown(() => new Request(url, { method: 'HEAD', body: '' })), thrown(() => new Request(url, { body: null }).method)],
  'a stream needs duplex': () => [thrown(() => new Request(url, { method: 'POST', body: stream() })), thrown(() => new Request(url, { method: 'POST', body: stream(), duplex: 'half' }).method), thrown(() => new Request(url, { duplex: 'full' }))],
  'enumerations': () => [['mode', ['cors', 'no-cors', 'same-origin', 'navigate', 'x', '']], ['credentials', ['omit', 'same-origin', 'include', 'x']], ['cache', ['default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached', 'x']],
    ['redirect', ['follow', 'error', 'manual', 'x']], ['referrerPolicy', ['', 'no-referrer', 'origin', 'unsafe-url', 'x']]].map(([name, values]) => values.map((v) => thrown(() => new Request(url, { [name]: v })[name]))),
  'a referrer': () => [new Request(url, { referrer: '' }).referrer, new Request(url, { referrer: 'about:client' }).referrer, thrown(() => new Request(url, { referrer: 'not a url' }))],
  'integrity and keepalive': () => [new Request(url, { integrity: 'sha256-x' }).integrity, new Request(url, { keepalive: true }).keepalive, new Request(url, { keepalive: 'yes' }).keepalive],
  'a window is null': () => [thrown(() => new Request(url, { window: null }).method), thrown(() => new Request(url, { window: {} }))],
  'a request of a request': async () => {
    const a = new Request(url, { method: 'POST', headers: { x: '1' }, body: 'b', redirect: 'manual' }), b = new Request(a, { headers: { y: '2' } });
    return [b.method, [...b.headers], b.redirect, await b.text(), a.bodyUsed];
  },
  'a request of a request has its own headers': () => {
    const a = new Request(url, { headers: { x: '1' } }), b = new Request(a);
    b.headers.set('x', '2');
    return [a.headers.get('x'), b.headers.get('x')];
  },
  'a request of a used request': async () => {
    const a = new Request(url, { method: 'POST', body: 'b' });
    await a.text();
    return [thrown(() => new Request(a)), thrown(() => new Request(a, { body: 'new' }).method)];
  },
  'a request of a request with another body': async () => {
    const a = new Request(url, { method: 'POST', body: 'old' }), b = new Request(a, { body: 'new' });
    return [await b.text(), await a.text()];
  },
  'a request of a post as a get': () => {
    const a = new Request(url, { method: 'POST', body: 'old' });
    return thrown(() => new Request(a, { method: 'GET' }));
  },
  'a clone of a request': async () => {
    const a = new Request(url, { method: 'POST', body: 'b', headers: { x: '1' } }), c = a.clone();
    return [c.method, c.url, c.headers.get('x'), await c.text(), await a.text(), c !== a];
  },
  'a clone of a used request': async () => {
    const a = new Request(url, { method: 'POST', body: 'b' });
    await a.text();
    return thrown(() => a.clone());
  },
  'signals of requests follow what is given': () => {
    const c = new AbortController(), r = new Request(url, { signal: c.signal }), second = new Request(r), clone = r.clone();
    const before = [r.signal.aborted, r.signal === c.signal, r.signal === r.signal];
    c.abort('why');
    return [before, r.signal.aborted, r.signal.reason, second.signal.aborted, clone.signal.aborted];
  },
  'signals that are aborted': () => new Request(url, { signal: AbortSignal.abort('x') }).signal.aborted,
  'signals that are none': () => [thrown(() => new Request(url, { signal: {} })), thrown(() => new Request(url, { signal: 1 })), thrown(() => new Request(url, { signal: null }).signal.aborted), thrown(() => new Request(url, { signal: undefined }).signal.aborted)],
  'a signal of null lets go of the request\'s': () => {
    const c = new AbortController(), a = new Request(url, { signal: c.signal }), b = new Request(a, { signal: null });
    c.abort();
    return [a.signal.aborted, b.signal.aborted];
  },
  'options that are no object': () => [thrown(() => new Request(url, 1)), thrown(() => new Request(url, null).method), thrown(() => new Request(url, undefined).method)],
  'a getter of the options that throws': () => thrown(() => new Request(url, { get method() { throw 'mine'; } })),
  'methods of a request on other objects': async () => [await outcome(Request.prototype.text.call({})), thrown(() => Request.prototype.clone.call({})), thrown(() => Object.getOwnPropertyDescriptor(Request.prototype, 'url').get.call({}))],
  'a form as the body of a request': async () => {
    const f = new FormData();
    f.append('a', 'b');
    const r = new Request(url, { method: 'POST', body: f });
    return shownForm(await r.formData());
  },
  'a response through a transform': async () => {
    const r = new Response(new Response('hello').body.pipeThrough(new TextDecoderStream()).pipeThrough(new TransformStream({ transform(c, t) { t.enqueue(c.toUpperCase()); } })).pipeThrough(new TextEncoderStream()));
    return r.text();
  },
});
