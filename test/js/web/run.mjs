// Runs cases and writes down what they come to, in the same words wherever it runs. `cases` is an object of functions;
// what one returns or throws (also by a promise) is its outcome. Messages of errors are not compared, names are.
function show(value, depth = 0) {
  switch (typeof value) {
    case 'string': return JSON.stringify(value);
    case 'number': return Object.is(value, -0) ? '-0' : String(value);
    case 'bigint': return `${value}n`;
    case 'function': return `function ${value.name}`;
    case 'symbol': return value.toString();
    case 'object': break;
    default: return String(value);
  }
  if (value === null) return 'null';
  if (depth > 8) return '...';
  const inner = (v) => show(v, depth + 1);
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  if (value instanceof Error || kind === 'DOMException') return `${value.name}`;
  if (Array.isArray(value)) return `[${value.map(inner).join(', ')}]`;
  if (value instanceof Date) return `Date ${value.getTime()}`;
  if (value instanceof RegExp) return `${value}`;
  if (value instanceof Map) return `Map {${[...value].map(([k, v]) => `${inner(k)} => ${inner(v)}`).join(', ')}}`;
  if (value instanceof Set) return `Set {${[...value].map(inner).join(', ')}}`;
  if (value instanceof ArrayBuffer) return `ArrayBuffer <${hex(new Uint8Array(value))}>`;
  if (ArrayBuffer.isView(value))
    return `${kind} <${hex(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))}>`;
  const members = Object.keys(value).map((k) => `${k}: ${inner(value[k])}`).join(', ');
  return kind === 'Object' ? `{${members}}` : `${kind} {${members}}`;
}

const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');

// What takes longer than this comes to nothing.
const WAIT_MS = 10000;

function settled(promise) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject({ name: 'late' }), WAIT_MS); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export async function run(cases) {
  const outcomes = {};
  for (const name of Object.keys(cases)) {
    try {
      outcomes[name] = show(await settled(cases[name]()));
    } catch (error) {
      outcomes[name] = `throws ${error?.name ?? show(error)}`;
    }
  }
  return outcomes;
}
