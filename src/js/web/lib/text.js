// UTF-8, by the classes of the module for encoding.
import { String, uncurry } from './base.js';

const { TextEncoder, TextDecoder } = globalThis;
const encodeBy = uncurry(TextEncoder.prototype.encode), decodeBy = uncurry(TextDecoder.prototype.decode);
const encoder = new TextEncoder(), strict = new TextDecoder('utf-8', { ignoreBOM: true }), decoder = new TextDecoder();
export const encode = (text) => encodeBy(encoder, text);
// Without a byte order mark at the beginning; with whatever is there.
export const decode = (bytes) => decodeBy(decoder, bytes);
export const decodeAll = (bytes) => decodeBy(strict, bytes);
export const charCodeAt = uncurry(String.prototype.charCodeAt), fromCharCode = String.fromCharCode;
export const slice = uncurry(String.prototype.slice), indexOf = uncurry(String.prototype.indexOf);
const lowerAll = uncurry(String.prototype.toLowerCase), upperAll = uncurry(String.prototype.toUpperCase);
const isAscii = (text) => {
  for (let i = 0; i < text.length; i++) if (charCodeAt(text, i) > 127) return false;
  return true;
};
// ASCII only: other letters stay as they are.
function each(text, change) {
  if (isAscii(text)) return change(text);
  let made = '';
  for (let i = 0; i < text.length; i++) made += charCodeAt(text, i) > 127 ? text[i] : change(text[i]);
  return made;
}
export const lower = (text) => each(text, lowerAll), upper = (text) => each(text, upperAll);
const isSpace = (c) => c === 32 || c === 9 || c === 10 || c === 13;
export function trim(text) {
  let from = 0, to = text.length;
  while (from < to && isSpace(charCodeAt(text, from))) from++;
  while (to > from && isSpace(charCodeAt(text, to - 1))) to--;
  return slice(text, from, to);
}
// A text with every character of `found` changed: change(c) is called with its code.
export function replaceEach(text, found, change) {
  let made = '', at = 0;
  for (let i = 0; i < text.length; i++) {
    const c = charCodeAt(text, i);
    if (!found(c)) continue;
    made += slice(text, at, i) + change(c, i);
    at = i + 1;
  }
  return at === 0 ? text : made + slice(text, at);
}
// RFC 9110, 5.6.2
export function isToken(text) {
  if (text.length === 0) return false;
  for (let i = 0; i < text.length; i++) if (!isTokenCode(charCodeAt(text, i))) return false;
  return true;
}
const marks = "!#$%&'*+-.^_`|~";
export const isTokenCode = (c) => (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122) ||
  (c > 32 && c < 127 && indexOf(marks, fromCharCode(c)) >= 0);
