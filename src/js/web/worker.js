// Worker (HTML Standard, 10.2): a child process with memory of its own, and in the worker the scope that it finds.
//
// Both sides speak by web_tell, in arrays that begin with a kind. What is posted is copied by the host, as all that goes from
// process to process. A worker's source is a classic script; it is evaluated when its process runs.
export default function (web, op) {
  const { EventTarget, MessageEvent, ErrorEvent, DOMException, Object, String, TypeError, Array, Uint8Array, Beam, eval: evaluate,
    decodeURIComponent } = globalThis;
  const { fire, handlers, report } = web.events;
  const { monitor, exit } = Beam;
  const START = op, TELL = op + 1, TELL_PARENT = op + 2, END = op + 3;
  const BEGIN = 0, MESSAGE = 1, ERROR = 2;
  const TO_WORKER = 0; // the source that is told in a worker

  // ---- what a worker is made of: a data URL, or the text itself
  const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  function base64(text) {
    let bits = 0, count = 0, escaped = '';
    for (const letter of text.replace(/[\s=]/g, '')) {
      const value = BASE64.indexOf(letter);
      if (value < 0) throw new DOMException('the data URL is not in base64', 'SyntaxError');
      bits = (bits << 6 | value) & 0xffff;
      count += 6;
      if (count < 8) continue;
      count -= 8;
      escaped += '%' + (bits >> count & 255).toString(16).padStart(2, '0');
    }
    return escaped;
  }
  function textOf(source) {
    if (!/^data:/i.test(source)) return source;
    const comma = source.indexOf(',');
    if (comma < 0) throw new DOMException('the data URL has no data', 'SyntaxError');
    const body = source.slice(comma + 1);
    try {
      return decodeURIComponent(/;\s*base64\s*$/i.test(source.slice(5, comma)) ? base64(decodeURIComponent(body)) : body);
    } catch (error) {
      if (error instanceof DOMException) throw error;
      throw new DOMException('the data URL holds no text', 'SyntaxError');
    }
  }
  // Values that cannot go to another process are refused here, before anything has happened.
  function send(start) {
    try {
      start();
    } catch (error) {
      throw error instanceof TypeError || error?.name === 'RangeError' ? new DOMException(error.message, 'DataCloneError') : error;
    }
  }

  // ---- the parent's side
  class Worker extends EventTarget {
    #pid; #source; #name; #ended = false;
    constructor(source, options) {
      if (arguments.length === 0) throw new TypeError('a worker needs its source');
      super();
      if (options?.type !== undefined && `${options.type}` !== 'classic')
        throw new DOMException('workers are classic scripts', 'NotSupportedError');
      const text = textOf(`${source}`);
      this.#name = options?.name === undefined ? '' : `${options.name}`;
      this.#source = web.source((told, lost) => (lost ? fire(this, new MessageEvent('messageerror')) : this.#hear(told)));
      try {
        this.#pid = web.host(START, this.#source);
        monitor(this.#pid, (who, reason) => this.#end(reason));
        web.host(TELL, this.#pid, [BEGIN, text, this.#name]);
      } catch (error) {
        this.#ended = true;
        web.drop(this.#source);
        if (this.#pid !== undefined) web.host(END, this.#pid);
        throw error;
      }
    }
    // Nothing is moved: `transfer` may be there, what it lists is copied.
    postMessage(value) {
      if (arguments.length === 0) throw new TypeError('postMessage needs a message');
      if (!this.#ended) send(() => web.host(TELL, this.#pid, [MESSAGE, value]));
    }
    terminate() {
      if (this.#ended) return;
      this.#ended = true;
      web.drop(this.#source);
      web.host(END, this.#pid);
    }
    #hear([kind, value]) {
      if (kind === MESSAGE) fire(this, new MessageEvent('message', { data: value }));
      else if (kind === ERROR) this.#fail(value);
    }
    #fail(message) {
      if (fire(this, new ErrorEvent('error', { message, cancelable: true }))) report(`worker "${this.#name}" failed`, message);
    }
    #end(reason) {
      if (this.#ended) return;
      this.#ended = true;
      web.drop(this.#source);
      if (reason !== 'normal') this.#fail(reason);
    }
  }
  handlers(Worker, 'message', 'messageerror', 'error');
  web.define({ Worker });
  if (!web.limits.worker) return;

  // ---- in the worker
  class DedicatedWorkerGlobalScope extends EventTarget {}
  handlers(DedicatedWorkerGlobalScope, 'message', 'messageerror', 'error');
  const scope = new DedicatedWorkerGlobalScope();
  let closing = false;
  function tell(kind, value) { web.host(TELL_PARENT, [kind, value]); }
  function fail(error) {
    let message;
    try {
      message = String(error);
    } catch {
      message = '[cannot be shown]';
    }
    tell(ERROR, message);
  }
  web.events.reported = fail;
  web.source((told, lost) => {
    if (closing) return;
    if (lost) {
      fire(scope, new MessageEvent('messageerror'));
      return;
    }
    const [kind, value, name] = told;
    if (kind === MESSAGE) {
      fire(scope, new MessageEvent('message', { data: value }));
      return;
    }
    Object.defineProperty(globalThis, 'name', { __proto__: null, value: name, writable: true, configurable: true });
    try {
      (0, evaluate)(value);
    } catch (error) {
      fail(error);
    }
  }, TO_WORKER);
  web.define({
    DedicatedWorkerGlobalScope,
    self: globalThis,
    postMessage(value) {
      if (arguments.length === 0) throw new TypeError('postMessage needs a message');
      send(() => tell(MESSAGE, value));
    },
    // What runs goes on to its end.
    close() {
      if (closing) return;
      closing = true;
      web.timers.add(() => exit('normal'), 0, [], false);
    },
    addEventListener: (...args) => scope.addEventListener(...args),
    removeEventListener: (...args) => scope.removeEventListener(...args),
    dispatchEvent: (event) => scope.dispatchEvent(event),
  });
  for (const type of ['message', 'messageerror', 'error'])
    Object.defineProperty(globalThis, `on${type}`, {
      __proto__: null, configurable: true, enumerable: true,
      get: () => scope[`on${type}`], set: (value) => { scope[`on${type}`] = value; },
    });
}
