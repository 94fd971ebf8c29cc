// The script's side of its network process (net.h): jobs, and what is told of them. Shared by the modules that use it.
export const ASK = { REQUEST: 0, BODY: 1, BODY_END: 2, TAKEN: 3, DROP: 4, SOCKET: 5, TEXT: 6, TEXT_LAST: 7, BYTES: 8,
  BYTES_LAST: 9, CLOSE: 10 };
// Bytes: ahead of what was asked for or taken; in one message; what that costs beside its own. As in net.h.
export const WINDOW = 256 << 10, PART = 64 << 10, COST = 256;
const RETRY_MS = 2;

export function link(web, op) {
  if (web.net !== undefined) return web.net;
  const { Beam: { monitor, demonitor } } = globalThis;
  const START = op, SEND = op + 1, STOP = op + 2;
  const jobs = { __proto__: null }; // id -> what hears of it
  let count = 0, running = false, monitored, source;

  // What the mailbox of the process had no room for goes as soon as it has, in order.
  let unsent = [];
  function post(ask, id, value) {
    const waits = unsent.length > 0;
    if (!waits && web.host(SEND, ask, id, value)) return;
    if (!waits) web.timers.own(again, RETRY_MS);
    unsent.push([ask, id, value]);
  }
  function again() {
    let gone = 0;
    try {
      while (gone < unsent.length && tried(unsent[gone])) gone++;
    } finally {
      unsent = unsent.slice(gone);
      if (unsent.length > 0) web.timers.own(again, RETRY_MS);
    }
  }
  // False: there is no room yet. What cannot be sent at all is the end of its job, and of no other.
  function tried([ask, id, value]) {
    try {
      return web.host(SEND, ask, id, value);
    } catch (error) {
      const hear = jobs[id];
      if (hear !== undefined) {
        unsent.push([ASK.DROP, id, undefined]);
        forget(id);
        hear(['error', 'limit', error.message]);
      }
      return true;
    }
  }

  function forget(id) {
    web.drop(id);
    delete jobs[id];
    count--;
  }
  function ended() {
    running = false;
    unsent = [];
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
    #id; #taken = 0;
    constructor(ask, what, hear) {
      start();
      const id = web.source((told, lost) => {
        if (lost) { // nothing may follow: it would have a hole
          forget(id);
          hear(['error', 'limit', 'there was no memory for what came']);
          return post(ASK.DROP, id, undefined);
        }
        const word = told[0];
        if (word === 'end' || word === 'error' || word === 'closed') forget(id);
        hear(told);
      });
      this.#id = id;
      jobs[id] = hear;
      count++;
      try {
        post(ask, id, what);
      } catch (error) {
        forget(id);
        throw error;
      }
    }
    get lives() { return jobs[this.#id] !== undefined; }
    send(ask, value) {
      if (this.lives) post(ask, this.#id, value);
    }
    // So much of what was told is taken; said in few words.
    take(cost) {
      this.#taken += cost;
      if (this.#taken < WINDOW / 4) return;
      this.send(ASK.TAKEN, this.#taken);
      this.#taken = 0;
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
