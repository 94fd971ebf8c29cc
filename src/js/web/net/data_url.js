// data: URLs (Fetch Standard, 6).
const { atob, Uint8Array, String, parseInt, TypeError } = globalThis;

const broken = () => new TypeError('fetch failed: the data URL is malformed');
const isHex = (unit) => (unit >= 48 && unit <= 57) || (unit >= 65 && unit <= 70) || (unit >= 97 && unit <= 102);

// Of text that is ASCII, as that of a URL is.
function percentDecoded(text) {
  const bytes = new Uint8Array(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const escaped = text[i] === '%' && isHex(text.charCodeAt(i + 1)) && isHex(text.charCodeAt(i + 2));
    bytes[length++] = escaped ? parseInt(text.slice(i + 1, i + 3), 16) : text.charCodeAt(i);
    if (escaped) i += 2;
  }
  return bytes.slice(0, length);
}
function base64Decoded(bytes) {
  let text = '';
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  let plain;
  try {
    plain = atob(text);
  } catch {
    throw broken();
  }
  const made = new Uint8Array(plain.length);
  for (let i = 0; i < plain.length; i++) made[i] = plain.charCodeAt(i);
  return made;
}

// {type, bytes} of a serialized data: URL without its fragment; typeOf(text): a type as it is written, or undefined where it is none.
export function readDataUrl(url, typeOf) {
  const comma = url.indexOf(',');
  if (comma < 0) throw broken();
  let type = url.slice('data:'.length, comma).replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, ''), bytes = percentDecoded(url.slice(comma + 1));
  const encoded = /; *base64$/i.exec(type);
  if (encoded !== null) {
    bytes = base64Decoded(bytes);
    type = type.slice(0, encoded.index);
  }
  return { type: typeOf(type[0] === ';' ? 'text/plain' + type : type) ?? 'text/plain;charset=US-ASCII', bytes };
}
