// Event, EventTarget and its kind, AbortController and AbortSignal (DOM Standard), MessageChannel (HTML Standard, 9.4).
// DOMException is the engine's own.
//
// Targets have no parents here: an event is at its target only, where listeners that capture hear it first. What a listener
// throws is logged, and the next one is called.
//
// Other modules find in `web.events` what scripts have no access to:
//   fire(target, event)        dispatches an event of the platform's own (isTrusted); whether nobody prevented its default
//   handlers(Class, ...types)  gives the class the attributes on<type>
//   onAbort(signal, fn)        fn() when it is aborted, before its listeners; returns a function that takes that back
//   isSignal(value)            whether it is an AbortSignal
//   report(what, error)        logs what nobody caught, and tells `reported(error)`, which another module may set
//   shown(Class)               makes a class look like an interface of the platform
//   task(fn)                   fn() in a turn of its own, after those that were given before
//   now(), origin()            milliseconds since the process has started, and when that was
export default function (web, op) {
  const { Object, Reflect, Symbol, Number, Math, Set, TypeError, WeakRef, FinalizationRegistry, DOMException } = globalThis;
  const { apply } = Reflect;
  const now = () => web.host(op + 1);
  const AT_TARGET = 2;

  const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';
  function need(count, given, what) {
    if (given < count) throw new TypeError(`${what} needs ${count} argument${count === 1 ? '' : 's'}`);
  }
  // What was given as a dictionary of options.
  function options(value) {
    if (value === undefined || value === null) return undefined;
    if (!isObject(value)) throw new TypeError('options are an object');
    return value;
  }
  function report(what, error) {
    web.log(3, [`${what}:`, error]);
    web.events.reported?.(error);
  }
  // Members of an interface are seen by for-in, unlike those of a class.
  function shown(Class) {
    for (const object of [Class.prototype, Class])
      for (const key of Object.getOwnPropertyNames(object))
        if (key !== 'constructor' && key !== 'prototype' && key !== 'name' && key !== 'length')
          Object.defineProperty(object, key, { __proto__: null, enumerable: true });
    Object.defineProperty(Class.prototype, Symbol.toStringTag, { __proto__: null, value: Class.name, configurable: true });
  }
  function constants(Class, values) {
    for (const object of [Class, Class.prototype])
      for (const name of Object.keys(values))
        Object.defineProperty(object, name, { __proto__: null, value: values[name], enumerable: true });
  }

  // ---- events
  const BUBBLES = 1, CANCELABLE = 2, COMPOSED = 4, STOP = 8, STOP_NOW = 16, PREVENTED = 32, PASSIVE = 64, TRUSTED = 128;
  let isEvent, begin, end, isStopped, setPassive, prevent;
  class Event {
    #type; #flags = 0; #time;
    #target = null; #current = null; // that it is at, while it is dispatched
    constructor(type, init = undefined) {
      need(1, arguments.length, 'an event');
      this.#type = `${type}`;
      this.#time = now();
      if (init === undefined || init === null) return;
      init = options(init);
      this.#flags = (init.bubbles ? BUBBLES : 0) | (init.cancelable ? CANCELABLE : 0) | (init.composed ? COMPOSED : 0);
    }
    get type() { return this.#type; }
    get target() { return this.#target; }
    get srcElement() { return this.#target; }
    get currentTarget() { return this.#current; }
    get eventPhase() { return this.#current === null ? 0 : AT_TARGET; }
    get bubbles() { return (this.#flags & BUBBLES) !== 0; }
    get cancelable() { return (this.#flags & CANCELABLE) !== 0; }
    get composed() { return (this.#flags & COMPOSED) !== 0; }
    get defaultPrevented() { return (this.#flags & PREVENTED) !== 0; }
    get returnValue() { return (this.#flags & PREVENTED) === 0; }
    set returnValue(value) { if (!value) prevent(this); }
    get cancelBubble() { return (this.#flags & STOP) !== 0; }
    set cancelBubble(value) { if (value) this.#flags |= STOP; }
    get timeStamp() { return this.#time; }
    get isTrusted() { return (this.#flags & TRUSTED) !== 0; }
    composedPath() { return this.#current === null ? [] : [this.#current]; }
    stopPropagation() { this.#flags |= STOP; }
    stopImmediatePropagation() { this.#flags |= STOP | STOP_NOW; }
    preventDefault() { prevent(this); }
    initEvent(type, bubbles = false, cancelable = false) {
      need(1, arguments.length, 'initEvent');
      type = `${type}`;
      if (this.#current !== null) return;
      this.#type = type;
      this.#flags = (this.#flags & COMPOSED) | (bubbles ? BUBBLES : 0) | (cancelable ? CANCELABLE : 0);
      this.#target = null;
    }
    static {
      isEvent = (value) => isObject(value) && #type in value;
      begin = (event, target, trusted) => {
        if (event.#current !== null) throw new DOMException('the event is being dispatched', 'InvalidStateError');
        event.#flags = (event.#flags & ~TRUSTED) | (trusted ? TRUSTED : 0);
        event.#target = event.#current = target;
        return event.#type;
      };
      end = (event) => {
        event.#flags &= ~(STOP | STOP_NOW | PASSIVE);
        event.#current = null;
        return (event.#flags & PREVENTED) === 0;
      };
      isStopped = (event, flag) => (event.#flags & flag) !== 0;
      setPassive = (event, passive) => { event.#flags = passive ? event.#flags | PASSIVE : event.#flags & ~PASSIVE; };
      prevent = (event) => { if ((event.#flags & (CANCELABLE | PASSIVE)) === CANCELABLE) event.#flags |= PREVENTED; };
    }
  }
  shown(Event);
  Object.defineProperty(Event.prototype, 'isTrusted', { __proto__: null, configurable: false });
  constants(Event, { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET, BUBBLING_PHASE: 3 });

  class CustomEvent extends Event {
    #detail = null;
    constructor(type, init = undefined) {
      need(1, arguments.length, 'an event');
      super(type, init);
      if (init?.detail !== undefined) this.#detail = init.detail;
    }
    get detail() { return this.#detail; }
    initCustomEvent(type, bubbles = false, cancelable = false, detail = null) {
      this.initEvent(type, bubbles, cancelable);
      if (this.eventPhase === 0) this.#detail = detail;
    }
  }
  class MessageEvent extends Event {
    #data = null; #origin = ''; #lastEventId = ''; #source = null; #ports = Object.freeze([]);
    constructor(type, init = undefined) {
      need(1, arguments.length, 'an event');
      super(type, init);
      if (!isObject(init)) return;
      const { data, origin, lastEventId, source, ports } = init;
      if (data !== undefined) this.#data = data;
      if (origin !== undefined) this.#origin = `${origin}`;
      if (lastEventId !== undefined) this.#lastEventId = `${lastEventId}`;
      if (source !== undefined) this.#source = source;
      if (ports !== undefined) this.#ports = Object.freeze([...ports]);
    }
    get data() { return this.#data; }
    get origin() { return this.#origin; }
    get lastEventId() { return this.#lastEventId; }
    get source() { return this.#source; }
    get ports() { return this.#ports; }
  }
  class ErrorEvent extends Event {
    #message = ''; #filename = ''; #lineno = 0; #colno = 0; #error;
    constructor(type, init = undefined) {
      need(1, arguments.length, 'an event');
      super(type, init);
      if (!isObject(init)) return;
      const { message, filename, lineno, colno, error } = init;
      if (message !== undefined) this.#message = `${message}`;
      if (filename !== undefined) this.#filename = `${filename}`;
      this.#lineno = lineno >>> 0;
      this.#colno = colno >>> 0;
      this.#error = error;
    }
    get message() { return this.#message; }
    get filename() { return this.#filename; }
    get lineno() { return this.#lineno; }
    get colno() { return this.#colno; }
    get error() { return this.#error; }
  }
  class CloseEvent extends Event {
    #wasClean = false; #code = 0; #reason = '';
    constructor(type, init = undefined) {
      need(1, arguments.length, 'an event');
      super(type, init);
      if (!isObject(init)) return;
      const { wasClean, code, reason } = init;
      this.#wasClean = !!wasClean;
      this.#code = code & 0xffff;
      if (reason !== undefined) this.#reason = `${reason}`;
    }
    get wasClean() { return this.#wasClean; }
    get code() { return this.#code; }
    get reason() { return this.#reason; }
  }
  class ProgressEvent extends Event {
    #lengthComputable = false; #loaded = 0; #total = 0;
    constructor(type, init = undefined) {
      need(1, arguments.length, 'an event');
      super(type, init);
      if (!isObject(init)) return;
      const { lengthComputable, loaded = 0, total = 0 } = init;
      this.#lengthComputable = !!lengthComputable;
      this.#loaded = Number(loaded);
      this.#total = Number(total);
    }
    get lengthComputable() { return this.#lengthComputable; }
    get loaded() { return this.#loaded; }
    get total() { return this.#total; }
  }
  for (const Class of [CustomEvent, MessageEvent, ErrorEvent, CloseEvent, ProgressEvent]) shown(Class);

  // ---- targets
  let dispatch, handlers, hears, listen, unlisten;
  let isSignal, onAbort, keepSignal; // of AbortSignal, below
  class EventTarget {
    // type -> listeners in their order; what is in a list while an event goes through it may be taken out, see `removed`
    #lists = undefined;
    #handlers = undefined; // type -> the listener that calls the attribute on<type>
    addEventListener(type, callback, init = undefined) {
      need(2, arguments.length, 'addEventListener');
      if (!(#lists in this)) throw new TypeError('not an EventTarget');
      type = `${type}`;
      let capture = false, once = false, passive = false, signal;
      if (isObject(init)) {
        capture = !!init.capture;
        once = !!init.once;
        passive = !!init.passive;
        signal = init.signal;
        if (signal !== undefined && !isSignal(signal)) throw new TypeError('signal is no AbortSignal');
      } else {
        capture = !!init;
      }
      if (callback === null || callback === undefined) return;
      if (!isObject(callback)) throw new TypeError('a listener is a function or an object');
      if (signal !== undefined && signal.aborted) return;
      const list = this.#lists?.[type];
      for (let i = 0; i < (list?.length ?? 0); i++)
        if (list[i].callback === callback && list[i].capture === capture && !list[i].handler) return;
      const listener = { callback, capture, once, passive, handler: false, removed: false, off: undefined };
      listen(this, type, listener);
      if (signal !== undefined) listener.off = onAbort(signal, () => unlisten(this, type, listener));
    }
    removeEventListener(type, callback, init = undefined) {
      need(2, arguments.length, 'removeEventListener');
      type = `${type}`;
      const capture = isObject(init) ? !!init.capture : !!init;
      const list = this.#lists?.[type];
      if (list === undefined) return;
      for (let i = 0; i < list.length; i++)
        if (list[i].callback === callback && list[i].capture === capture && !list[i].handler)
          return unlisten(this, type, list[i]);
    }
    dispatchEvent(event) {
      if (!(#lists in this)) throw new TypeError('not an EventTarget');
      if (!isEvent(event)) throw new TypeError('not an Event');
      return dispatch(this, event, false);
    }
    static {
      // An on<type> attribute is one listener, which keeps its place while the function changes.
      function call(target, event, { callback, handler }) {
        if (!handler && typeof callback !== 'function') {
          const { handleEvent } = callback;
          if (typeof handleEvent !== 'function') throw new TypeError('a listener has no function handleEvent');
          apply(handleEvent, callback, [event]);
        } else if (typeof callback === 'function' && apply(callback, target, [event]) === false && handler) {
          prevent(event);
        }
      }
      function hear(target, type, event, listener) {
        if (listener.once) unlisten(target, type, listener);
        if (listener.passive) setPassive(event, true);
        try {
          call(target, event, listener);
        } catch (error) {
          report(`a listener of "${type}" failed`, error);
        }
        if (listener.passive) setPassive(event, false);
      }
      // Calls those listeners that were there when it began.
      function pass(target, type, event, capture) {
        const list = target.#lists?.[type];
        if (list === undefined) return;
        if (list.length === 1) {
          if (list[0].capture === capture) hear(target, type, event, list[0]);
          return;
        }
        const heard = [];
        for (let i = 0; i < list.length; i++)
          if (list[i].capture === capture) heard[heard.length] = list[i];
        for (let i = 0; i < heard.length && !isStopped(event, STOP_NOW); i++)
          if (!heard[i].removed) hear(target, type, event, heard[i]);
      }
      dispatch = (target, event, trusted) => {
        const type = begin(event, target, trusted);
        let allowed;
        try {
          if (!isStopped(event, STOP)) pass(target, type, event, true);
          if (!isStopped(event, STOP)) pass(target, type, event, false);
        } finally {
          allowed = end(event);
        }
        return allowed;
      };
      listen = (target, type, listener) => {
        const lists = target.#lists ??= { __proto__: null };
        const list = lists[type] ??= [];
        list[list.length] = listener;
        if (type === 'abort' && isSignal(target)) keepSignal(target);
      };
      unlisten = (target, type, listener) => {
        const list = target.#lists?.[type];
        if (listener.removed || list === undefined) return;
        listener.removed = true;
        listener.off?.();
        let i = 0;
        while (i < list.length && list[i] !== listener) i++;
        for (; i + 1 < list.length; i++) list[i] = list[i + 1];
        list.length--;
        if (list.length === 0) delete target.#lists[type];
        if (type === 'abort' && isSignal(target)) keepSignal(target);
      };
      hears = (target, type) => target.#lists?.[type] !== undefined;
      handlers = (Class, ...types) => {
        for (const type of types)
          Object.defineProperty(Class.prototype, `on${type}`, {
            __proto__: null, configurable: true, enumerable: true,
            get() { return this.#handlers?.[type]?.callback ?? null; },
            set(value) {
              const listener = this.#handlers?.[type];
              if (!isObject(value)) {
                if (listener === undefined) return;
                delete this.#handlers[type];
                unlisten(this, type, listener);
              } else if (listener !== undefined) {
                listener.callback = value;
              } else {
                const made = { callback: value, capture: false, once: false, passive: false, handler: true, removed: false };
                (this.#handlers ??= { __proto__: null })[type] = made;
                listen(this, type, made);
              }
            },
          });
      };
    }
  }
  shown(EventTarget);

  // ---- signals
  // A signal of any() is held by its sources only while somebody waits for it, one of timeout() by its timer likewise:
  // else one long source would collect all signals that were ever made of it.
  const key = Symbol('signal');
  const expired = new FinalizationRegistry((timer) => web.timers.clear(timer));
  const timed = new Set(); // signals of timeout() that somebody waits for
  let abort, makeAborted, makeTimed, makeDependent;
  class AbortSignal extends EventTarget {
    #aborted = false; #reason = undefined;
    #algorithms = undefined; // Set of functions
    #sources = undefined; // of any(): signals that are not of any()
    #dependents = undefined; // weak references to those that have this one as a source
    #sweep = 16; // when that many are there, those that are gone are taken out
    #kept = undefined; // those of them that somebody waits for
    #timed = false;
    constructor(given = undefined) {
      if (given !== key) throw new TypeError('signals are made by an AbortController');
      super();
    }
    get aborted() { return this.#aborted; }
    get reason() { return this.#reason; }
    throwIfAborted() { if (this.#aborted) throw this.#reason; }
    static abort(reason = undefined) { return makeAborted(reason); }
    static timeout(ms) {
      need(1, arguments.length, 'timeout');
      return makeTimed(ms);
    }
    static any(signals) {
      need(1, arguments.length, 'any');
      return makeDependent(signals);
    }
    static {
      isSignal = (value) => isObject(value) && #aborted in value;
      function set(signal, reason) {
        signal.#aborted = true;
        signal.#reason = reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;
      }
      function tell(signal) {
        const algorithms = signal.#algorithms;
        signal.#algorithms = undefined;
        if (algorithms !== undefined)
          for (const algorithm of algorithms) {
            try {
              algorithm();
            } catch (error) {
              report('what was to be aborted failed', error);
            }
          }
        dispatch(signal, new Event('abort'), true);
        release(signal);
      }
      function release(signal) {
        timed.delete(signal);
        for (let i = 0; i < (signal.#sources?.length ?? 0); i++) signal.#sources[i].#kept?.delete(signal);
      }
      abort = (signal, reason) => {
        if (signal.#aborted) return;
        set(signal, reason);
        const dependents = signal.#dependents ?? [], told = [];
        signal.#dependents = undefined;
        for (let i = 0; i < dependents.length; i++) {
          const dependent = dependents[i].deref();
          if (dependent === undefined || dependent.#aborted) continue;
          set(dependent, signal.#reason);
          told[told.length] = dependent;
        }
        tell(signal);
        for (let i = 0; i < told.length; i++) tell(told[i]);
      };
      keepSignal = (signal) => {
        if (signal.#aborted || (signal.#sources === undefined && !signal.#timed)) return;
        if (!hears(signal, 'abort') && signal.#algorithms === undefined) return release(signal);
        if (signal.#timed) timed.add(signal);
        for (let i = 0; i < (signal.#sources?.length ?? 0); i++) (signal.#sources[i].#kept ??= new Set()).add(signal);
      };
      onAbort = (signal, fn) => {
        (signal.#algorithms ??= new Set()).add(fn);
        keepSignal(signal);
        return () => {
          signal.#algorithms?.delete(fn);
          if (signal.#algorithms?.size === 0) signal.#algorithms = undefined;
          keepSignal(signal);
        };
      };
      makeAborted = (reason) => {
        const signal = new AbortSignal(key);
        set(signal, reason);
        return signal;
      };
      makeTimed = (ms) => {
        ms = Math.trunc(Number(ms));
        if (!(ms >= 0 && ms <= Number.MAX_SAFE_INTEGER)) throw new TypeError('a timeout is a number of milliseconds');
        const signal = new AbortSignal(key), weak = new WeakRef(signal);
        signal.#timed = true;
        expired.register(signal, web.timers.add(() => {
          const due = weak.deref();
          if (due !== undefined) abort(due, new DOMException('The operation was aborted due to timeout', 'TimeoutError'));
        }, ms, [], false));
        return signal;
      };
      function depend(signal, source) {
        const dependents = source.#dependents ??= [], sources = signal.#sources;
        for (let i = 0; i < sources.length; i++) if (sources[i] === source) return;
        sources[sources.length] = source;
        if (dependents.length >= source.#sweep) {
          const alive = [];
          for (let i = 0; i < dependents.length; i++)
            if (dependents[i].deref() !== undefined) alive[alive.length] = dependents[i];
          source.#dependents = alive;
          source.#sweep = 2 * alive.length + 16;
        }
        source.#dependents[source.#dependents.length] = new WeakRef(signal);
      }
      makeDependent = (signals) => {
        if (!isObject(signals)) throw new TypeError('any needs signals');
        const all = [...signals];
        for (let i = 0; i < all.length; i++)
          if (!isSignal(all[i])) throw new TypeError('any needs signals');
        for (let i = 0; i < all.length; i++) if (all[i].#aborted) return makeAborted(all[i].#reason);
        const signal = new AbortSignal(key);
        signal.#sources = [];
        for (let i = 0; i < all.length; i++) {
          const source = all[i];
          if (source.#sources === undefined) depend(signal, source);
          else for (let k = 0; k < source.#sources.length; k++) depend(signal, source.#sources[k]);
        }
        return signal;
      };
    }
  }
  handlers(AbortSignal, 'abort');
  shown(AbortSignal);

  class AbortController {
    #signal = new AbortSignal(key);
    get signal() { return this.#signal; }
    abort(reason = undefined) { abort(this.#signal, reason); }
  }
  shown(AbortController);

  function reportError(error) {
    need(1, arguments.length, 'reportError');
    report('an error was reported', error);
  }

  // ---- tasks: one message of the process to itself for all that wait
  const tasks = [];
  let first = 0, coming = false; // whether one is under way
  const run = () => {
    coming = false;
    if (first === tasks.length) return;
    const fn = tasks[first];
    tasks[first++] = undefined;
    if (first === tasks.length) first = tasks.length = 0;
    poke();
    try {
      fn();
    } finally {
      poke();
    }
  };
  const poked = web.source(run);
  // Where there is no memory for it, the next that is given tries again.
  function poke() {
    if (coming || first === tasks.length) return;
    try {
      if (!web.host(op, poked)) web.timers.own(run, 1);
      coming = true;
    } catch {}
  }
  web.onRestore(() => {
    coming = false; // the message was in the mailbox
    poke();
  });
  function task(fn) {
    tasks[tasks.length] = fn;
    poke();
  }

  // ---- channels
  // What is posted is copied at once and waits at the other port until that has started.
  let entangle, deliver;
  class MessagePort extends EventTarget {
    #other = undefined; #queue = []; #first = 0; #started = false; #detached = false;
    constructor(given = undefined) {
      if (given !== key) throw new TypeError('ports are made by a MessageChannel');
      super();
    }
    postMessage(message, init = undefined) {
      need(1, arguments.length, 'postMessage');
      let transfer = options(init);
      if (transfer !== undefined && transfer[Symbol.iterator] === undefined) transfer = transfer.transfer;
      transfer = transfer === undefined ? [] : [...transfer];
      const other = this.#other, moved = [];
      for (let i = 0; i < transfer.length; i++)
        if (transfer[i] === this) throw new DOMException('a port cannot be sent through itself', 'DataCloneError');
      const data = web.clone(message, transfer, moved);
      if (other === undefined || other.#detached) return;
      const ports = [];
      for (let i = 0; i < moved.length; i++) if (isObject(moved[i]) && #queue in moved[i]) ports[ports.length] = moved[i];
      other.#queue[other.#queue.length] = { data, ports };
      if (other.#started) task(() => deliver(other));
    }
    start() {
      if (this.#started || this.#detached) return;
      this.#started = true;
      for (let i = this.#first; i < this.#queue.length; i++) task(() => deliver(this));
    }
    close() {
      const other = this.#other;
      this.#detached = true;
      this.#other = undefined;
      this.#queue = [];
      if (other === undefined) return;
      other.#other = undefined;
      task(() => dispatch(other, new Event('close'), true));
    }
    static {
      deliver = (port) => {
        if (port.#first >= port.#queue.length) return; // it was closed, or moved with all that waits
        const { data, ports } = port.#queue[port.#first];
        port.#queue[port.#first++] = undefined;
        if (port.#first === port.#queue.length) {
          port.#queue = [];
          port.#first = 0;
        }
        dispatch(port, new MessageEvent('message', { __proto__: null, data, ports }), true);
      };
      entangle = (a, b) => {
        a.#other = b;
        b.#other = a;
      };
      web.cloneable({
        is: (object) => #queue in object,
        move(port) {
          if (port.#detached) throw new DOMException('the port is closed', 'DataCloneError');
          const there = new MessagePort(key);
          there.#queue = port.#queue;
          there.#first = port.#first;
          if (port.#other !== undefined) entangle(there, port.#other);
          port.#other = undefined;
          port.#detached = true;
          port.#queue = [];
          port.#first = 0;
          return there;
        },
      });
    }
  }
  handlers(MessagePort, 'message', 'messageerror', 'close');
  const { get, set } = Object.getOwnPropertyDescriptor(MessagePort.prototype, 'onmessage');
  const { start } = MessagePort.prototype;
  Object.defineProperty(MessagePort.prototype, 'onmessage', {
    __proto__: null, get,
    set(value) {
      apply(set, this, [value]);
      apply(start, this, []);
    },
  });
  class MessageChannel {
    #port1 = new MessagePort(key); #port2 = new MessagePort(key);
    constructor() { entangle(this.#port1, this.#port2); }
    get port1() { return this.#port1; }
    get port2() { return this.#port2; }
  }
  shown(MessagePort);
  shown(MessageChannel);

  // ---- BroadcastChannel, which boot.js has, as an EventTarget
  const Inner = globalThis.BroadcastChannel;
  if (Inner !== undefined) {
    class BroadcastChannel extends EventTarget {
      #inner;
      constructor(name) {
        need(1, arguments.length, 'BroadcastChannel');
        super();
        this.#inner = new Inner(name);
        this.#inner.onmessage = ({ data, event }) => {
          const message = new MessageEvent('message', { __proto__: null, data });
          Object.defineProperty(message, 'event', { __proto__: null, value: event, enumerable: true });
          dispatch(this, message, true);
        };
      }
      get name() { return this.#inner.name; }
      postMessage(message, event = 'message') {
        need(1, arguments.length, 'postMessage');
        if (this.#inner.closed) throw new DOMException('this BroadcastChannel is closed', 'InvalidStateError');
        try {
          this.#inner.postMessage(message, event);
        } catch (error) {
          throw error instanceof TypeError ? new DOMException(error.message, 'DataCloneError') : error;
        }
      }
      close() { this.#inner.close(); }
    }
    handlers(BroadcastChannel, 'message', 'messageerror');
    shown(BroadcastChannel);
    web.define({ BroadcastChannel });
  }

  web.events = { __proto__: null, fire: (target, event) => dispatch(target, event, true), handlers, onAbort, isSignal, report, task, now, origin: () => web.host(op + 2), shown };
  web.define({ Event, CustomEvent, MessageEvent, ErrorEvent, CloseEvent, ProgressEvent, EventTarget, AbortSignal, AbortController,
    MessagePort, MessageChannel, reportError });
}
