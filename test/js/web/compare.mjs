// compare.mjs RUNNER CASES: runs the cases in Node and in a JavaScript process, and reports in TAP where they differ. Cases that export
// `server`, a listener of node:http, have one for each of the two at the URL of globalThis.SERVER; beside cases that talk to one over a
// WebSocket lies <x>.server.mjs with attach(server). What is there in neither of the two is no case that both agree on, nor is what
// comes in neither in time.
import { execFile, spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';

const [runner, file] = process.argv.slice(2);
const here = fileURLToPath(new URL('.', import.meta.url));
const attached = resolve(file).replace('.cases.mjs', '.server.mjs'), flag = '--experimental-websocket';
// Of Node 20, which has a WebSocket only so; others have it, or have not.
if (existsSync(attached) && globalThis.WebSocket === undefined && process.allowedNodeEnvironmentFlags.has(flag) && !process.execArgv.includes(flag))
  process.exit(spawnSync(process.execPath, [flag, ...process.argv.slice(1)], { stdio: 'inherit' }).status ?? 1);
const folder = mkdtempSync(join(tmpdir(), 'anqa-web-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const bundle = join(folder, 'cases.mjs'), script = join(folder, 'cases.js');
const { server } = await import(pathToFileURL(resolve(file)));
const { attach } = existsSync(attached) ? await import(pathToFileURL(attached)) : {};
async function serve() {
  if (server === undefined && attach === undefined) return 'undefined';
  const listening = createServer(server);
  attach?.(listening);
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
const names = Object.keys(theirs), NO_OUTCOME = /^throws (ReferenceError|late)$/;
let failed = 0;
console.log(`1..${names.length}`);
names.forEach((name, i) => {
  const same = ours[name] === theirs[name] && !NO_OUTCOME.test(theirs[name]);
  if (!same) failed++;
  console.log(`${same ? 'ok' : 'not ok'} ${i + 1} - ${name.replaceAll(' ', '_')}`);
  if (!same) console.log(`#   Node: ${theirs[name]}\n#   ours: ${ours[name]}`);
});
if (names.length === 0) throw new Error('no cases');
process.exit(failed === 0 ? 0 : 1);
