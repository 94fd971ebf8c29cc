// What a debugger sees of a process: evaluated once for each image, behind boot.js and before the script, which can replace
// what is global but not what is kept here; so it loops by index and puts texts together by +, as templates and iteration go
// through prototypes. Nothing in here calls a getter of the script, or takes its word for what is a
// function; code of a script runs in here where it has made a Proxy, and that has a limit (debug.c).
(function (getFunction) {
  'use strict';
  const { Error, Object, Reflect, Map, Set, Date, RegExp, ArrayBuffer, DataView, String,
    JSON } = globalThis;
  const { getOwnPropertyDescriptor, getPrototypeOf, is } = Object, { apply, ownKeys } = Reflect, { isArray } = Array;
  const { stringify } = JSON, { slice, startsWith } = String.prototype;
  const { isView } = ArrayBuffer, { toString: sourceOf } = Function.prototype;
  const getter = (of, name) => getOwnPropertyDescriptor(of, name).get;

  // ---- the stack
  const prepare = getOwnPropertyDescriptor(Error, 'prepareStackTrace'), limit = getOwnPropertyDescriptor(Error, 'stackTraceLimit');
  const lineOf = getter(Function.prototype, 'lineNumber'), columnOf = getter(Function.prototype, 'columnNumber');
  let sites = [];
  const keep = (error, all) => { sites = all; };
  function look() {
    const was = apply(prepare.get, Error, []), most = apply(limit.get, Error, []);
    sites = undefined;
    apply(prepare.set, Error, [keep]);
    apply(limit.set, Error, [64]);
    new Error();
    apply(limit.set, Error, [most]);
    apply(prepare.set, Error, [was]);
    return sites;
  }
  const { getFunctionName, getFileName, getLineNumber, getColumnNumber } = getPrototypeOf(look()[0]);
  // Innermost first; the first two are ours. Parts of a frame end in \x01: name, file, line and column of the call that it
  // is in (0: not known), line and column of the function.
  function frames(places) {
    const all = look();
    let text = '';
    for (let i = 2; all !== undefined && i < all.length; i++) {
      const site = all[i], fn = apply(getFunction, site, []), file = apply(getFileName, site, []);
      const line = places ? apply(getLineNumber, site, []) : 0, column = places ? apply(getColumnNumber, site, []) : 0;
      const ours = typeof fn === 'function';
      text += (apply(getFunctionName, site, []) ?? '') + '\x01' + (file ?? '') + '\x01' + (line > 0 ? line : 0) + '\x01' +
        (column > 0 ? column : 0) + '\x01' + ((ours && apply(lineOf, fn, [])) || 0) + '\x01' +
        ((ours && apply(columnOf, fn, [])) || 0) + '\x01';
    }
    return text;
  }

  // ---- variables
  const sizeOf = { Map: getter(Map.prototype, 'size'), Set: getter(Set.prototype, 'size') };
  const nextOf = { Map: new Map().entries().next, Set: new Set().values().next };
  const entriesOf = { Map: Map.prototype.entries, Set: Set.prototype.values };
  const lengthOf = getter(getPrototypeOf(Uint8Array.prototype), 'length');
  const { getTime, toISOString } = Date.prototype, { toString: regexpText } = RegExp.prototype;
  const cut = (text, length) => (text.length > length ? apply(slice, text, [0, length]) + '...' : text);

  // Who made it: the name of the constructor, as far as it stands there.
  function maker(value) {
    const prototype = getPrototypeOf(value);
    const made = prototype === null ? undefined : getOwnPropertyDescriptor(prototype, 'constructor')?.value;
    const name = typeof made === 'function' ? getOwnPropertyDescriptor(made, 'name')?.value : undefined;
    return typeof name === 'string' ? cut(name, 64) : '';
  }
  function kind(value) {
    if (value === null) return 'null';
    if (typeof value === 'function') return apply(startsWith, apply(sourceOf, value, []), ['class']) ? 'class' : 'function';
    if (typeof value !== 'object') return typeof value;
    if (isArray(value)) return 'array';
    return maker(value) || 'object';
  }
  function listed(parts, more, open, close) {
    let text = '';
    for (let i = 0; i < parts.length; i++) text += (i > 0 ? ', ' : '') + parts[i];
    if (more > 0) text += (parts.length > 0 ? ', ' : '') + more + ' more';
    return open + text + close;
  }
  function collection(value, name, size, depth) {
    const all = apply(entriesOf[name], value, []), parts = [];
    for (let i = 0; i < size && i < 5; i++) {
      const { value: entry } = apply(nextOf[name], all, []);
      parts[i] = name === 'Map' ? shown(entry[0], depth + 1) + ' => ' + shown(entry[1], depth + 1) : shown(entry, depth + 1);
    }
    return listed(parts, size - parts.length, name + '(' + size + ') {', '}');
  }
  function property(object, key, depth) {
    const found = getOwnPropertyDescriptor(object, key);
    if (found === undefined) return 'empty';
    return 'value' in found ? shown(found.value, depth + 1) : '[getter]';
  }
  function object(value, depth) {
    if (depth > 2) return isArray(value) ? '[...]' : '{...}';
    const parts = [];
    if (isArray(value) || isView(value)) {
      const length = isArray(value) ? getOwnPropertyDescriptor(value, 'length').value : value instanceof DataView ? 0 : apply(lengthOf, value, []);
      for (let i = 0; i < length && i < 10; i++) parts[i] = property(value, i, depth);
      return listed(parts, length - parts.length, (isArray(value) ? '' : maker(value)) + '[', ']');
    }
    if (value instanceof Map) return collection(value, 'Map', apply(sizeOf.Map, value, []), depth);
    if (value instanceof Set) return collection(value, 'Set', apply(sizeOf.Set, value, []), depth);
    if (value instanceof Date) return is(apply(getTime, value, []), NaN) ? 'Invalid Date' : apply(toISOString, value, []);
    if (value instanceof RegExp) return apply(regexpText, value, []);
    if (value instanceof Error) {
      const message = getOwnPropertyDescriptor(value, 'message')?.value;
      return maker(value) + ': ' + (typeof message === 'string' ? cut(message, 200) : '');
    }
    const keys = ownKeys(value), made = maker(value);
    for (let i = 0; i < keys.length && i < 10; i++)
      parts[i] = (typeof keys[i] === 'symbol' ? shown(keys[i]) : cut(keys[i], 64)) + ': ' + property(value, keys[i], depth);
    return listed(parts, keys.length - parts.length, made === '' || made === 'Object' ? '{' : made + ' {', '}');
  }
  const { toString: symbolText } = Symbol.prototype;
  function shown(value, depth = 0) {
    switch (typeof value) {
      case 'string': return stringify(cut(value, depth === 0 ? 200 : 50));
      case 'bigint': return cut(String(value), 200) + 'n';
      case 'symbol': return cut(apply(symbolText, value, []), 100);
      case 'function': return cut(String(getOwnPropertyDescriptor(value, 'name')?.value ?? ''), 64) || 'anonymous';
      case 'object': break;
      default: return String(value);
    }
    if (value === null) return 'null';
    try {
      return cut(object(value, depth), 1000);
    } catch {
      return '[cannot be shown]';
    }
  }
  const given = new Set();
  for (const name of ownKeys(globalThis)) given.add(name);
  const { has } = Set.prototype;
  function add(all, name, scope, value) {
    let what = 'object';
    try { what = kind(value); } catch { /* a Proxy that refuses */ }
    all[all.length] = { name, scope, kind: what, text: shown(value) };
  }
  // `module` is what the loader has put behind the script's own text: without an argument its names, else the value of one.
  function variables(module) {
    const all = [], names = module === undefined ? [] : module();
    for (let i = 0; i < names.length && all.length < 1000; i++) {
      let value;
      try { value = module(i); } catch { continue; } // not there, or not yet
      add(all, names[i], 'module', value);
    }
    const now = ownKeys(globalThis);
    for (let i = 0; i < now.length && all.length < 1000; i++) {
      if (typeof now[i] !== 'string' || apply(has, given, [now[i]])) continue;
      const found = getOwnPropertyDescriptor(globalThis, now[i]);
      if (found === undefined) continue;
      if ('value' in found) add(all, now[i], 'global', found.value);
      else all[all.length] = { name: now[i], scope: 'global', kind: 'getter', text: '[getter]' };
    }
    return all;
  }

  return [frames, variables];
})
