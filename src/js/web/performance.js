// performance: the time since the process has started, marks and measures (High Resolution Time, User Timing).
export default function (web) {
  const { Number, Array, EventTarget, TypeError, DOMException } = globalThis;
  const { isFinite } = Number;
  const { now, origin, shown } = web.events;
  const { apply } = globalThis.Reflect;
  const { shift, sort } = Array.prototype;
  const MOST = 10000; // of entries: the oldest go
  const key = {}; // who has it may make entries
  let entries = [], keep, keyOf;

  class PerformanceEntry {
    #name; #type; #start; #duration;
    constructor(given = undefined, name = undefined, type = undefined, start = undefined, duration = undefined) {
      if (given !== key) throw new TypeError('entries are made by performance');
      this.#name = name;
      this.#type = type;
      this.#start = start;
      this.#duration = duration;
    }
    get name() { return this.#name; }
    get entryType() { return this.#type; }
    get startTime() { return this.#start; }
    get duration() { return this.#duration; }
    toJSON() { return { name: this.name, entryType: this.entryType, startTime: this.startTime, duration: this.duration }; }
    static {
      keep = (entry) => {
        if (entries.length >= MOST) apply(shift, entries, []);
        entries[entries.length] = entry;
        return entry;
      };
      keyOf = (entry) => ({ name: entry.#name, type: entry.#type, start: entry.#start });
    }
  }
  const detailOf = (options) => (options.detail === undefined || options.detail === null ? null : web.clone(options.detail));
  class PerformanceMark extends PerformanceEntry {
    #detail;
    constructor(name, options = undefined) {
      if (arguments.length === 0) throw new TypeError('a mark needs a name');
      name = `${name}`;
      if (options !== undefined && options !== null && typeof options !== 'object' && typeof options !== 'function') throw new TypeError('options are an object');
      let start = options?.startTime;
      start = start === undefined ? now() : Number(start);
      if (!isFinite(start) || start < 0) throw new TypeError('a time is no less than 0');
      super(key, name, 'mark', start, 0);
      this.#detail = detailOf(options ?? {});
    }
    get detail() { return this.#detail; }
    toJSON() { return { name: this.name, entryType: this.entryType, startTime: this.startTime, duration: this.duration, detail: this.#detail }; }
  }
  class PerformanceMeasure extends PerformanceEntry {
    #detail;
    constructor(given = undefined, name = undefined, start = undefined, duration = undefined, detail = undefined) {
      super(given, name, 'measure', start, duration);
      this.#detail = detail;
    }
    get detail() { return this.#detail; }
    toJSON() { return { name: this.name, entryType: this.entryType, startTime: this.startTime, duration: this.duration, detail: this.#detail }; }
  }

  // A time, or the name of a mark.
  function timeOf(value) {
    if (typeof value === 'number') {
      if (!isFinite(value) || value < 0) throw new TypeError('a time is no less than 0');
      return value;
    }
    const name = `${value}`;
    for (let i = entries.length - 1; i >= 0; i--) {
      const { type, name: given, start } = keyOf(entries[i]);
      if (type === 'mark' && given === name) return start;
    }
    throw new DOMException(`there is no mark "${name}"`, 'SyntaxError');
  }
  function select(name, type) {
    const found = [];
    for (let i = 0; i < entries.length; i++) {
      const of = keyOf(entries[i]);
      if ((name === undefined || of.name === name) && (type === undefined || of.type === type)) found[found.length] = entries[i];
    }
    return apply(sort, found, [(a, b) => keyOf(a).start - keyOf(b).start]);
  }
  function clear(type, name) {
    const left = [];
    for (let i = 0; i < entries.length; i++) {
      const of = keyOf(entries[i]);
      if (of.type !== type || (name !== undefined && of.name !== name)) left[left.length] = entries[i];
    }
    entries = left;
  }
  class Performance extends EventTarget {
    #brand = true;
    constructor(given = undefined) {
      if (given !== key) throw new TypeError('there is one performance only');
      super();
    }
    now() { return this.#brand && now(); }
    get timeOrigin() { return this.#brand && origin(); }
    toJSON() { return { timeOrigin: this.timeOrigin }; }
    mark(name, options = undefined) {
      if (arguments.length === 0) throw new TypeError('a mark needs a name');
      return this.#brand && keep(new PerformanceMark(name, options));
    }
    measure(name, from = undefined, to = undefined) {
      if (arguments.length === 0) throw new TypeError('a measure needs a name');
      name = `${name}`;
      let start, end, detail = null;
      if (this.#brand && typeof from === 'object' && from !== null) {
        const { start: first, end: last, duration } = from;
        const given = first !== undefined || last !== undefined || duration !== undefined || from.detail !== undefined;
        if (given && to !== undefined) throw new TypeError('an end is in the options');
        if (given && first === undefined && last === undefined) throw new TypeError('a start or an end is needed');
        if (first !== undefined && last !== undefined && duration !== undefined) throw new TypeError('two of start, end and duration say it');
        if (last !== undefined) end = timeOf(last);
        else if (first !== undefined && duration !== undefined) end = timeOf(first) + timeOf(duration);
        else end = to === undefined ? now() : timeOf(to);
        if (first !== undefined) start = timeOf(first);
        else start = last !== undefined && duration !== undefined ? end - timeOf(duration) : 0;
        detail = detailOf(from);
      } else {
        end = to === undefined ? now() : timeOf(to);
        start = from === undefined ? 0 : timeOf(from);
      }
      return keep(new PerformanceMeasure(key, name, start, end - start, detail));
    }
    clearMarks(name = undefined) { if (this.#brand) clear('mark', name === undefined ? undefined : `${name}`); }
    clearMeasures(name = undefined) { if (this.#brand) clear('measure', name === undefined ? undefined : `${name}`); }
    getEntries() { return this.#brand && select(undefined, undefined); }
    getEntriesByType(type) {
      if (arguments.length === 0) throw new TypeError('a type is needed');
      return this.#brand && select(undefined, `${type}`);
    }
    getEntriesByName(name, type = undefined) {
      if (arguments.length === 0) throw new TypeError('a name is needed');
      return this.#brand && select(`${name}`, type === undefined ? undefined : `${type}`);
    }
  }
  for (const Class of [PerformanceEntry, PerformanceMark, PerformanceMeasure, Performance]) shown(Class);

  web.define({ performance: new Performance(key), Performance, PerformanceEntry, PerformanceMark, PerformanceMeasure });
}
