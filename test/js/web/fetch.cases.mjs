// What fetch does with a server of node:http.
const SHOWN = ['host', 'connection', 'user-agent', 'accept-language', 'sec-fetch-mode', 'accept-encoding', 'expect'];

export function server(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://server');
  const end = (status, fields, body) => {
    response.sendDate = false;
    response.writeHead(status, fields);
    response.end(body);
  };
  let body = '';
  request.setEncoding('latin1');
  request.on('data', (part) => { body += part; });
  request.on('end', () => {
    switch (pathname) {
      case '/status': return end(Number(searchParams.get('code')), { 'X-A': 'b', 'Content-Type': 'text/plain' }, 'said');
      case '/echo': {
        const fields = Object.entries(request.headers).filter(([name]) => !SHOWN.includes(name)).sort();
        return end(200, { 'Content-Type': 'application/json' }, JSON.stringify({ method: request.method, url: request.url, fields, body }));
      }
      case '/to': return end(Number(searchParams.get('code')), { Location: searchParams.get('at') }, 'moved');
      case '/nowhere': return end(302, {}, 'no location');
      case '/cookies': return end(200, { 'Set-Cookie': ['a=1', 'b=2'], 'X-B': ['1', '2'] }, '');
      case '/parts':
        response.writeHead(200, { 'Content-Type': 'text/plain' });
        response.write('one ');
        return setTimeout(() => response.end('two'), 20);
      case '/break':
        response.writeHead(200, { 'Content-Length': 100 });
        response.write('half');
        return setTimeout(() => response.destroy(), 20);
      case '/much': return end(200, {}, body);
      case '/never': return undefined;
      default: return end(404, {}, 'nothing there');
    }
  });
}

const at = (path) => globalThis.SERVER + path;
const plain = (text) => text.replaceAll(globalThis.SERVER, 'SERVER');
async function seen(response) {
  const { status, statusText, ok, redirected, type, url, bodyUsed } = response;
  return { status, statusText, ok, redirected, type, url: plain(url), bodyUsed, noBody: response.body === null };
}
const echo = async (path, init) => (await fetch(at(path), init)).json();
const fails = async (promise) => {
  try {
    await promise;
    return 'done';
  } catch (error) {
    return `${error?.name ?? error}`;
  }
};

export const cases = {
  'an answer': async () => seen(await fetch(at('/status?code=200'))),
  'an answer of 404': async () => seen(await fetch(at('/else'))),
  'an answer of 500': async () => seen(await fetch(at('/status?code=500'))),
  'an answer of 204 has no body': async () => seen(await fetch(at('/status?code=204'))),
  'an answer of 304 has no body': async () => seen(await fetch(at('/status?code=304'))),
  'its text': async () => (await fetch(at('/status?code=200'))).text(),
  'its bytes': async () => (await fetch(at('/status?code=200'))).arrayBuffer(),
  'its fields': async () => [...(await fetch(at('/status?code=200'))).headers].filter(([name]) => name.startsWith('x-') || name === 'content-type'),
  'its fields do not change': async () => fails(fetch(at('/status?code=200')).then((r) => r.headers.set('a', 'b'))),
  'its cookies': async () => {
    const { headers } = await fetch(at('/cookies'));
    return [headers.getSetCookie(), headers.get('x-b')];
  },
  'HEAD': async () => {
    const response = await fetch(at('/status?code=200'), { method: 'HEAD' });
    return [await seen(response), await response.text()];
  },
  'GET': () => echo('/echo?a=b%20c#fragment'),
  'POST of text': () => echo('/echo', { method: 'POST', body: 'h\u00e9\u20ac' }),
  'POST of nothing': () => echo('/echo', { method: 'POST' }),
  'POST of bytes': () => echo('/echo', { method: 'POST', body: new Uint8Array([0, 1, 255]) }),
  'POST of a form': () => echo('/echo', { method: 'POST', body: new URLSearchParams({ a: 'b c', d: '\u00e9' }) }),
  'POST of a Blob': () => echo('/echo', { method: 'POST', body: new Blob(['blob'], { type: 'x/y' }) }),
  'POST of a stream': () => echo('/echo', { method: 'POST', duplex: 'half',
    body: new ReadableStream({ start(c) { c.enqueue(new Uint8Array([65])); c.enqueue(new Uint8Array([66, 67])); c.close(); } }) }),
  'PUT, PATCH, DELETE': async () => [await echo('/echo', { method: 'put', body: '1' }),
    await echo('/echo', { method: 'PATCH', body: '2' }), await echo('/echo', { method: 'delete' })],
  'a method of its own': () => echo('/echo', { method: 'PURGE' }),
  'fields of a request': () => echo('/echo', { headers: { 'X-One': ' a ', Accept: 'x/y', Authorization: 'b' } }),
  'fields twice': () => echo('/echo', { headers: [['x-a', '1'], ['x-a', '2']] }),
  'a Request': () => fetch(new Request(at('/echo'), { method: 'POST', body: 'asked' })).then((r) => r.json()),
  'a Request changed': () => fetch(new Request(at('/echo'), { method: 'POST', body: 'asked' }), { headers: { 'x-b': 'c' } }).then((r) => r.json()),
  'a URL': () => fetch(new URL(at('/echo?x'))).then((r) => r.json()),
  'a Request is used up': async () => {
    const request = new Request(at('/echo'), { method: 'POST', body: 'once' });
    await fetch(request);
    return [request.bodyUsed, await fails(fetch(request))];
  },
  'a body is read once': async () => {
    const response = await fetch(at('/status?code=200'));
    await response.text();
    return [response.bodyUsed, await fails(response.text())];
  },
  'a clone': async () => {
    const response = await fetch(at('/parts')), clone = response.clone();
    return [await response.text(), await clone.text()];
  },
  'parts': async () => {
    const reader = (await fetch(at('/parts'))).body.getReader(), all = [];
    for (let r = await reader.read(); !r.done; r = await reader.read()) all.push(new TextDecoder().decode(r.value));
    return all;
  },
  'a body that is cancelled': async () => {
    const { body } = await fetch(at('/parts'));
    await body.cancel();
    return (await body.getReader().read()).done;
  },
  ...Object.fromEntries([301, 302, 303, 307, 308].flatMap((code) => ['GET', 'POST', 'PUT', 'HEAD'].map((method) =>
    [`${method} redirected by ${code}`, async () => {
      const body = method === 'POST' || method === 'PUT' ? 'body' : undefined;
      const response = await fetch(at(`/to?code=${code}&at=${encodeURIComponent('/echo?x')}`), { method, body });
      return [await seen(response), await response.text()];
    }]))),
  'a stream is not sent twice': () => fails(fetch(at('/to?code=307&at=/echo'), { method: 'POST', duplex: 'half',
    body: new ReadableStream({ start(c) { c.enqueue(new Uint8Array([65])); c.close(); } }) })),
  'a redirect with a fragment': async () => seen(await fetch(at('/to?code=302&at=%2Fecho%23there'))),
  'a redirect without a place': async () => seen(await fetch(at('/nowhere'))),
  'a redirect to what is no URL': () => fails(fetch(at('/to?code=302&at=http%3A%2F%2F%5B'))),
  'a redirect to another scheme': () => fails(fetch(at('/to?code=302&at=data%3A%2Cx'))),
  'redirect: error': () => fails(fetch(at('/to?code=302&at=/echo'), { redirect: 'error' })),
  'redirect: manual': async () => (await fetch(at('/to?code=302&at=/echo'), { redirect: 'manual' })).status,
  'redirects without end': () => fails(fetch(at(`/to?code=302&at=${encodeURIComponent('?code=302&at=/nowhere')}`), {}).then((r) => r.text())),
  'an answer that breaks off': async () => {
    const response = await fetch(at('/break'));
    return [response.status, await fails(response.text())];
  },
  'nobody there': () => fails(fetch('http://127.0.0.1:1/')),
  'no URL': () => fails(fetch('no url')),
  'another scheme': () => fails(fetch('ftp://127.0.0.1/')),
  'a user in the URL': () => fails(fetch(at('/echo').replace('//', '//a:b@'))),
  'a body of GET': () => fails(fetch(at('/echo'), { body: 'x' })),
  'a field with a line end': () => fails(fetch(at('/echo'), { headers: { a: 'b\r\nc: d' } })),
  'aborted before': async () => [await fails(fetch(at('/echo'), { signal: AbortSignal.abort() })), await fails(fetch(at('/echo'), { signal: AbortSignal.abort('why') }))],
  'aborted while it waits': async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 10);
    return fails(fetch(at('/never'), { signal: controller.signal }));
  },
  'out of time': () => fails(fetch(at('/never'), { signal: AbortSignal.timeout(10) })),
  'aborted while it is read': async () => {
    const controller = new AbortController(), response = await fetch(at('/parts'), { signal: controller.signal });
    controller.abort();
    return fails(response.text());
  },
  'a signal that comes too late': async () => {
    const controller = new AbortController(), response = await fetch(at('/status?code=200'), { signal: controller.signal });
    const text = await response.text();
    controller.abort();
    return text;
  },
  // ---- data: URLs
  ...Object.fromEntries(['data:,', 'data:,hello%20there', 'data:text/plain,x', 'data:text/html;charset=utf-8,%3Cp%3E%C3%A9', 'data:;base64,aGVsbG8=', 'data:;base64,aGVsbG8',
    'data:text/plain;base64,aGVs%20bG8=', 'data:;base64,a', 'data:;base64,***', 'data:x', 'data:', 'data:nonsense,x', 'data:;charset=latin1,x', 'data: text/plain ;x=y ,x',
    'data:A/B;C=D,x', 'data:image/png;Base64,AAEC', 'data:text/plain;base64;x=y,AA==', 'data:,a#b', 'data:,%zz%4', 'data:,h\u00e9', 'DATA:,x', 'data:text/plain;x="a;b",y'].map((url) =>
    [`a data URL ${url}`, async () => {
      const response = await fetch(url);
      return [await seen(response), [...response.headers], new Uint8Array(await response.arrayBuffer())];
    }])),
  'a data URL by another method': async () => (await fetch('data:,x', { method: 'POST', body: 'y' })).text(),
  'a data URL that is aborted': () => fails(fetch('data:,x', { signal: AbortSignal.abort() })),
};
