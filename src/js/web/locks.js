// navigator.locks (Web Locks API), among what one process does: each has its own.
//
// Requests for a name are granted in their order; a lock is held until what the callback has returned is settled.
export default function (web) {
  const { Object, Array, Promise, TypeError, DOMException } = globalThis;
  const { onAbort, isSignal, shown } = web.events;
  const { apply } = globalThis.Reflect;
  const { splice } = Array.prototype;
  const MOST = 10000; // held and waiting
  const key = {};
  const names = { __proto__: null }; // name -> { held, waiting, first }: who waits begins at waiting[first]
  let count = 0;

  class Lock {
    #name; #mode;
    constructor(given = undefined, name = undefined, mode = undefined) {
      if (given !== key) throw new TypeError('locks are requested');
      this.#name = name;
      this.#mode = mode;
    }
    get name() { return this.#name; }
    get mode() { return this.#mode; }
  }

  function take(list, request) {
    for (let i = 0; i < list.length; i++)
      if (list[i] === request) {
        apply(splice, list, [i, 1]);
        count--;
        return true;
      }
    return false;
  }
  function drop(name) {
    const { held, waiting, first } = names[name];
    if (held.length === 0 && waiting.length === first) delete names[name];
  }
  const isGrantable = ({ held }, mode) => held.length === 0 || (mode === 'shared' && held[0].mode === 'shared');
  function process(name) {
    const queue = names[name];
    while (queue !== undefined && queue.waiting.length > queue.first && isGrantable(queue, queue.waiting[queue.first].mode)) {
      const request = queue.waiting[queue.first];
      queue.waiting[queue.first++] = undefined;
      if (queue.first > 64 && queue.first * 2 > queue.waiting.length) {
        apply(splice, queue.waiting, [0, queue.first]);
        queue.first = 0;
      }
      queue.held[queue.held.length] = request;
      request.off?.();
      hold(request);
    }
  }
  // Calls back in a job of its own, and gives the lock back when what that has returned is settled.
  async function hold(request) {
    const { name, mode, callback, resolve, reject } = request;
    try {
      await undefined;
      const value = await callback(new Lock(key, name, mode));
      release(name, request);
      resolve(value);
    } catch (error) {
      release(name, request);
      reject(error);
    }
  }
  function release(name, request) {
    const queue = names[name];
    if (queue === undefined || !take(queue.held, request)) return; // it was stolen
    process(name);
    drop(name);
  }
  async function withoutLock({ callback, resolve, reject }) {
    try {
      await undefined;
      resolve(await callback(null));
    } catch (error) {
      reject(error);
    }
  }
  function request(name, options, callback, resolve, reject) {
    const { mode, ifAvailable, steal, signal } = options;
    const asked = { name, mode, callback, resolve, reject, off: undefined };
    const queue = names[name] ??= { held: [], waiting: [], first: 0 };
    if (steal) {
      for (let i = 0; i < queue.held.length; i++) {
        count--;
        queue.held[i].reject(new DOMException('the lock was stolen', 'AbortError'));
      }
      queue.held = [];
      apply(splice, queue.waiting, [queue.first, 0, asked]);
    } else if (ifAvailable && !(queue.waiting.length === queue.first && isGrantable(queue, mode))) {
      withoutLock(asked);
      return; // the name has others
    } else {
      queue.waiting[queue.waiting.length] = asked;
      if (signal !== undefined)
        asked.off = onAbort(signal, () => {
          if (names[name] === undefined || !take(names[name].waiting, asked)) return;
          reject(signal.reason);
          process(name);
          drop(name);
        });
    }
    count++;
    process(name);
  }
  function optionsOf(given) {
    if (given === undefined || given === null) given = {};
    if (typeof given !== 'object' && typeof given !== 'function') throw new TypeError('options are an object');
    const ifAvailable = !!given.ifAvailable, mode = given.mode === undefined ? 'exclusive' : `${given.mode}`;
    const { signal } = given, steal = !!given.steal;
    if (mode !== 'exclusive' && mode !== 'shared') throw new TypeError('a mode is "exclusive" or "shared"');
    if (signal !== undefined && !isSignal(signal)) throw new TypeError('signal is no AbortSignal');
    return { mode, ifAvailable, steal, signal };
  }
  function check(name, { mode, ifAvailable, steal, signal }) {
    const unsupported = name[0] === '-' ? 'a name that begins with "-"' : steal && ifAvailable ? 'steal with ifAvailable' :
      steal && mode !== 'exclusive' ? 'steal of a shared lock' : signal !== undefined && (steal || ifAvailable) ? 'a signal with steal or ifAvailable' : '';
    if (unsupported !== '') throw new DOMException(`${unsupported} is not supported`, 'NotSupportedError');
    if (signal?.aborted) throw signal.reason;
    if (count >= MOST) throw new DOMException(`more than ${MOST} locks`, 'QuotaExceededError');
  }
  const listOf = (which) => {
    const list = [];
    for (const name in names)
      for (let i = which === 'held' ? 0 : names[name].first; i < names[name][which].length; i++)
        list[list.length] = { name, mode: names[name][which][i].mode, clientId: '' };
    return list;
  };

  class LockManager {
    #brand = true;
    constructor(given = undefined) { if (given !== key) throw new TypeError('there is one navigator.locks only'); }
    async request(name, options, callback = undefined) {
      if (!this.#brand || arguments.length < 2) throw new TypeError('a name and a callback are needed');
      if (arguments.length === 2) {
        callback = options;
        options = undefined;
      }
      name = `${name}`;
      if (typeof callback !== 'function') throw new TypeError('a callback is needed');
      options = optionsOf(options);
      check(name, options);
      return await new Promise((resolve, reject) => request(name, options, callback, resolve, reject));
    }
    async query() { return this.#brand && { held: listOf('held'), pending: listOf('waiting') }; }
  }
  shown(Lock);
  shown(LockManager);

  const locks = new LockManager(key);
  class Navigator {
    constructor(given = undefined) { if (given !== key) throw new TypeError('there is one navigator only'); }
    get locks() { return locks; }
  }
  shown(Navigator);
  if (globalThis.navigator === undefined) web.define({ Navigator, navigator: new Navigator(key) });
  else Object.defineProperty(globalThis.navigator, 'locks', { value: locks, enumerable: true, configurable: true });
  web.define({ Lock, LockManager });
}
