// WebSocket as a client of one of npm's servers. Node 20 does not always tell that a connection has failed: that is in websocket_test.c.
const at = (path) => globalThis.SERVER.replace('http', 'ws') + path;
const thrown = (fn) => {
  try {
    return ['ok', typeof fn()];
  } catch (e) {
    return ['threw', e?.name ?? e];
  }
};
// What a socket tells until it is closed; talk(socket, n) is called when it is open, and with each message.
const told = (path, talk, protocols) => new Promise((done) => {
  const socket = new WebSocket(at(path), protocols), all = [];
  let n = 0;
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => {
    all.push(['open', socket.protocol, socket.extensions.length === 0, socket.readyState]);
    talk?.(socket, n++);
  };
  socket.onmessage = ({ data }) => {
    all.push(typeof data === 'string' ? data : new Uint8Array(data));
    talk?.(socket, n++);
  };
  socket.onerror = (e) => all.push(e.type);
  socket.onclose = ({ type, code, reason, wasClean }) => done([...all, [type, code, reason, wasClean, socket.readyState]]);
});
// Sends each, and closes when all have come back.
const echoed = (...values) => told('/', (socket, n) => (n < values.length ? socket.send(values[n]) : socket.close()));

export const cases = {
  'constants': () => [WebSocket.CONNECTING, WebSocket.OPEN, WebSocket.CLOSING, WebSocket.CLOSED, WebSocket.prototype.OPEN, WebSocket.prototype[Symbol.toStringTag]],
  'text': () => echoed('hello', '', 'h\u00e9\u20ac\u{1f600}', '\ud800x', 5, null, { toString: () => 'mine' }),
  'bytes': () => echoed(new Uint8Array([0, 1, 255]), new Uint8Array([1, 2, 3]).subarray(1).buffer, new DataView(new ArrayBuffer(2), 1), new Uint8Array(0)),
  'a blob': () => echoed(new Blob(['ab', 'c'])),
  'much': async () => (await echoed('x'.repeat(300000), new Uint8Array(300000))).map((m) => m.length),
  'parts are one message': () => told('/parts', (socket, n) => n === 1 && socket.close()),
  'bytes as a blob': () => new Promise((done) => {
    const socket = new WebSocket(at('/'));
    socket.onopen = () => socket.send(new Uint8Array([104, 105]));
    socket.onmessage = async ({ data }) => {
      socket.close();
      done([socket.binaryType, data instanceof Blob, await data.text()]);
    };
  }),
  'before it is open': () => {
    const socket = new WebSocket(at('/')), seen = [socket.readyState, socket.url.replace(/:\d+/, ''), socket.protocol, socket.bufferedAmount, thrown(() => socket.send('x'))];
    socket.onopen = () => socket.close();
    return new Promise((done) => { socket.onclose = () => done(seen); });
  },
  'a path and a query': () => told('/head?a=b%20c', (socket, n) => n === 1 && socket.close()),
  'subprotocols': () => told('/head', (socket, n) => n === 1 && socket.close(), ['one', 'two']),
  'one subprotocol': () => told('/head', (socket, n) => n === 1 && socket.close(), 'two'),
  'the server closes': () => told('/close'),
  'the server breaks off': async () => (await told('/break')).filter((what) => what !== 'error'),
  ...Object.fromEntries([[], [1000], [3000, 'why'], [4999, ''], [1000, '\u20ac']].map((args, i) => [`it is closed ${i}`, () => told('/', (socket) => socket.close(...args))])),
  'it is closed twice': () => told('/', (socket) => { socket.close(3000, 'a'); socket.close(3001, 'b'); }),
  'what is sent after it is closed is lost': () => told('/', (socket) => { socket.close(); socket.send('late'); }),
  'codes and reasons that may not be': () => {
    const socket = new WebSocket(at('/')), seen = [[0], [999], [1001], [2999], [5000], [NaN], [3000, 'x'.repeat(124)], [3000, '\u20ac'.repeat(42)]].map((args) => thrown(() => socket.close(...args)));
    socket.onopen = () => socket.close();
    return new Promise((done) => { socket.onclose = () => done(seen); });
  },
  ...Object.fromEntries(['no url', 'ftp://127.0.0.1/', 'ws://127.0.0.1/#x', '', 'ws://'].map((url) => [`no URL: ${url}`, () => thrown(() => new WebSocket(url))])),
  'subprotocols that may not be': () => [['a', 'a'], ['a b'], [''], 'x,y'].map((p) => thrown(() => new WebSocket(at('/'), p))),
  'arguments that are missing': () => [thrown(() => new WebSocket()), thrown(() => WebSocket('ws://127.0.0.1/'))],
};
