// EventTarget, Event, CustomEvent, DOMException, AbortController and AbortSignal (DOM Standard, Web IDL).
export default function (web) {
  web.define({ CustomEvent: class CustomEvent {} });
}
