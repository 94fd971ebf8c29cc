// compare.mjs RUNNER CASES: runs the cases in Node and in a JavaScript process, and reports in TAP where they differ. Cases that export
// `server`, a listener of node:http, have one for each of the two at the URL of globalThis.SERVER.
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';

const [runner, file] = process.argv.slice(2);
const here = fileURLToPath(new URL('.', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'anqa-web-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const bundle = join(folder, 'cases.mjs'), script = join(folder, 'cases.js');
const { server } = await import(pathToFileURL(resolve(file)));
async function serve() {
  if (server === undefined) return 'undefined';
  const listening = createServer(server);
  await new Promise((done) => listening.listen(0, '127.0.0.1', done));
  return JSON.stringify(`http://127.0.0.1:${listening.address().port}`);
}
const contents = (url) => `globalThis.SERVER = ${url};
import { cases } from ${JSON.stringify(resolve(file))};
import { run } from ${JSON.stringify(join(here, 'run.mjs'))};
export const all = () => run(cases);`;
for (const outfile of [bundle, script])
  buildSync({ stdin: { contents: contents(await serve()), resolveDir: here }, bundle: true, format: 'esm', target: 'es2023', outfile });

console.log('TAP version 13');
const alive = setInterval(() => {}, 1000); // some timers of Node do not keep it going
const theirs = await (await import(pathToFileURL(bundle))).all();
clearInterval(alive);
const ours = JSON.parse(await new Promise((done, failed) => {
  const child = execFile(runner, [script], { encoding: 'utf8', maxBuffer: 1 << 28, timeout: 180_000 },
    (error, out) => (error === null ? done(out) : failed(error)));
  child.stderr.pipe(process.stderr);
}));
const names = Object.keys(theirs);
let failed = 0;
console.log(`1..${names.length}`);
names.forEach((name, i) => {
  const same = ours[name] === theirs[name];
  if (!same) failed++;
  console.log(`${same ? 'ok' : 'not ok'} ${i + 1} - ${name.replaceAll(' ', '_')}`);
  if (!same) console.log(`#   Node: ${theirs[name]}\n#   ours: ${ours[name]}`);
});
if (names.length === 0) throw new Error('no cases');
process.exit(failed === 0 ? 0 : 1);
