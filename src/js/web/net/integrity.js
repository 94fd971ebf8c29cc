// Subresource Integrity: whether bytes are those that a request has named by their hash.
const { btoa, Promise, String, TypeError } = globalThis;

const HASHES = ['sha256', 'sha384', 'sha512']; // the weakest first; numbers of subtle.h are two more
const DIGEST = 1;

// Of the strongest hash that is named {hash: a number in HASHES, values: in base64 without padding}; undefined: none is known.
export function readIntegrity(metadata) {
  let found;
  for (const item of metadata.split(/[\t\n\f\r ]+/)) {
    const [, name, value] = /^([^-]*)-?([^?]*)/.exec(item), hash = HASHES.indexOf(name.toLowerCase());
    if (hash < 0 || hash < found?.hash) continue;
    if (hash !== found?.hash) found = { hash, values: [] };
    found.values.push(value.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, ''));
  }
  return found;
}

// A promise that is rejected when the bytes are others. `run` is the number of the operation that runs jobs of subtle.h.
export async function checkIntegrity(web, run, wanted, bytes) {
  const ask = (id) => web.host(run, id, DIGEST | (wanted.hash + 2) << 8, 0, 0, undefined, bytes);
  const start = (id) => {
    const refused = ask(id);
    if (refused !== undefined) throw new TypeError(`fetch failed: its integrity cannot be seen: ${refused.slice(1)}`);
  };
  const digest = ask(0) ?? await new Promise((resolve, reject) => { web.askLong(start, undefined, resolve, reject); });
  if (typeof digest === 'string') throw new TypeError(`fetch failed: its integrity cannot be seen: ${digest.slice(1)}`);
  if (!wanted.values.includes(btoa(String.fromCharCode(...digest)).replace(/=+$/, '')))
    throw new TypeError('fetch failed: the answer is not what its integrity says');
}
