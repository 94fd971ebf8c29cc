// What websocket.cases.mjs talks to.
import { WebSocketServer } from 'ws';

export function attach(server) {
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => (offered.has('two') ? 'two' : false) });
  server.on('upgrade', (request, socket, head) => {
    const { pathname } = new URL(request.url, 'http://server');
    sockets.handleUpgrade(request, socket, head, (ws) => {
      if (pathname === '/close') return ws.close(4001, 'not you');
      if (pathname === '/break') return ws.terminate();
      if (pathname === '/parts') {
        ws.send('one ', { fin: false });
        return ws.send('two', { fin: true });
      }
      if (pathname === '/head') ws.send(JSON.stringify([request.url, request.headers['sec-websocket-protocol'] ?? null]));
      ws.on('message', (data, binary) => ws.send(data, { binary }));
    });
  });
}
