// The script's side of its network process (net.h): jobs, and what is told of them. Shared by the modules that use it.
export const ASK = { REQUEST: 0, BODY: 1, BODY_END: 2, TAKEN: 3, DROP: 4, SOCKET: 5, TEXT: 6, TEXT_LAST: 7, BYTES: 8,
  BYTES_LAST: 9, CLOSE: 10 };
export const WINDOW = 256 << 10, PART = 64 << 10; // bytes: ahead of what was asked for or taken; in one message

export function link(web, op) {
  if (web.net !== undefined) return web.net;
  const { Beam: { monitor, demonitor } } = globalThis;
  const START = op, SEND = op + 1, STOP = op + 2;
  const jobs = { __proto__: null }; // id -> what hears of it
  let count = 0, running = false, monitored, source;

  function forget(id) {
    web.drop(id);
    delete jobs[id];
    count--;
  }
  function ended() {
    running = false;
    for (const id in jobs) {
      const hear = jobs[id];
      forget(id);
      hear(['error', 'network', 'the network process has ended']);
    }
  }
  function start() {
    if (running) return;
    source ??= web.source(() => {
      if (count > 0 || !running) return;
      demonitor(monitored);
      running = false;
      web.host(STOP);
    });
    monitored = monitor(web.host(START, source), ended);
    running = true;
  }
  class Job {
    #id;
    constructor(ask, what, hear) {
      start();
      const id = web.source((told) => {
        const word = told[0];
        if (word === 'end' || word === 'error' || word === 'closed') forget(id);
        hear(told);
      });
      this.#id = id;
      jobs[id] = hear;
      count++;
      try {
        web.host(SEND, ask, id, what);
      } catch (error) {
        forget(id);
        throw error;
      }
    }
    get lives() { return jobs[this.#id] !== undefined; }
    send(ask, value) {
      if (this.lives) web.host(SEND, ask, this.#id, value);
    }
    drop() {
      if (!this.lives) return;
      this.send(ASK.DROP);
      forget(this.#id);
    }
  }
  // Scripts get no job into their hands, so what is looked up on one is what is written here.
  return web.net = { open: (ask, what, hear) => new Job(ask, what, hear) };
}
