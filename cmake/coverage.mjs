// node coverage.mjs BUNDLE MAP OUT FOLDER: a bundle that counts what of it runs (anqa_add_script's COVERAGE).
//
// Before each statement and at the begin of each function there is a counter, in one typed array that the module exports
// as "anqa:counters". What they stand for it exports as "anqa:coverage": Istanbul's coverage of each source file, with the
// numbers of its first counters in place of counts. Nothing gets a line of its own, so the map of the bundle stays right
// for lines. Packages (node_modules) are not counted, nor what the map does not know.

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const [, , bundleFile, mapFile, outFile, folder] = process.argv;
const { parse } = createRequire(path.join(folder, "package.json"))("acorn"); // the project's own
const text = fs.readFileSync(bundleFile, "utf8");
const map = JSON.parse(fs.readFileSync(mapFile, "utf8"));

// ---- the map: for each line of the bundle its segments [column, source, line, column]

const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
function readMappings(mappings) {
  const now = [0, 0, 0, 0];
  return mappings.split(";").map((line) => {
    now[0] = 0;
    return line.split(",").filter((segment) => segment !== "").map((segment) => {
      let field = 0, shift = 0, value = 0;
      for (const char of segment) {
        const digit = digits.indexOf(char);
        value |= (digit & 31) << shift;
        shift += 5;
        if (digit & 32) continue;
        now[field++] += value & 1 ? -(value >> 1) : value >> 1;
        shift = value = 0;
      }
      return [...now];
    });
  });
}
const lines = readMappings(map.mappings);
const files = map.sources.map((source) => path.relative(folder, path.resolve(path.dirname(mapFile), source)));

/** Where a place in the bundle comes from, or undefined. Of a node that has no segment at its begin it is the first in it. */
function origin({ line, column }, end) {
  const segments = lines[line - 1] ?? [];
  const inside = ([at]) => at >= column && end !== undefined && (end.line > line || at < end.column);
  const found = segments.find(inside) ?? segments.findLast(([at]) => at <= column);
  if (found === undefined || files[found[1]].includes("node_modules/")) return undefined;
  return { file: files[found[1]], line: found[2] + 1, column: found[3] };
}
function range(node) {
  const start = origin(node.loc.start, node.loc.end), end = origin(node.loc.end);
  if (start === undefined) return undefined;
  const at = ({ line, column }) => ({ line, column });
  const ends = end !== undefined && end.file === start.file && end.line >= start.line;
  return { file: start.file, start: at(start), end: ends ? at(end) : { line: start.line, column: null } };
}

// ---- what is counted, and where the counting goes

const insertions = []; // [place, text or what becomes one, whether something ends there (0) or begins]
const covered = new Map(); // file -> { statements, functions }: each [range, name?]
const put = (place, what, end = false) => insertions.push([place, what, end ? 0 : 1]);

function note(kind, node, name) {
  const where = range(node);
  if (where === undefined) return undefined;
  if (!covered.has(where.file)) covered.set(where.file, { statements: [], functions: [] });
  const counter = { number: 0 };
  covered.get(where.file)[kind].push({ loc: { start: where.start, end: where.end }, name, counter });
  return counter;
}
// The numbers of counters come when all are known.
const count = (counter, before = "", after = ";") => {
  return counter === undefined ? before : { counter, before, after };
};

const isStatement = (node) => !["FunctionDeclaration", "EmptyStatement", "ImportDeclaration", "ExportAllDeclaration", "ClassDeclaration"].includes(node.type) &&
  !(node.type === "ExportNamedDeclaration" && (node.declaration === null || !isStatement(node.declaration))) &&
  !(node.type === "ExportDefaultDeclaration") && node.directive === undefined;

function list(nodes) {
  for (const node of nodes) if (isStatement(node)) put(node.start, count(note("statements", node)));
}
/** The body of an `if` or a loop: one that is no block becomes one. */
function body(node) {
  if (node === null || node === undefined || node.type === "BlockStatement") return;
  if (isStatement(node)) {
    put(node.start, count(note("statements", node), "{"));
    put(node.end, "}", true);
  }
}
function enter(node, name) {
  const counter = note("functions", node, name);
  if (node.body.type === "BlockStatement") {
    const first = node.body.body.findLast((statement) => statement.directive !== undefined);
    put(first === undefined ? node.body.start + 1 : first.end, count(counter));
    return;
  }
  put(node.body.start, count(counter, "(", ","));
  put(node.body.start, count(note("statements", node.body), "", ","));
  put(node.body.end, ")", true);
}

function visit(node, name) {
  switch (node.type) {
    case "Program": case "BlockStatement": case "StaticBlock": list(node.body); break;
    case "SwitchCase": list(node.consequent); break;
    case "IfStatement": body(node.consequent); body(node.alternate); break;
    case "ForStatement": case "ForInStatement": case "ForOfStatement": case "WhileStatement": case "DoWhileStatement": body(node.body); break;
    case "FunctionDeclaration": case "FunctionExpression": case "ArrowFunctionExpression": enter(node, node.id?.name ?? name ?? "(anonymous)"); break;
  }
  for (const key of Object.keys(node)) {
    const child = node[key];
    const named = (node.type === "VariableDeclarator" && key === "init" && node.id.name) ||
      (["MethodDefinition", "Property", "PropertyDefinition"].includes(node.type) && key === "value" && (node.key.name ?? node.key.value)) || undefined;
    for (const one of Array.isArray(child) ? child : [child])
      if (typeof one?.type === "string") visit(one, named === undefined ? undefined : String(named));
  }
}
visit(parse(text, { ecmaVersion: "latest", sourceType: "module", locations: true }));

// ---- numbers, Istanbul's form, and the text

const coverage = {};
let next = 0;
for (const [file, { statements, functions }] of covered) {
  const one = { path: file, statementMap: {}, fnMap: {}, branchMap: {}, b: {}, s: next, f: next + statements.length };
  statements.forEach(({ loc, counter }, i) => {
    one.statementMap[i] = loc;
    counter.number = next++;
  });
  functions.forEach(({ loc, name, counter }, i) => {
    one.fnMap[i] = { name, decl: loc, loc, line: loc.start.line };
    counter.number = next++;
  });
  coverage[file] = one;
}
// Those at one place stay in the order they were put in; an end stands before what begins there.
insertions.sort((a, b) => a[0] - b[0] || a[2] - b[2]);
let out = `const $anqa_c=new Uint32Array(${next});`, from = 0;
for (const [place, what] of insertions) {
  out += text.slice(from, place);
  from = place;
  out += typeof what === "string" ? what : `${what.before}$anqa_c[${what.counter.number}]++${what.after}`;
}
out += text.slice(from);
out += `\nconst $anqa_b=new Uint8Array($anqa_c.buffer),$anqa_m=${JSON.stringify(JSON.stringify(coverage))};` +
  `\nexport{$anqa_b as "anqa:counters",$anqa_m as "anqa:coverage"};\n`;
fs.writeFileSync(outFile, out);
