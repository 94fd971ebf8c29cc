// What a script finds beside the language. Evaluated once for each image, before the script; `host` is the one way out,
// its first argument is a number: of src/js/beam.h, or of a module's operation (src/js/web/web.h). Returns the functions that the host calls.
(function (host, limits) {
  'use strict';
  const LOG = 0, CALL = 1, CALL_SYNC = 2, SEND = 3, SELF = 4, ID = 5, MONITOR = 6, DEMONITOR = 7, LINK = 8, UNLINK = 9,
    EXIT = 10, NOW = 11, TIMER = 12, SETTLED = 13, TEXT = 14, SUBSCRIBE = 15, UNSUBSCRIBE = 16, PUBLISH = 17,
    SPAWN = 18, REGISTER = 19, UNREGISTER = 20, WHEREIS = 21, UNIQUE = 22, MAKE_REF = 23, NANOSECONDS = 24, UUID = 25,
    HASH = 26, ESCAPE = 27, PEEK = 28, PROCESS_INFO = 29, SYSTEM_INFO = 30, PASSWORD = 31;
  const global = globalThis;
  const { Map, Set, WeakMap, WeakSet, Promise, Error, TypeError, RangeError, Symbol, Array, Object, String, Number, Boolean, JSON,
    BigInt, Date, RegExp, ArrayBuffer, SharedArrayBuffer, DataView, Uint8Array, Reflect, Function, eval: evaluate, parseInt } = global;

  // What is on the stack may be `host` or a function of ours: Error.prepareStackTrace gets their names and places, not them.
  Error.prepareStackTrace = (error, sites) => sites;
  const callSite = Object.getPrototypeOf(new Error().stack[0]), { getFunction } = callSite; // for debug.js
  delete callSite.getFunction;
  Error.prepareStackTrace = undefined;

  // The engine makes built-in functions when they are first looked at. Those that most programs use are made here, once for all.
  const iterators = [[].values(), new Map().keys(), new Set().keys(), ''.matchAll(/a/g)];
  for (const object of [Object, Function, Array, String, Number, Symbol, Date, Map, Set, Promise, RegExp, Error].flatMap((one) => [one, one.prototype])
    .concat(global, Math, JSON, iterators.map(Object.getPrototypeOf)))
    for (const key of Reflect.ownKeys(object)) Object.getOwnPropertyDescriptor(object, key);

  const { apply } = Reflect, { withResolvers } = Promise, { then } = Promise.prototype;
  const { slice } = String.prototype, { toString: bigText } = BigInt.prototype;
  // Maps of ours: with functions of their own, as they were. Of those that scripts replace, none gets at what they hold.
  class OwnMap extends Map {}
  Object.defineProperties(OwnMap.prototype, Object.getOwnPropertyDescriptors(Map.prototype));

  // ---- pids and references: made by the host only; what they are is under a key that no script can name
  class Pid {
    constructor() { throw new TypeError('pids are not made by scripts'); }
    toString() { return host(TEXT, this); }
    toJSON() { return host(TEXT, this); }
  }
  class Ref {
    constructor() { throw new TypeError('references are not made by scripts'); }
    toString() { return host(TEXT, this); }
    toJSON() { return host(TEXT, this); }
  }

  // ---- text for people: as Node's util.inspect has it in one line ({ compact: true, breakLength: Infinity }), but that no
  // proxy is seen through. It is all made when it is asked for: what lies in the image costs each process that writes beside it.
  const DEPTH = 2, ITEMS = 100, STRING_MAX = 10000, ROOM = 1 << 16; // characters, behind which no object is opened
  function inspect(value, depth = DEPTH) {
    const { getOwnPropertyDescriptor: descriptorOf, getPrototypeOf, getOwnPropertySymbols, hasOwn, keys } = Object;
    const path = [], isView = ArrayBuffer.isView, isIndex = (key) => typeof key === 'string' && /^(0|[1-9]\d{0,9})$/.test(key);
    let room = ROOM, circles;
    const attempt = (fn, object, ...args) => {
      try {
        return apply(fn, object, args);
      } catch {} // it is none of that kind, whatever its prototype is
    };
    const native = (Class, name, object) => (object instanceof Class ? attempt(Class.prototype[name], object) : undefined);
    const sizeOf = (Class, object) => (object instanceof Class ? attempt(descriptorOf(Class.prototype, 'size').get, object) : undefined);
    const plural = (n, what) => `${n} ${what}${n === 1 ? '' : 's'}`;
    const more = (n, what) => `... ${n} more ${what}${n === 1 ? '' : 's'}`;

    function escaped(c, mark) {
      if (c === "'") return mark === c ? "\\'" : c;
      const at = '\b\t\n\f\r\\'.indexOf(c), code = c.charCodeAt(0);
      if (at >= 0) return '\\' + 'btnfr\\'[at];
      return code > 255 ? `\\u${code.toString(16)}` : `\\x${code.toString(16).toUpperCase().padStart(2, '0')}`;
    }
    function quoted(text) {
      const mark = !text.includes("'") ? "'" : !text.includes('"') ? '"' : text.includes('`') || text.includes('${') ? "'" : '`';
      const cut = text.length > STRING_MAX ? text.slice(0, STRING_MAX) : text;
      const made = mark + cut.replace(/[\0-\x1f\x7f-\x9f'\\\ud800-\udfff]/gu, (c) => escaped(c, mark)) + mark;
      return cut === text ? made : made + more(text.length - STRING_MAX, 'character');
    }
    function className(object) {
      for (let holder = object; holder !== null; holder = getPrototypeOf(holder)) {
        const made = descriptorOf(holder, 'constructor')?.value;
        if (typeof made === 'function' && typeof made.name === 'string' && made.name !== '' && object instanceof made) return made.name;
      }
      return null;
    }
    function tagOf(object) {
      const tag = object[Symbol.toStringTag];
      return typeof tag !== 'string' || Object.prototype.propertyIsEnumerable.call(object, Symbol.toStringTag) ? '' : tag;
    }
    function headOf(name, tag, kind, size = '') {
      if (name === null) return `[${kind}${size}: null prototype] ` + (tag !== '' && tag !== kind ? `[${tag}] ` : '');
      return `${name}${size} ` + (tag !== '' && tag !== name ? `[${tag}] ` : '');
    }
    function namesOf(object) {
      const symbols = getOwnPropertySymbols(object).filter((key) => Object.prototype.propertyIsEnumerable.call(object, key));
      if (isView(object) || (Array.isArray(object) && object.length > 1000)) return symbols; // or each index were a string
      const names = keys(object);
      return (Array.isArray(object) ? names.filter((key) => !isIndex(key)) : names).concat(symbols);
    }
    function nameOf(key, hidden) {
      if (typeof key === 'symbol') return `[${String(key)}]`;
      if (key === '__proto__') return "['__proto__']";
      return hidden ? `[${key}]` : /^[A-Za-z_]\w*$/.test(key) ? key : quoted(key);
    }
    function held(object, key, level) {
      const found = descriptorOf(object, key) ?? { value: object[key] };
      if (found.value !== undefined) return show(found.value, level + 1);
      if (found.get !== undefined) return found.set === undefined ? '[Getter]' : '[Getter/Setter]';
      return found.set === undefined ? 'undefined' : '[Setter]';
    }

    // What each kind is: {base, open, close, none: whether it holds nothing but properties, names, fill(add, level)}
    function ofFunction(fn, name, tag) {
      const source = apply(Function.prototype.toString, fn, []);
      if (source.startsWith('class') && source.endsWith('}')) {
        const above = getPrototypeOf(fn);
        let base = `[class ${hasOwn(fn, 'name') && fn.name !== '' ? fn.name : '(anonymous)'}`;
        if (name !== 'Function' && name !== null) base += ` [${name}]`;
        if (tag !== '' && tag !== name) base += ` [${tag}]`;
        if (name === null) base += ' extends null';
        else if (above?.name) base += ` extends ${above.name}`;
        return base + ']';
      }
      const type = /^(Async)?(Generator)?Function$/.test(tag) ? tag : 'Function';
      let base = `[${type}${name === null ? ' (null prototype)' : ''}${fn.name === '' ? ' (anonymous)' : `: ${fn.name}`}]`;
      if (name !== type && name !== null) base += ` ${name}`;
      return tag !== '' && tag !== name ? `${base} [${tag}]` : base;
    }
    function ofError(error, names) {
      const head = apply(Error.prototype.toString, error, []), { stack } = error;
      const trace = typeof stack === 'string' ? stack.trimEnd() : '';
      const text = trace === '' ? head : trace.startsWith(head) || !/^ *at /.test(trace) ? trace : `${head}\n${trace}`;
      for (const key of ['name', 'message', 'stack']) {
        const at = names.indexOf(key);
        if (at >= 0 && text.includes(String(error[key]))) names.splice(at, 1);
      }
      for (const key of ['cause', 'errors']) if (hasOwn(error, key) && !names.includes(key)) names.push(key);
      return text.includes('\n    at') ? text : `[${text}]`;
    }
    function ofBox(object, name, tag, names) {
      for (const Class of [Number, String, Boolean, BigInt, Symbol]) {
        const primitive = native(Class, 'valueOf', object);
        if (primitive === undefined) continue;
        if (Class === String) names.splice(0, primitive.length);
        const own = Class.name === name ? '' : name === null ? ' (null prototype)' : ` (${name})`;
        return `[${Class.name}${own}: ${show(primitive, 0)}]` + (tag !== '' && tag !== name ? ` [${tag}]` : '');
      }
    }
    function fillArray(array, add, level) {
      let at = 0;
      for (let shown = 0; at < array.length && shown < ITEMS && room > 0; shown++) {
        if (isView(array) || hasOwn(array, at)) {
          add(isView(array) ? show(array[at], level) : held(array, at, level));
          at++;
          continue;
        }
        const from = at;
        while (at < array.length && at - from < 1e5 && !hasOwn(array, at)) at++;
        if (at - from === 1e5) at = Number(keys(array).find((key) => isIndex(key) && Number(key) >= at) ?? array.length);
        add(`<${plural(at - from, 'empty item')}>`);
      }
      if (at < array.length) add(more(array.length - at, 'item'));
    }
    function fillEntries(Class, object, size, add, level) {
      const entries = apply(Class.prototype.entries, object, []), ofMap = Class === Map;
      let left = size;
      for (let step = entries.next(); !step.done; step = entries.next(), left--) {
        if (size - left === ITEMS || room <= 0) return add(more(left, 'item'));
        const [key, value] = step.value;
        add(ofMap ? `${show(key, level + 1)} => ${show(value, level + 1)}` : show(key, level + 1));
      }
    }
    function fillBytes(buffer, add) {
      const bytes = new Uint8Array(buffer), shown = Array.from(bytes.subarray(0, ITEMS), (byte) => byte.toString(16).padStart(2, '0'));
      if (bytes.length > ITEMS) shown.push(more(bytes.length - ITEMS, 'byte'));
      add(`[Uint8Contents]: <${shown.join(' ')}>`);
      add(`byteLength: ${bytes.length}`);
    }
    function kindOf(object, name, tag, names) {
      const head = (kind, size) => headOf(name, tag, kind, size);
      if (Array.isArray(object)) {
        const open = name === 'Array' && tag === '' ? '[' : `${head('Array', `(${object.length})`)}[`;
        return { open, close: ']', none: object.length === 0, fill: fillArray };
      }
      for (const Class of [Map, Set]) {
        const size = sizeOf(Class, object);
        if (size !== undefined)
          return { open: `${head(Class.name, `(${size})`)}{`, none: size === 0, fill: (_, add, level) => fillEntries(Class, object, size, add, level) };
      }
      if (object instanceof DataView)
        return { open: `${head('DataView')}{`, fill: (_, add, level) => {
          for (const key of ['byteLength', 'byteOffset', 'buffer']) add(`${key}: ${show(object[key], level + 1)}`);
        } };
      if (isView(object)) return { open: `${head(tag, `(${object.length})`)}[`, close: ']', none: object.length === 0, fill: fillArray };
      if (typeof object === 'function') return { base: ofFunction(object, name, tag) };
      const state = host(PEEK, object, false);
      if (state >= 0) {
        return { open: `${head('Promise')}{`, fill: (_, add, level) => {
          add(state === 0 ? '<pending>' : (state > 1 ? '<rejected> ' : '') + show(host(PEEK, object, true), level + 1));
        } };
      }
      if (object instanceof Error) return { base: ofError(object, names) };
      const time = native(Date, 'getTime', object), regexp = native(RegExp, 'toString', object);
      if (time !== undefined) return { base: Number.isNaN(time) ? 'Invalid Date' : apply(Date.prototype.toISOString, object, []) };
      if (regexp !== undefined) return { base: regexp };
      const box = ofBox(object, name, tag, names);
      if (box !== undefined) return { base: box };
      for (const Class of [ArrayBuffer, SharedArrayBuffer])
        if (object instanceof Class) return { open: `${head(Class.name)}{`, fill: (_, add) => fillBytes(object, add) };
      for (const Class of [WeakMap, WeakSet])
        if (object instanceof Class) return { open: `${head(Class.name)}{`, fill: (_, add) => add('<items unknown>') };
      return { open: name === 'Object' && tag === '' ? '{' : `${head('Object')}{`, none: true };
    }
    function show(value, level) {
      switch (typeof value) {
        case 'string': return quoted(value);
        case 'number': return Object.is(value, -0) ? '-0' : String(value);
        case 'bigint': return `${value}n`;
        case 'object': case 'function': break;
        default: return String(value);
      }
      if (value === null) return 'null';
      if (value instanceof Pid || value instanceof Ref) return String(value);
      if (path.includes(value)) {
        circles ??= new Map();
        if (!circles.has(value)) circles.set(value, circles.size + 1);
        return `[Circular *${circles.get(value)}]`;
      }
      const name = className(value), tag = tagOf(value), names = namesOf(value);
      const { base, open = '{', close = '}', none = base !== undefined, fill } = kindOf(value, name, tag, names);
      if (none && names.length === 0) return base ?? open + close;
      if (level > depth || room <= 0) return name === null ? '[Object: null prototype]' : `[${headOf(name, tag, 'Object').trimEnd()}]`;
      const list = [];
      const add = (text) => {
        room -= text.length;
        list.push(text);
      };
      path.push(value);
      fill?.(value, add, level);
      for (let i = 0; i < names.length; i++) {
        if (i === ITEMS || (room <= 0 && i > 0)) {
          add(`... ${names.length - i} more`);
          break;
        }
        const hidden = descriptorOf(value, names[i])?.enumerable === false;
        add(`${nameOf(names[i], hidden)}: ${held(value, names[i], level)}`);
      }
      path.pop();
      const circle = circles?.get(value), mark = circle === undefined ? '' : `<ref *${circle}> `;
      const gap = base !== undefined && base.includes('\n') ? '\n  ' : ' ';
      return `${mark}${open}${base === undefined ? '' : ` ${base}`}${gap}${list.join(`,${gap}`)} ${close}`;
    }
    return show(value, 0);
  }
  const depthOf = (options) => (options?.depth === undefined ? DEPTH : options.depth === null ? Infinity : Number(options.depth));
  // The words of console.log: %s, %d, %i, %f, %j, %o, %O, %c and %% in the first, what is left behind it.
  function format(values) {
    const word = (value) => (typeof value === 'string' ? value : inspect(value));
    const [first] = values;
    if (typeof first !== 'string' || values.length === 1 || !first.includes('%')) return values.map(word).join(' ');
    const numeric = (value, read) => (typeof value === 'symbol' ? 'NaN' : inspect(read(value)));
    const ways = {
      s(value) {
        if (typeof value === 'bigint' || Object.is(value, -0)) return inspect(value);
        if (typeof value !== 'object' || value === null) return String(value);
        const { toString } = value; // the language's own says less than we do
        return typeof toString === 'function' && !apply(Function.prototype.toString, toString, []).includes('[native code]') ? String(value) : inspect(value, 0);
      },
      d: (value) => (typeof value === 'bigint' ? `${value}n` : numeric(value, Number)),
      i: (value) => (typeof value === 'bigint' ? `${value}n` : numeric(value, parseInt)),
      f: (value) => numeric(value, Number.parseFloat),
      j(value) {
        try {
          return `${JSON.stringify(value)}`;
        } catch (error) {
          if (/circular/.test(error?.message)) return '[Circular]';
          throw error;
        }
      },
      o: (value) => inspect(value, 4), O: (value) => inspect(value), c: () => '',
    };
    let next = 1;
    const text = first.replace(/%[sdifjoOc%]/g, (mark) => {
      if (mark === '%%') return '%';
      return next < values.length ? ways[mark[1]](values[next++]) : mark;
    });
    return [text, ...values.slice(next).map(word)].join(' ');
  }
  let indent = ''; // of console.group
  // values: what is shown as log shows it, or a function that makes the text.
  function log(level, values) {
    let text;
    try {
      text = typeof values === 'function' ? values() : format(values);
      if (indent !== '') text = indent + text.replaceAll('\n', `\n${indent}`);
    } catch {
      text = '[cannot be shown]';
    }
    host(LOG, level, text.length > 8192 ? text.slice(0, 8192) + '...' : text);
  }
  let labels; // of console.count and console.time: Maps
  const labelsOf = (kind) => (labels ??= { counts: new OwnMap(), times: new OwnMap() })[kind];
  const GROUPS_MAX = 40, LABELS_MAX = 1000;
  function count(label = 'default') {
    const counts = labelsOf('counts'), key = `${label}`, n = (counts.get(key) ?? 0) + 1;
    if (n > 1 || counts.size < LABELS_MAX) counts.set(key, n);
    log(1, [`${key}: ${n}`]);
  }
  // What has passed since console.time(label), which ends if `name` is timeEnd.
  function passed(name, label = 'default', ...values) {
    const times = labelsOf('times'), key = `${label}`, since = times.get(key);
    if (since === undefined) return log(2, [`No such label '${key}' for console.${name}()`]);
    if (name === 'timeEnd') times.delete(key);
    log(1, [`${key}: ${Date.now() - since}ms`, ...values]);
  }
  const console = {
    assert(condition, ...values) {
      if (condition) return;
      values[0] = `Assertion failed${values.length === 0 ? '' : `: ${values[0]}`}`;
      log(2, values);
    },
    count,
    countReset(label = 'default') { labelsOf('counts').delete(`${label}`); },
    dir(value, options) { log(1, () => inspect(value, depthOf(options))); },
    group(...values) {
      if (values.length > 0) log(1, values);
      if (indent.length < GROUPS_MAX) indent += '  ';
    },
    groupEnd() { indent = indent.slice(2); },
    table(data) { log(1, [data]); },
    time(label = 'default') {
      const times = labelsOf('times'), key = `${label}`;
      if (times.has(key)) log(2, [`Label '${key}' already exists for console.time()`]);
      else if (times.size < LABELS_MAX) times.set(key, Date.now());
    },
    timeEnd(label) { passed('timeEnd', label); },
    timeLog(label, ...values) { passed('timeLog', label, ...values); },
    trace(...values) {
      const stack = String(new Error().stack);
      log(2, () => `Trace${values.length === 0 ? '' : `: ${format(values)}`}\n${stack.slice(stack.indexOf('\n') + 1).trimEnd()}`);
    },
  };
  console.groupCollapsed = console.group;
  for (const [name, level] of [['debug', 0], ['log', 1], ['info', 1], ['warn', 2], ['error', 3]])
    console[name] = (...values) => log(level, values);

  // ---- timers: a heap by due time, of which the host arms the first
  const timers = new OwnMap(); // id -> timer
  // Without a prototype: what scripts put on that of arrays does not see what the heap holds.
  const newHeap = () => Object.setPrototypeOf([], null);
  let heap = newHeap(), nextTimer = 1, sequence = 0, armed = Infinity;
  const before = (a, b) => a.due < b.due || (a.due === b.due && a.sequence < b.sequence);
  function push(timer) {
    let i = heap.length;
    heap[i] = timer;
    while (i > 0) {
      const up = (i - 1) >> 1;
      if (!before(timer, heap[up])) break;
      heap[i] = heap[up];
      i = up;
    }
    heap[i] = timer;
  }
  function pop() {
    const top = heap[0], last = heap[heap.length - 1];
    heap.length--;
    if (heap.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++;
      if (!before(heap[child], last)) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
    return top;
  }
  function arm() {
    while (heap.length > 0 && !heap[0].live) pop();
    const due = heap.length > 0 ? heap[0].due : Infinity;
    if (due === armed) return;
    armed = due;
    host(TIMER, due === Infinity ? -1 : due < 0 ? 0 : due);
  }
  function schedule(timer, ms) {
    timer.due = host(NOW) + ms;
    timer.sequence = sequence++;
    push(timer);
    arm();
  }
  function add(fn, ms, args, repeats, ours = false) {
    if (typeof fn !== 'function') throw new TypeError('a timer needs a function');
    if (timers.size >= limits.timers && !ours) throw new RangeError(`more than ${limits.timers} timers`);
    ms = Number(ms);
    ms = ms >= 1 && ms <= 2147483647 ? Math.trunc(ms) : ms > 1 ? 2147483647 : 1;
    const timer = { id: nextTimer++, fn, args, every: repeats ? ms : 0, due: 0, sequence: 0, live: true };
    timers.set(timer.id, timer);
    schedule(timer, ms);
    return timer.id;
  }
  function clear(id) {
    const timer = timers.get(id);
    if (timer === undefined) return;
    timers.delete(id);
    timer.live = false;
    timer.fn = timer.args = undefined;
    // Those that were cancelled before their time must not fill the heap.
    if (heap.length > 64 && heap.length > 2 * timers.size) {
      const all = heap;
      heap = newHeap();
      for (let i = 0; i < all.length; i++) if (all[i].live) push(all[i]);
    }
    arm();
  }
  // Runs one timer that is due. Returns whether there may be another.
  function fire() {
    armed = Infinity;
    while (heap.length > 0 && !heap[0].live) pop();
    if (heap.length === 0 || heap[0].due > host(NOW)) {
      arm();
      return false;
    }
    const timer = pop(), { fn, args } = timer;
    if (timer.every > 0) {
      schedule(timer, timer.every);
    } else {
      timers.delete(timer.id);
      timer.live = false;
    }
    try {
      apply(fn, undefined, args);
    } finally {
      armed = NaN;
      arm();
    }
    return true;
  }
  // The clock that timers count by has gone on by so much while nothing ran: since the image was made, or a snapshot. After a reset
  // ids begin elsewhere: what is told of those before it must not reach who has them now.
  function rebase(ms, ids = 0) {
    lastId = (lastId + ids) % ID_MAX;
    for (let i = 0; i < heap.length; i++) heap[i].due += ms;
    armed = NaN;
    arm();
  }

  // ---- equal in what they hold, not in what they are
  const IDENTITY_ONLY = [Promise, WeakMap, WeakSet];
  const BOXES = [Number, String, Boolean, BigInt, Symbol];
  const isA = (object, kinds) => kinds.some((kind) => object instanceof kind);
  // seen: objects of the left that are being compared -> those of the right that they are compared with
  function equal(a, b, seen) {
    if (Object.is(a, b)) return true;
    if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
    if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b) || isA(a, IDENTITY_ONLY)) return false;
    if (a instanceof Pid || a instanceof Ref) return String(a) === String(b);
    const partners = seen.get(a);
    if (partners === undefined) seen.set(a, new Set([b]));
    else if (partners.has(b)) return true; // a cycle: equal, unless something else differs
    else partners.add(b);
    const same = equalInside(a, b, seen) && equalKeys(a, b, seen);
    if (!same) seen.get(a).delete(b);
    return same;
  }
  function equalInside(a, b, seen) {
    if (a instanceof Date) return Object.is(a.getTime(), b.getTime());
    if (a instanceof RegExp) return String(a) === String(b) && a.lastIndex === b.lastIndex;
    if (a instanceof Error) return a.name === b.name && a.message === b.message && equal(a.cause, b.cause, seen);
    if (a instanceof ArrayBuffer || a instanceof SharedArrayBuffer) return equalBytes(new Uint8Array(a), new Uint8Array(b));
    if (a instanceof DataView)
      return equalBytes(new Uint8Array(a.buffer, a.byteOffset, a.byteLength), new Uint8Array(b.buffer, b.byteOffset, b.byteLength));
    if (a instanceof Map) return a.size === b.size && equalMembers(a, b, seen, (key) => b.has(key) && equal(a.get(key), b.get(key), seen));
    if (a instanceof Set) return a.size === b.size && equalMembers(a, b, seen, (key) => b.has(key));
    if (isA(a, BOXES)) return Object.is(a.valueOf(), b.valueOf());
    return Array.isArray(a) === Array.isArray(b) && (!Array.isArray(a) || a.length === b.length);
  }
  const equalBytes = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);
  // In any order: each of the left has one of its own on the right. What is no object is there or is not; only objects are
  // compared one by one.
  function equalMembers(a, b, seen, isThere) {
    const keyed = a instanceof Map, isOpen = (member) => typeof (keyed ? member[0] : member) === 'object' && (keyed ? member[0] : member) !== null;
    const left = [];
    for (const member of a)
      if (isOpen(member)) left.push(member);
      else if (!isThere(keyed ? member[0] : member)) return false;
    const right = left.length === 0 ? [] : [...b].filter(isOpen);
    return left.every((member) => {
      const at = right.findIndex((other) => equal(member, other, seen));
      if (at >= 0) right.splice(at, 1);
      return at >= 0;
    });
  }
  const ownKeys = (object) => Reflect.ownKeys(object).filter((key) => Object.prototype.propertyIsEnumerable.call(object, key));
  function equalKeys(a, b, seen) {
    const keys = ownKeys(a);
    return keys.length === ownKeys(b).length &&
      keys.every((key) => Object.prototype.propertyIsEnumerable.call(b, key) && equal(a[key], b[key], seen));
  }

  // ---- promises, looked at from outside
  const STATES = ['pending', 'fulfilled', 'rejected'];
  const peek = (value) => (host(PEEK, value, false) > 0 ? host(PEEK, value, true) : value);
  peek.status = (value) => STATES[host(PEEK, value, false)] ?? 'fulfilled'; // what is no promise is there already
  Object.freeze(peek);

  // ---- calls and sources, by ids of one kind: what is told of one that is gone reaches no other
  const ID_MAX = 2147483647;
  let lastId = 0;
  function newId() {
    do
      lastId = lastId >= ID_MAX ? 1 : lastId + 1;
    while (pending.has(lastId) || sources.has(lastId));
    return lastId;
  }

  // ---- Beam
  let pending = new OwnMap(); // id of a call -> [resolve, reject]
  let watched = new OwnMap(); // text of a reference -> [function, pid]
  let receive;
  const Beam = {
    // Without a function that the constructor calls: the end of a turn that comes there would be its rejection.
    call(name, ...args) {
      const { promise, resolve, reject } = apply(withResolvers, Promise, []);
      try {
        const id = newId();
        host(CALL, id, String(name), args);
        pending.set(id, [resolve, reject]);
      } catch (error) {
        reject(error);
      }
      return promise;
    },
    callSync(name, ...args) { return host(CALL_SYNC, String(name), args); },
    send(pid, value) { host(SEND, pid, value); },
    onMessage(fn) {
      if (typeof fn !== 'function') throw new TypeError('onMessage needs a function');
      receive = fn;
    },
    self() { return host(SELF); },
    id() { return host(ID); },
    monitor(pid, fn) {
      if (typeof fn !== 'function') throw new TypeError('monitor needs a function');
      const ref = host(MONITOR, pid);
      watched.set(host(TEXT, ref), [fn, pid]);
      return ref;
    },
    demonitor(ref) { return watched.delete(host(TEXT, ref)) && host(DEMONITOR, ref); },
    link(pid) { host(LINK, pid); },
    unlink(pid) { host(UNLINK, pid); },
    exit(who, reason) {
      if (who instanceof Pid) return host(EXIT, String(reason ?? 'shutdown'), who);
      host(EXIT, who === undefined ? 'normal' : String(who));
    },
    sleep(ms) { return new Promise((resolve) => { add(resolve, ms, [], false); }); },
    spawn(source, arg) { return host(SPAWN, source === null ? null : String(source), arg); },
    register(name) { host(REGISTER, String(name)); },
    unregister(name) { return host(UNREGISTER, String(name)); },
    whereis(name) { return host(WHEREIS, String(name)); },
    uniqueInteger() { return host(UNIQUE); },
    makeRef() { return host(MAKE_REF); },
    nanoseconds() { return host(NANOSECONDS); },
    randomUUIDv7() { return host(UUID); },
    inspect(value, options) { return inspect(value, depthOf(options)); },
    deepEquals(a, b) { return equal(a, b, new Map()); },
    hash(value, range = 2 ** 32) { return host(HASH, value, Number(range)); },
    escapeHTML(text) { return host(ESCAPE, String(text)); },
    peek,
    processInfo() { return Object.assign(host(PROCESS_INFO), { id: host(ID) }); },
    systemInfo() { return host(SYSTEM_INFO); },
    password: Object.freeze({
      hash(text, options) {
        return new Promise((resolve, reject) => {
          const rounds = options?.rounds;
          askLong((id) => host(PASSWORD, id, undefined, text, rounds), undefined, resolve, reject);
        });
      },
      verify(hash, text) {
        return new Promise((resolve, reject) => { askLong((id) => host(PASSWORD, id, hash ?? null, text), undefined, resolve, reject); });
      },
    }),
    version: limits.version,
  };

  // ---- messages of BroadcastChannel as JSON: an object that JSON can hold goes as it is, everything else as {"data": ...}
  // with {"$": kind, "value": text} where JSON has no word. What has only the key "data" is so read back without doubt.
  const UNSENDABLE = [Map, Set, WeakMap, WeakSet, Promise];
  const isRecord = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
  const holdsData = (value) => isRecord(value) && Object.keys(value).join() === 'data';
  function pack(value) {
    let marked = false; // whether JSON had no word somewhere
    const mark = ($, text) => { marked = true; return { $, value: text }; };
    function packObject(object, depth) {
      if (depth >= 64) throw new RangeError('a message has more than 64 levels');
      if (object instanceof Pid || object instanceof Ref) return String(object);
      if (object instanceof Date) return mark('date', object.getTime());
      if (object instanceof ArrayBuffer) return mark('bytes', hex(new Uint8Array(object)));
      if (object instanceof Uint8Array) return mark('bytes', hex(object));
      if (ArrayBuffer.isView(object) || UNSENDABLE.some((kind) => object instanceof kind))
        throw new TypeError(`a ${object.constructor?.name} cannot be sent`);
      if (object instanceof Error) return { name: object.name, message: object.message, stack: object.stack };
      if (Array.isArray(object)) return Array.from(object, (v) => packAny(v, depth + 1));
      const record = Object.create(null); // "__proto__" is a key as any other
      for (const key of Object.keys(object)) record[key] = packAny(object[key], depth + 1);
      return '$' in record ? mark('object', record) : record;
    }
    function packAny(any, depth) {
      switch (typeof any) {
        case 'undefined': return mark('undefined');
        case 'bigint': return mark('bigint', String(any));
        case 'number': return Number.isFinite(any) && !Object.is(any, -0) ? any : mark('number', Object.is(any, -0) ? '-0' : String(any));
        case 'object': return any === null ? null : packObject(any, depth);
        case 'function': case 'symbol': throw new TypeError(`a ${typeof any} cannot be sent`);
        default: return any;
      }
    }
    const packed = packAny(value, 0);
    return JSON.stringify(marked || !isRecord(packed) || holdsData(packed) ? { data: packed } : packed);
  }
  const UNPACK = {
    undefined: () => undefined,
    bigint: (text) => BigInt(text),
    number: (text) => Number(text),
    date: (ms) => new Date(ms ?? NaN),
    bytes: (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16)),
    object: (record) => unpackEach(record),
  };
  function unpackEach(object) {
    for (const key of Object.keys(object)) object[key] = unpackAny(object[key]);
    return object;
  }
  function unpackAny(value) {
    if (typeof value !== 'object' || value === null) return value;
    if (Object.hasOwn(value, '$') && Object.hasOwn(UNPACK, value.$)) return UNPACK[value.$](value.value);
    return unpackEach(value);
  }
  const unpack = (payload) => (holdsData(payload) ? unpackAny(payload.data) : payload);
  const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

  // ---- BroadcastChannel: a topic of PubSub, whose other members may be scripts, C and sockets
  const open = new OwnMap(); // topic -> Set of channels
  const BroadcastChannel = limits.topics === 0 ? undefined : class BroadcastChannel {
    #name; #listeners = new Map(); // function -> whether once only
    onmessage = null;
    constructor(name) {
      this.#name = String(name);
      let all = open.get(this.#name);
      if (all === undefined) {
        if (open.size >= limits.topics) throw new RangeError(`more than ${limits.topics} topics`);
        host(SUBSCRIBE, this.#name);
        open.set(this.#name, all = new Set());
      }
      all.add(this);
    }
    get name() { return this.#name; }
    get closed() { return open.get(this.#name)?.has(this) !== true; }
    postMessage(value, event = 'message') {
      const all = open.get(this.#name);
      if (this.closed) throw new Error('this BroadcastChannel is closed');
      const text = pack(value), named = String(event);
      host(PUBLISH, this.#name, named, text);
      for (const other of all)
        if (other !== this) Promise.resolve().then(() => { if (all.has(other)) other.#hear(named, unpack(JSON.parse(text))); });
    }
    addEventListener(type, fn, options) {
      if (type === 'message' && typeof fn === 'function') this.#listeners.set(fn, options?.once === true);
    }
    removeEventListener(type, fn) { if (type === 'message') this.#listeners.delete(fn); }
    close() {
      const all = open.get(this.#name);
      if (all === undefined || !all.delete(this) || all.size > 0) return;
      open.delete(this.#name);
      host(UNSUBSCRIBE, this.#name);
    }
    #hear(event, data) {
      const message = { type: 'message', data, event, target: this };
      const heard = [...this.#listeners];
      if (typeof this.onmessage === 'function') heard.unshift([this.onmessage, false]);
      for (const [fn, once] of heard) {
        if (once) this.#listeners.delete(fn);
        try {
          fn.call(this, message);
        } catch (error) {
          log(3, [`a listener of BroadcastChannel ${this.#name} failed:`, error]);
        }
      }
    }
    static hear(topic, event, payload) {
      const data = unpack(payload);
      for (const channel of [...(open.get(topic) ?? [])]) channel.#hear(event, data);
    }
  };
  const hear = BroadcastChannel?.hear;
  if (hear !== undefined) delete BroadcastChannel.hear;

  // ---- what keeps a worker busy: two at a time, the others after them in their order. What comes of it may be a
  // key that scripts must not see: resolve(value) or reject(error) are called with it, since scripts may look at any promise.
  let busy = 0, firstLong, lastLong; // those that wait
  // start(id) as that of web.ask, but that it calls nothing of the script's. wait(), if it is given, is called when it does not
  // start at once.
  function askLong(start, wait, resolve, reject) {
    const job = { __proto__: null, start, resolve, reject, next: undefined };
    if (firstLong === undefined) firstLong = job; else lastLong.next = job;
    lastLong = job;
    if (busy < 2) startLong(); else wait?.();
  }
  function startLong() {
    while (busy < 2 && firstLong !== undefined) {
      const job = firstLong, id = newId();
      firstLong = job.next;
      try {
        job.start(id);
      } catch (error) {
        job.reject(error);
        continue;
      }
      const ended = (settle) => (value) => { busy--; startLong(); settle(value); };
      busy++;
      pending.set(id, [ended(job.resolve), ended(job.reject)]);
    }
  }

  // ---- what modules of the web platform are given
  const sources = new OwnMap(); // id -> function
  const restorers = [];
  const web = {
    __proto__: null, host, limits, inspect, log, global, Pid, Ref,
    // own(fn, ms): what modules need one of, whether or not the script has as many timers as it may.
    timers: { add, clear, own: (fn, ms) => add(fn, ms, [], false, true) },
    // Makes names global as the language's own are.
    define(names) {
      for (const name of Object.keys(names))
        Object.defineProperty(global, name, { value: names[name], writable: true, configurable: true, enumerable: false });
    },
    // A promise of what a process answers, which start(id) has the host start (beam_start).
    ask(start) {
      return new Promise((resolve, reject) => {
        const id = newId();
        start(id);
        pending.set(id, [resolve, reject]);
      });
    },
    askLong,
    // fn is called with each value that a process tells with this id (web_tell), until it is dropped; with undefined and
    // true where there was no memory for one.
    source(fn, id = newId()) {
      sources.set(id, fn);
      return id;
    },
    drop(id) { return sources.delete(id); },
    // fn is called when the process begins as a snapshot: what worked for it outside is gone.
    onRestore(fn) { restorers[restorers.length] = fn; },
  };
  function told(id, value, lost) {
    const fn = sources.get(id);
    if (fn !== undefined) return fn(value, lost);
  }

  // ---- what the host's tools ask
  let builtIn; // names of globals before the script
  const tools = {
    seal() { builtIn = new Set(Reflect.ownKeys(global)); },
    // The source sees the variables as if it stood in a function that has them.
    eval(source, vars) {
      const names = Object.keys(vars);
      for (const name of names)
        if (!/^[A-Za-z_$][\w$]*$/.test(name) || name === 'eval' || name === 'arguments') throw new TypeError(`'${name}' is no name of a variable`);
      // `eval` is given, too: only under this name, and being that function, does it see what is around it
      return Function('eval', ...names, 'return eval(arguments[arguments.length - 1])')(
        evaluate, ...names.map((name) => vars[name]), source);
    },
    globals() { return Reflect.ownKeys(global).filter((key) => typeof key === 'string' && !builtIn.has(key)); },
    get(name) { return global[name]; },
    set(name, value) { global[name] = value; },
  };

  // The process begins as a snapshot. Everything that is told runs on its own: one that fails keeps nobody from it.
  function attempt(fn, a, b, c) {
    try {
      fn(a, b, c);
    } catch (error) {
      log(3, ['restored from a snapshot, but:', error]);
    }
  }
  function restored(ms) {
    const calls = pending, watches = watched;
    pending = new OwnMap();
    watched = new OwnMap();
    rebase(ms);
    open.forEach((_, topic) => attempt(host, SUBSCRIBE, topic));
    for (let i = 0; i < restorers.length; i++) attempt(restorers[i]);
    calls.forEach((call) => {
      call[1](new Error('the process was restored from a snapshot: what became of the call is not known'));
    });
    watches.forEach((watch) => attempt(watch[0], watch[1], 'restored'));
  }

  function fail(name, message) {
    const made = typeof global[name] === 'function' ? new global[name](message) : new Error(message);
    if (made instanceof Error) return made;
    return new Error(message);
  }

  const shown = {
    console, Beam: Object.freeze(Beam),
    ...(hear === undefined ? {} : { BroadcastChannel }),
    setTimeout: (fn, ms, ...args) => add(fn, ms, args, false),
    setInterval: (fn, ms, ...args) => add(fn, ms, args, true),
    clearTimeout: clear, clearInterval: clear,
  };
  if (global.queueMicrotask === undefined)
    shown.queueMicrotask = (fn) => { Promise.resolve().then(() => fn()); };
  web.define(shown);

  return [
    Pid.prototype, Ref.prototype, fire, rebase,
    (value, from) => { if (receive !== undefined) return receive(value, from); log(2, ['a message was dropped: no Beam.onMessage']); },
    (id, ok, value) => {
      const call = pending.get(id);
      pending.delete(id);
      if (ok) call[0](value); else call[1](new Error(value));
    },
    (key, pid, reason) => {
      const watch = watched.get(key);
      watched.delete(key);
      if (watch !== undefined) return watch[0](pid, reason);
    },
    (id, promise) => { apply(then, promise, [(v) => host(SETTLED, id, true, v), (e) => host(SETTLED, id, false, e)]); },
    fail,
    (big) => apply(bigText, big, [16]),
    (hex) => hex[0] === '-' ? -BigInt('0x' + apply(slice, hex, [1])) : BigInt('0x' + hex),
    hear, web, told, restored,
    () => [timers.size, watched.size, open.size, sources.size], getFunction,
    (name, ...args) => tools[name](...args),
  ];
})
