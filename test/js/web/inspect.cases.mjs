// Beam.inspect, by Node's util.inspect with everything in one line.
const { inspect: nodes } = globalThis.process?.getBuiltinModule('node:util') ?? {};
const shown = nodes === undefined ? (value, options) => Beam.inspect(value, options) : (value, options) => nodes(value, { compact: true, breakLength: Infinity, ...options });

class Foo { constructor(all) { Object.assign(this, all); } }
class Tagged { get [Symbol.toStringTag]() { return 'T'; } }
class Own extends Map { z = 1; }
class Few extends Array {}
class Sub extends Foo { static q = 1; }
const circle = {};
circle.me = circle;
circle.in = { list: [circle] };
const inItself = new Map();
inItself.set(inItself, new Set([inItself]));
const two = { a: {}, b: {} };
two.a.a = two.a;
two.b.b = two.b;
const error = (text, stack, more) => Object.assign(new Error(text), { stack }, more);
const nested = (n) => (n === 0 ? {} : { a: nested(n - 1) });

const values = {
  primitives: [undefined, null, true, 0, -0, 1.5, NaN, -Infinity, 1n, 'x', Symbol('s'), Symbol.iterator, Symbol()],
  quotes: ["it's", '"', `it's "x"`, `'"\``, '`', 'a\\b', '${x}', `'"\${x}`],
  controls: ['\0\b\t\n\v\f\r\x1b\x7f\x9f', '\ud800', '\u2028', '\u{1f600}', 'é'],
  'a long text': 'x'.repeat(10005), 'a text that is one too long': 'x'.repeat(10001), 'the longest text': 'x'.repeat(10000),
  objects: [{}, { a: 1 }, { a: { b: { c: {} } } }, { a: { b: { c: { d: 1 } } } }, { a: undefined, b: null }],
  names: { a: 1, 'a-b': 2, 3: 3, $: 4, _: 5, ['__proto__']: 6, '': 7, é: 8, "it's": 9, [Symbol('x')]: 10, [Symbol.iterator]: 11 },
  'hidden members': Object.defineProperty({ a: 1 }, 'b', { value: 2 }),
  accessors: { get a() { throw 1; }, set b(v) {}, get c() { return 1; }, set c(v) {} },
  'no prototype': [Object.create(null), Object.assign(Object.create(null), { a: 1 }), { a: { b: { c: Object.assign(Object.create(null), { d: 1 }) } } }],
  classes: [new Foo(), new Foo({ a: 1 }), new Sub(), Object.create(Foo.prototype), Object.create({}), Object.create({ constructor: 5 }), new (class {})(), { a: { b: { c: new Foo({ a: 1 }) } } }],
  tags: [new Tagged(), { [Symbol.toStringTag]: 'T' }, Object.assign(new Tagged(), { a: 1 }), Object.create(null, { [Symbol.toStringTag]: { value: 'T' } }), Math, JSON],
  arrays: [[], [1, 'a', [2, [3, [4, [5]]]]], [1, , 3, , ,], [, ,], new Array(5), Object.assign([1], { a: 2 }), new Few(3), Few.from([1]), [[]], [undefined]],
  'long arrays': [Array.from({ length: 100 }, (_, i) => i), Array.from({ length: 101 }, (_, i) => i), new Array(150).fill('x'), new Array(100000), Object.assign([], { 200000: 1 })],
  maps: [new Map(), new Map([['a', 1], [{ b: 2 }, [3]]]), new Own(), new Own([[1, 2]]), Object.assign(new Map([[1, 2]]), { x: 1 }), { a: { b: { c: new Map([[1, 1]]) } } }],
  sets: [new Set(), new Set([1, 'a', {}]), Object.assign(new Set([1]), { x: 1 }), new Set([[1, new Set([2])]])],
  'a large map': new Map(Array.from({ length: 105 }, (_, i) => [i, i])), 'a large set': new Set(Array.from({ length: 101 }, (_, i) => i)),
  'weak collections': [new WeakMap(), new WeakSet(), Object.assign(new WeakMap(), { a: 1 })],
  bytes: [new Uint8Array([1, 2, 3]), new Uint8Array(), new Float64Array([0.5, -0, NaN]), new BigInt64Array([1n]), new Uint8Array(105), new Int16Array(2), Object.assign(new Uint8ClampedArray(1))],
  buffers: [new ArrayBuffer(3), new Uint8Array([255, 16]).buffer, new ArrayBuffer(101), new DataView(new ArrayBuffer(2), 1), new ArrayBuffer(0)],
  promises: [Promise.resolve(1), Promise.resolve({ a: 'x' }), new Promise(() => {}), Object.assign(Promise.resolve(), { x: 1 })],
  functions: [() => 1, function named() {}, Object.assign(() => 1, { a: 1 }), async () => 1, function* made() {}, async function* both() {}, Foo, class {}, Sub, class extends Foo {}, class extends null {}, Math.max],
  dates: [new Date(0), new Date(NaN), Object.assign(new Date(0), { a: 1 })],
  patterns: [/a/g, Object.assign(/b/, { x: 1 }), new RegExp('/')],
  boxes: [Object(1), Object('ab'), Object(true), Object(1n), Object(Symbol('s')), Object(-0), Object.assign(Object('ab'), { x: 1 }), Object("it's")],
  circles: [circle, inItself, two],
  iterators: [[1].values(), 'a'[Symbol.iterator]()],
  'what is deep': [nested(2), nested(3), nested(4), [[[[]]]], [[[[1]]]]],
};
const errors = {
  plain: error('x', 'Error: x\n    at y'), 'without a stack': error('x', 'Error: x'), 'with members': error('x', 'Error: x\n    at y', { code: 5 }),
  'with a cause': Object.assign(new Error('x', { cause: 'why' }), { stack: 'Error: x' }), 'of a class': Object.assign(new TypeError('t'), { stack: 'TypeError: t' }),
  'with a name': error('x', 'Error: x', { name: 'Mine' }), 'of many': Object.assign(new AggregateError([1, 'b'], 'all'), { stack: 'AggregateError: all' }),
};

export const cases = {};
for (const [name, value] of Object.entries(values))
  if (Array.isArray(value)) for (const [i, one] of value.entries()) cases[`${name} ${i}`] = () => shown(one);
  else cases[name] = () => shown(value);
for (const [name, value] of Object.entries(errors)) cases[`an error ${name}`] = () => shown(value);
cases['a promise that is rejected'] = () => {
  const promise = Promise.reject(5);
  promise.catch(() => {});
  return shown(promise);
};
for (const depth of [0, 1, 3, 10, null, Infinity]) cases[`depth ${depth}`] = () => shown([nested(5), [[[[[1]]]]], new Map([[{ a: { b: 1 } }, 1]])], { depth });
for (const [name, value] of Object.entries(values)) cases[`${name}, all`] = () => shown(value);
