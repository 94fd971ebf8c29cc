// Headers, Request and Response (Fetch Standard), without a network.
//
// Other modules find in `web.http` what scripts have no access to:
//   request(input, init)   the state of a new Request(input, init): what fetch() is asked
//   requestOf(value)       the state of a Request; undefined: it is none
//     It has: method, url (serialized), redirect ('follow', 'error', 'manual'), integrity, signal (an AbortSignal or undefined: what the
//     request was given, to be asked by web.events.onAbort), and
//   fieldsOf(state)        its headers: [name, value, name, value, ...]
//   takeBody(state)        null: it has no body; else {bytes, reader}, of which one is undefined: all of it, which must not be
//                          changed, or a reader of chunks: next() is a promise of {value, done}; a value that bytesOf() does not
//                          know is an error of the script's, and cancel(error) is due. Throws a TypeError when it is used already
//   bytesOf(value)         the bytes of a view or buffer as a Uint8Array, not copied; undefined: it is neither
//   makeResponse({status, statusText, headers, url, redirected, type, body})
//                          a Response that cannot be changed; headers: as of fieldsOf; body: null, a Uint8Array that is given away,
//                          or a state of web.streams.readable(source, {bytes: true, mark: 0}) of Uint8Arrays
//   typeOf(text)           a type of a body as it is written, by its parts; undefined: it is none
//   errorResponse()        Response.error()
import { bytesOf } from './lib/base.js';
import { env } from './http/body.js';
import { Headers } from './http/headers.js';
import { parse, typeText } from './http/mime.js';
import { Request, requestState } from './http/request.js';
import { Response, makeResponse } from './http/response.js';

export default function (web) {
  env.streams = web.streams;
  env.blob = web.blob;
  env.events = web.events;
  const { error } = Response;
  web.http = {
    request: (input, init) => requestState(new Request(input, init)),
    requestOf: requestState,
    fieldsOf(state) {
      const { list } = state.fields, made = [];
      for (let i = 0; i < list.length; i++) {
        made[2 * i] = list[i].name;
        made[2 * i + 1] = list[i].value;
      }
      return made;
    },
    takeBody: (state) => (state.body === null ? null : state.body.take()),
    bytesOf,
    makeResponse,
    typeOf(text) {
      const type = parse(text);
      return type === undefined ? undefined : typeText(type);
    },
    errorResponse: () => error(),
  };
  web.define({ Headers, Request, Response });
}
