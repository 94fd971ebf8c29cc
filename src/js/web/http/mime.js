// Types of bodies (MIME Sniffing Standard, 4).
import { charCodeAt, indexOf, isToken, lower, slice, trim } from '../lib/text.js';

const isQuotable = (c) => c === 9 || (c >= 32 && c <= 126) || (c >= 128 && c <= 255);

// What stands in quotes from `at`; {value, end}.
function quoted(string, at) {
  let value = '';
  for (at++; at < string.length; at++) {
    if (string[at] === '"') return { value, end: at + 1 };
    if (string[at] === '\\' && at + 1 < string.length) at++;
    value += string[at];
  }
  return { value, end: at };
}
function parameters(string, at, into) {
  while (at < string.length) {
    let end = at;
    while (end < string.length && string[end] !== ';' && string[end] !== '=') end++;
    const name = lower(trim(slice(string, at, end)));
    at = end + 1;
    if (string[end] !== '=') continue;
    let value, whole = true;
    if (string[at] === '"') {
      const found = quoted(string, at);
      value = found.value;
      at = found.end;
      while (at < string.length && string[at] !== ';') at++;
    } else {
      end = at;
      while (end < string.length && string[end] !== ';') end++;
      value = trim(slice(string, at, end));
      whole = value !== '';
      at = end;
    }
    at++;
    for (let i = 0; whole && i < value.length; i++) whole = isQuotable(charCodeAt(value, i));
    if (whole && isToken(name) && !has(into, name)) into[into.length] = { name, value };
  }
}
const has = (list, name) => {
  for (let i = 0; i < list.length; i++) if (list[i].name === name) return true;
  return false;
};

// {essence, parameters: [{name, value}]}, or undefined.
export function parse(string) {
  const slash = indexOf(string, '/', 0), semicolon = indexOf(string, ';', 0), end = semicolon < 0 ? string.length : semicolon;
  if (slash < 0 || slash > end) return undefined;
  const type = trim(slice(string, 0, slash)), subtype = trim(slice(string, slash + 1, end));
  if (!isToken(type) || !isToken(subtype)) return undefined;
  const made = { essence: lower(type) + '/' + lower(subtype), parameters: [] };
  if (semicolon >= 0) parameters(string, semicolon + 1, made.parameters);
  return made;
}
// Of a field that may have several values: the last that is one.
export function typeOfField(value) {
  let found, from = 0;
  for (let at = 0; at <= value.length; at++) {
    if (value[at] === '"') at = quoted(value, at).end - 1;
    if (at < value.length && value[at] !== ',') continue;
    const one = parse(trim(slice(value, from, at)));
    if (one !== undefined && one.essence !== '*/*') found = one;
    from = at + 1;
  }
  return found;
}
export function parameterOf(type, name) {
  for (let i = 0; i < type.parameters.length; i++) if (type.parameters[i].name === name) return type.parameters[i].value;
  return undefined;
}
export function typeText(type) {
  let made = type.essence;
  for (let i = 0; i < type.parameters.length; i++) {
    const { name, value } = type.parameters[i];
    made += ';' + name + '=';
    if (isToken(value)) {
      made += value;
      continue;
    }
    made += '"';
    for (let k = 0; k < value.length; k++) made += value[k] === '"' || value[k] === '\\' ? '\\' + value[k] : value[k];
    made += '"';
  }
  return made;
}
