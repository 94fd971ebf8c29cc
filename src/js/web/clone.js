// Structured cloning (HTML Standard, 2.7), within one process: what is given is copied at once, without a form between.
// It walks with a stack of its own, so depth is bounded by memory only.
//
//   web.clone(value, transfer, moved)   a copy. `transfer`: an array of what is moved and not copied; `moved` gets those in
//                                       their new places; both may be left out
//   web.cloneable({ is, copy, move })   is(object): it is of a kind of the platform's own, which copy(object) can copy and
//                                       move(object) can move; either may be missing
//
// A SharedArrayBuffer is refused: processes share nothing, and a script has no second thread.
export default function (web, op) {
  const { Object, Reflect, Array, ArrayBuffer, Map, Set, Date, RegExp, Error, DOMException, DataView, Uint8Array, TypeError, Number, String,
    Boolean, BigInt } = globalThis;
  const { apply } = Reflect;
  const { keys, hasOwn, defineProperty, setPrototypeOf, getPrototypeOf, getOwnPropertyDescriptor } = Object;
  const { isArray } = Array;
  const { Pid, Ref } = web;
  const ObjectPrototype = Object.prototype;
  const kindOf = (object) => web.host(op, object);
  const isDense = (array) => web.host(op + 1, array);
  const getter = (prototype, name) => getOwnPropertyDescriptor(prototype, name).get;
  const refuse = (what) => { throw new DOMException(`${what} cannot be cloned`, 'DataCloneError'); };
  const ours = []; // of web.cloneable

  // ---- buffers and their views
  const { transfer: moveBuffer } = ArrayBuffer.prototype;
  const lengthOf = getter(ArrayBuffer.prototype, 'byteLength'), mostOf = getter(ArrayBuffer.prototype, 'maxByteLength');
  const isResizable = getter(ArrayBuffer.prototype, 'resizable'), isDetached = getter(ArrayBuffer.prototype, 'detached');
  const TypedArray = getPrototypeOf(Uint8Array).prototype, { set: setBytes } = TypedArray;
  const partsOf = (prototype, length) =>
    ({ buffer: getter(prototype, 'buffer'), at: getter(prototype, 'byteOffset'), length: getter(prototype, length) });
  const ofArray = partsOf(TypedArray, 'length'), ofDataView = partsOf(DataView.prototype, 'byteLength');
  const classes = new Map(); // kind -> constructor of a view

  function copyBuffer(buffer) {
    const length = apply(lengthOf, buffer, []);
    // not its slice(), which asks what kind the buffer says it is
    const copy = apply(isResizable, buffer, [])
      ? new ArrayBuffer(length, { __proto__: null, maxByteLength: apply(mostOf, buffer, []) })
      : new ArrayBuffer(length);
    apply(setBytes, new Uint8Array(copy), [new Uint8Array(buffer)]);
    return copy;
  }
  function viewOf(object, kind) {
    const Class = classes.get(kind), of = Class === DataView ? ofDataView : ofArray;
    return { Class, buffer: apply(of.buffer, object, []), at: apply(of.at, object, []), length: apply(of.length, object, []) };
  }

  // ---- other kinds
  const errors = { __proto__: null };
  for (const name of ['EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError'])
    errors[name] = globalThis[name].prototype;
  const stackOf = getter(Error.prototype, 'stack');
  function copyError(error) {
    const copy = new Error(), prototype = errors[`${error.name}`];
    if (prototype !== undefined) setPrototypeOf(copy, prototype);
    const message = getOwnPropertyDescriptor(error, 'message')?.value, stack = apply(stackOf, error, []);
    if (message !== undefined) hide(copy, 'message', `${message}`);
    hide(copy, 'stack', typeof stack === 'string' ? stack : ''); // what Error.prepareStackTrace has made may be anything
    return copy;
  }
  const hide = (object, key, value) => defineProperty(object, key, { __proto__: null, value, writable: true, configurable: true });
  const sourceOf = getter(RegExp.prototype, 'source');
  const flags = [['d', 'hasIndices'], ['g', 'global'], ['i', 'ignoreCase'], ['m', 'multiline'], ['s', 'dotAll'], ['u', 'unicode'],
    ['v', 'unicodeSets'], ['y', 'sticky']].map(([letter, name]) => ({ letter, is: getter(RegExp.prototype, name) }));
  function copyRegExp(regexp) {
    let letters = '';
    for (let i = 0; i < flags.length; i++) if (apply(flags[i].is, regexp, [])) letters += flags[i].letter;
    return new RegExp(apply(sourceOf, regexp, []), letters);
  }
  const { getTime } = Date.prototype;
  const nameOf = getter(DOMException.prototype, 'name'), messageOf = getter(DOMException.prototype, 'message');
  const { forEach: eachOfMap, set: putInMap } = Map.prototype, { forEach: eachOfSet, add: putInSet } = Set.prototype;
  const boxed = ({ valueOf }) => (object) => Object(apply(valueOf, object, []));

  // kind -> one of these, or a function that makes the copy. What is not here is refused.
  const OBJECT = 1, ARRAY = 2, MAP = 3, SET = 4, VIEW = 5, BUFFER = 6, ERROR = 7;
  const ways = new Map();
  for (const [sample, way] of [
    [{}, OBJECT], [[], ARRAY], [new Map(), MAP], [new Set(), SET], [new ArrayBuffer(0), BUFFER], [new Error(), ERROR],
    [(function () { return arguments; })(), OBJECT], [Function('return arguments')(), OBJECT],
    [new Date(), (date) => new Date(apply(getTime, date, []))], [/x/, copyRegExp],
    [Object(1), boxed(Number.prototype)], [Object(''), boxed(String.prototype)], [Object(true), boxed(Boolean.prototype)],
    [Object(1n), boxed(BigInt.prototype)],
    [new DOMException(), (e) => new DOMException(apply(messageOf, e, []), apply(nameOf, e, []))],
  ]) ways.set(kindOf(sample), way);
  for (const Class of [DataView, Uint8Array, ...['Int8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array',
    'BigInt64Array', 'BigUint64Array', 'Float16Array', 'Float32Array', 'Float64Array'].map((name) => globalThis[name])]) {
    const kind = kindOf(new Class(new ArrayBuffer(0)));
    ways.set(kind, VIEW);
    classes.set(kind, Class);
  }

  function clone(root, transfer, moved) {
    const copies = new Map(); // object -> its copy; undefined while that is to come: what is moved, views of it
    const moves = []; // { object, own }: own is undefined for an ArrayBuffer
    const late = []; // { to, key, object, hidden, view }: places for copies that were to come
    const filled = []; // { to, list, way }: Maps and Sets that get their members in the end
    const work = []; // { from, to, keys, count, at, hidden }: whose members are being copied, the innermost last; no keys: indices

    for (let i = 0; i < (transfer?.length ?? 0); i++) {
      const object = transfer[i];
      if (kindOf(object) === 0) throw new TypeError('what is to be moved is no object');
      const isBuffer = ways.get(kindOf(object)) === BUFFER;
      let own;
      for (let k = 0; !isBuffer && own === undefined && k < ours.length; k++)
        if (ours[k].move !== undefined && ours[k].is(object)) own = ours[k];
      if (!isBuffer && own === undefined) refuse('what is to be moved is neither an ArrayBuffer nor a port: it');
      if (copies.has(object)) refuse('what is to be moved twice');
      if (isBuffer && apply(isDetached, object, [])) refuse('a detached ArrayBuffer');
      copies.set(object, undefined);
      moves[i] = { object, own };
    }

    function put(to, key, value, hidden) {
      if (hidden) hide(to, key, value);
      else if (typeof key === 'string' && isArray(to)) defineProperty(to, key, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
      else to[key] = value;
    }
    function enter(from, to, names, hidden) {
      work[work.length] = { from, to, keys: names, count: (names ?? from).length, at: 0, hidden };
      return to;
    }
    function copyOfBuffer(buffer) {
      if (copies.has(buffer)) return copies.get(buffer);
      if (ways.get(kindOf(buffer)) !== BUFFER) refuse('a SharedArrayBuffer');
      if (apply(isDetached, buffer, [])) refuse('a detached ArrayBuffer');
      const copy = copyBuffer(buffer);
      copies.set(buffer, copy);
      return copy;
    }
    function copyPlain(object) {
      if (getPrototypeOf(object) !== ObjectPrototype) {
        if (object instanceof Pid || object instanceof Ref) return object; // they never change
        for (let i = 0; i < ours.length; i++)
          if (ours[i].is(object)) return ours[i].copy === undefined ? refuse('this object') : ours[i].copy(object);
      }
      // Without a prototype until it is complete: "__proto__" is a key as any other, and setters are none of its members.
      return enter(object, { __proto__: null }, keys(object), false);
    }
    function copyMembers(object, way) {
      const list = [], to = way === MAP ? new Map() : new Set();
      apply(way === MAP ? eachOfMap : eachOfSet, object, [(value, key) => {
        if (way === MAP) list[list.length] = key;
        list[list.length] = value;
      }]);
      filled[filled.length] = { to, list: enter(list, [], undefined, false), way };
      return to;
    }
    // A copy, whose members may still be to come; undefined: all of it is.
    function copyOf(object, kind, way) {
      switch (way) {
        case undefined: return refuse('an object of this kind');
        case ARRAY: return enter(object, new Array(object.length), isDense(object) ? undefined : keys(object), false);
        case MAP: case SET: return copyMembers(object, way);
        case BUFFER: return copyOfBuffer(object);
        case VIEW: {
          const { Class, buffer, at, length } = viewOf(object, kind), copy = copyOfBuffer(buffer);
          return copy === undefined ? undefined : new Class(copy, at, length);
        }
        case ERROR: {
          const copy = copyError(object);
          return hasOwn(object, 'cause') ? enter(object, copy, ['cause'], true) : copy;
        }
        case OBJECT: return copyPlain(object);
        default: return way(object);
      }
    }
    function copyInto(to, key, value, hidden) {
      if (typeof value === 'symbol') refuse('a symbol');
      if (typeof value === 'function') refuse('a function');
      if (typeof value !== 'object' || value === null) return put(to, key, value, hidden);
      let copy, view;
      if (copies.has(value)) {
        copy = copies.get(value);
      } else {
        const kind = kindOf(value), way = ways.get(kind);
        copy = copyOf(value, kind, way);
        if (way === VIEW && copy === undefined) view = viewOf(value, kind); // as it is before its buffer is moved
        copies.set(value, copy);
      }
      put(to, key, copy, hidden); // in its place even if it is to come: keys stay in their order
      if (copy === undefined) late[late.length] = { to, key, object: value, hidden, view };
    }

    const result = [undefined];
    copyInto(result, 0, root, false);
    while (work.length > 0) {
      const frame = work[work.length - 1], { from, to, at } = frame;
      if (at >= frame.count) {
        work.length--;
        if (frame.keys !== undefined && !frame.hidden && !isArray(to)) setPrototypeOf(to, ObjectPrototype);
        continue;
      }
      frame.at = at + 1;
      const key = frame.keys === undefined ? at : frame.keys[at];
      if (hasOwn(from, key)) copyInto(to, key, from[key], frame.hidden); // a getter before it may have taken it away
    }

    for (let i = 0; i < moves.length; i++) {
      const { object, own } = moves[i];
      if (own === undefined && apply(isDetached, object, [])) refuse('a detached ArrayBuffer');
      const there = own === undefined ? apply(moveBuffer, object, []) : own.move(object);
      copies.set(object, there);
      if (moved !== undefined) moved[moved.length] = there;
    }
    for (let i = 0; i < late.length; i++) {
      const { to, key, object, hidden, view } = late[i];
      if (view !== undefined) copies.set(object, new view.Class(copies.get(view.buffer), view.at, view.length));
      put(to, key, copies.get(object), hidden);
    }
    for (let i = 0; i < filled.length; i++) {
      const { to, list, way } = filled[i];
      if (way === SET) for (let k = 0; k < list.length; k++) apply(putInSet, to, [list[k]]);
      else for (let k = 0; k < list.length; k += 2) apply(putInMap, to, [list[k], list[k + 1]]);
    }
    return result[0];
  }

  web.clone = clone;
  web.cloneable = (kind) => { ours[ours.length] = setPrototypeOf(kind, null); };
}
