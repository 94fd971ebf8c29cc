// idna.mjs OUT: writes as a table of C what the npm package tr46 knows of domain names (UTS #46): what becomes of each
// character, and what the rules for its neighbours ask of it. For src/js/web/idna.c.
import { createRequire } from 'node:module';
import { writeFileSync } from 'node:fs';

const require = createRequire(import.meta.url);
const table = require('tr46/lib/mappingTable.json');
const regexes = require('tr46/lib/regexes.js');
const { STATUS_MAPPING: status } = require('tr46/lib/statusMapping.js');

// As in idna.c.
const VALID = 1, MAPPED = 2, IGNORED = 3;
const MARK = 4, VIRAMA = 8, JOINS_NEXT = 16, JOINS_LAST = 32, TRANSPARENT = 64;
const BIDI = 128; // times one of these
const L = 1, RTL = 2, EN = 3, AN = 4, NSM = 5, NEUTRAL = 6;

const DUAL = '\u0628', HEBREW = '\u05d0', ZWNJ = '\u200c';
function bidi(c) {
  if (regexes.bidiS1LTR.test(c)) return L;
  if (regexes.bidiS1RTL.test(c)) return RTL;
  if (regexes.bidiS4EN.test(c)) return EN;
  if (regexes.bidiS4AN.test(c)) return AN;
  if (regexes.bidiS3.test(HEBREW + c)) return NSM;
  return regexes.bidiS2.test(c) && regexes.bidiS5.test(c) ? NEUTRAL : 0;
}
function classOf(point) {
  const c = String.fromCodePoint(point);
  const next = regexes.validZWNJ.test(c + ZWNJ + DUAL), last = regexes.validZWNJ.test(DUAL + ZWNJ + c);
  const through = !next && !last && regexes.validZWNJ.test(DUAL + c + ZWNJ + DUAL);
  return VALID | (regexes.combiningMarks.test(c) ? MARK : 0) | (regexes.combiningClassVirama.test(c) ? VIRAMA : 0) |
    (next ? JOINS_NEXT : 0) | (last ? JOINS_LAST : 0) | (through ? TRANSPARENT : 0) | BIDI * bidi(c);
}

const rows = []; // [first, what]: up to the next row's first
const maps = [], places = new Map();
function put(first, what) {
  if (rows.length === 0 || rows.at(-1)[1] !== what) rows.push([first, what]);
}
function place(text) {
  if (!places.has(text)) {
    places.set(text, maps.length);
    maps.push(...Array.from(text, (c) => c.codePointAt(0)));
  }
  return places.get(text);
}
for (const [range, kind, text] of table) {
  const [first, last] = Array.isArray(range) ? range : [range, range];
  if (kind === status.mapped) {
    const length = Array.from(text).length;
    if (length > 31) throw new Error('a character is mapped to more than 31');
    for (let point = first; point <= last; point++) put(point, MAPPED | length << 2 | place(text) << 7);
  } else if (kind === status.valid || kind === status.deviation) {
    for (let point = first; point <= last; point++) put(point, point >= 0xd800 && point <= 0xdfff ? 0 : classOf(point));
  } else {
    put(first, kind === status.ignored ? IGNORED : 0);
  }
}
if (maps.length >= 1 << 25 || rows[0][0] !== 0) throw new Error('the table of tr46 has changed');
const list = (numbers) => numbers.map((n) => `0x${n.toString(16)},`).join('').replace(/(.{100}[^,]*,)/g, '$1\n');
writeFileSync(process.argv[2], `/* Made by cmake/idna.mjs of the npm package tr46 ${require('tr46/package.json').version}. */
static const uint32_t idna_first[] = {
${list(rows.map(([first]) => first))}
};
static const uint32_t idna_what[] = {
${list(rows.map(([, what]) => what))}
};
static const uint32_t idna_maps[] = {
${list(maps)}
};
`);
