// What is the same in Node. Where Node does not do what the DOM Standard says, or ends with the errors of listeners, it is in
// test/js/events_test.c.
const heard = (fn) => { const list = []; fn((...what) => list.push(what.length === 1 ? what[0] : what)); return list; };
const thrown = (fn) => { try { return ['returns', fn()]; } catch (error) { return [error instanceof Error, error.name, error.code]; } };
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const event = {
  'an event has its type and the defaults': () => {
    const e = new Event('x');
    return [e.type, e.bubbles, e.cancelable, e.composed, e.defaultPrevented, e.returnValue, e.cancelBubble, e.target, e.srcElement,
      e.currentTarget, e.eventPhase, e.composedPath(), e.isTrusted, typeof e.timeStamp];
  },
  'an event takes options': () => {
    const e = new Event('x', { bubbles: 1, cancelable: 'yes', composed: {} });
    return [e.bubbles, e.cancelable, e.composed];
  },
  'null and undefined are no options': () => [new Event('x', null).bubbles, new Event('x', undefined).bubbles],
  'a type is made a string': () => [null, undefined, 5, {}, [], true, { toString: () => 'own' }].map((t) => new Event(t).type),
  'a symbol is no type': () => new Event(Symbol('x')),
  'an event needs a type': () => new Event(),
  'an event needs new': () => Event('x'),
  'options are no number': () => new Event('x', 5),
  'options are no text': () => new Event('x', 'bubbles'),
  'a getter of options that throws is heard of': () => new Event('x', { get bubbles() { throw new RangeError('x'); } }),
  'options are read in order': () => heard((log) => new CustomEvent('x', {
    get bubbles() { log('bubbles'); }, get cancelable() { log('cancelable'); }, get composed() { log('composed'); },
  })),
  'the phases have names': () => [Event.NONE, Event.CAPTURING_PHASE, Event.AT_TARGET, Event.BUBBLING_PHASE],
  'events say what they are': () => [String(new Event('x')), String(new CustomEvent('x'))],
  'a timestamp does not run back': () => new Event('a').timeStamp <= new Event('b').timeStamp,
  'members are seen by for-in': () => { const keys = []; for (const k in new Event('x')) keys.push(k); return ['type', 'target', 'preventDefault'].map((k) => keys.includes(k)); },
  'members cannot be written': () => { 'use strict'; const e = new Event('x'); try { e.type = 'y'; } catch (error) { return [error.name, e.type]; } return 'written'; },
  'a getter needs an event': () => Object.getOwnPropertyDescriptor(Event.prototype, 'type').get.call({}),
  'a method needs an event': () => Event.prototype.preventDefault.call({ cancelable: true }),
  'what is cancelable is prevented': () => { const e = new Event('x', { cancelable: true }); e.preventDefault(); return [e.defaultPrevented, e.returnValue]; },
  'what is not cancelable is not prevented': () => { const e = new Event('x'); e.preventDefault(); return [e.defaultPrevented, e.returnValue]; },
  'cancelBubble stops for good': () => { const e = new Event('x'); e.cancelBubble = false; const was = e.cancelBubble; e.cancelBubble = true; const is = e.cancelBubble; return [was, is]; },
  'stopPropagation shows': () => { const e = new Event('x'); e.stopPropagation(); return e.cancelBubble; },
  'a detail is null without': () => [new CustomEvent('x').detail, new CustomEvent('x', {}).detail, new CustomEvent('x', { detail: undefined }).detail],
  'a detail is what was given': () => { const o = {}; return [new CustomEvent('x', { detail: o }).detail === o, new CustomEvent('x', { detail: 0 }).detail, new CustomEvent('x', { detail: null }).detail]; },
  'a CustomEvent is an Event': () => [new CustomEvent('x') instanceof Event, Object.getPrototypeOf(CustomEvent) === Event],
  'a CustomEvent needs a type': () => new CustomEvent(),
  'a detail needs a CustomEvent': () => Object.getOwnPropertyDescriptor(CustomEvent.prototype, 'detail').get.call(new Event('x')),
  'a MessageEvent has defaults': () => { const e = new MessageEvent('m'); return [e.type, e.data, e.origin, e.lastEventId, e.source, e.ports]; },
  'a MessageEvent takes data': () => { const e = new MessageEvent('m', { data: { a: 1 }, origin: 'https://a', lastEventId: 7 }); return [e.data, e.origin, e.lastEventId]; },
  'classes of events can be extended': () => {
    class Mine extends Event { #own = 1; get own() { return this.#own; } }
    const t = new EventTarget();
    return heard((log) => { t.addEventListener('x', (e) => log([e instanceof Mine, e.own])); t.dispatchEvent(new Mine('x')); });
  },
};

const target = {
  'a listener hears': () => heard((log) => { const t = new EventTarget(); t.addEventListener('x', (e) => log(e.type)); t.dispatchEvent(new Event('x')); }),
  'a listener hears its type only': () => heard((log) => { const t = new EventTarget(); t.addEventListener('x', log); t.dispatchEvent(new Event('y')); }),
  'listeners hear in order': () => heard((log) => { const t = new EventTarget(); for (const n of [1, 2, 3]) t.addEventListener('x', () => log(n)); t.dispatchEvent(new Event('x')); }),
  'an event at its target': () => heard((log) => {
    const t = new EventTarget(), e = new Event('x');
    t.addEventListener('x', function (got) { log([got === e, this === t, e.target === t, e.currentTarget === t, e.eventPhase, e.composedPath().length, e.composedPath()[0] === t]); });
    t.dispatchEvent(e);
    log([e.target === t, e.currentTarget, e.eventPhase, e.composedPath()]);
  }),
  'an event is dispatched again': () => heard((log) => { const t = new EventTarget(), e = new Event('x'); t.addEventListener('x', () => log('heard')); t.dispatchEvent(e); t.dispatchEvent(e); }),
  'the same listener is added once': () => heard((log) => { const t = new EventTarget(), f = () => log(1); t.addEventListener('x', f); t.addEventListener('x', f); t.addEventListener('x', f, { once: true, passive: true }); t.dispatchEvent(new Event('x')); t.dispatchEvent(new Event('x')); }),
  'capturing or not are two listeners': () => heard((log) => { const t = new EventTarget(), f = () => log(1); t.addEventListener('x', f, true); t.addEventListener('x', f, false); t.dispatchEvent(new Event('x')); }),
  'capture is removed as it was added': () => heard((log) => {
    const t = new EventTarget(), f = () => log(1);
    t.addEventListener('x', f, true); t.removeEventListener('x', f); t.dispatchEvent(new Event('x'));
    t.removeEventListener('x', f, { capture: true }); t.dispatchEvent(new Event('x'));
  }),
  'a removed listener does not hear': () => heard((log) => { const t = new EventTarget(), f = () => log(1); t.addEventListener('x', f); t.removeEventListener('x', f); t.dispatchEvent(new Event('x')); }),
  'what was never added is removed': () => new EventTarget().removeEventListener('x', () => {}),
  'nothing is removed': () => [new EventTarget().removeEventListener('x', null), new EventTarget().removeEventListener('x', undefined)],
  'a listener removed while the event goes on does not hear': () => heard((log) => { const t = new EventTarget(), second = () => log(2); t.addEventListener('x', () => { log(1); t.removeEventListener('x', second); }); t.addEventListener('x', second); t.dispatchEvent(new Event('x')); }),
  'a listener that removes itself': () => heard((log) => { const t = new EventTarget(); const f = () => { log(1); t.removeEventListener('x', f); }; t.addEventListener('x', f); t.addEventListener('x', () => log(2)); t.dispatchEvent(new Event('x')); t.dispatchEvent(new Event('x')); }),
  'a listener removed and added again hears at its new place': () => heard((log) => { const t = new EventTarget(), f = () => log('f'); t.addEventListener('x', f); t.addEventListener('x', () => log('g')); t.removeEventListener('x', f); t.addEventListener('x', f); t.dispatchEvent(new Event('x')); }),
  'once is once': () => heard((log) => { const t = new EventTarget(); t.addEventListener('x', () => log(1), { once: true }); t.dispatchEvent(new Event('x')); t.dispatchEvent(new Event('x')); }),
  'once is over when the listener is called': () => heard((log) => { const t = new EventTarget(); t.addEventListener('x', () => { log(1); t.dispatchEvent(new Event('x')); }, { once: true }); t.dispatchEvent(new Event('x')); }),
  'a listener may dispatch another event': () => heard((log) => { const t = new EventTarget(); t.addEventListener('x', () => { log('x'); t.dispatchEvent(new Event('y')); log('x again'); }); t.addEventListener('y', () => log('y')); t.dispatchEvent(new Event('x')); }),
  'who comes after a passive one may prevent': () => heard((log) => { const t = new EventTarget(); t.addEventListener('x', () => {}, { passive: true }); t.addEventListener('x', (e) => e.preventDefault()); log(t.dispatchEvent(new Event('x', { cancelable: true }))); }),
  'dispatchEvent says whether it was prevented': () => { const t = new EventTarget(); t.addEventListener('x', (e) => e.preventDefault()); return [t.dispatchEvent(new Event('x', { cancelable: true })), t.dispatchEvent(new Event('x')), t.dispatchEvent(new Event('y', { cancelable: true }))]; },
  'what a listener returns does not count': () => { const t = new EventTarget(); t.addEventListener('x', () => false); return t.dispatchEvent(new Event('x', { cancelable: true })); },
  'stopImmediatePropagation stops the rest': () => heard((log) => { const t = new EventTarget(); t.addEventListener('x', (e) => { log(1); e.stopImmediatePropagation(); }); t.addEventListener('x', () => log(2)); t.dispatchEvent(new Event('x')); }),
  'stopPropagation does not stop the others of a target': () => heard((log) => { const t = new EventTarget(); t.addEventListener('x', (e) => { log(1); e.stopPropagation(); }); t.addEventListener('x', () => log(2)); t.dispatchEvent(new Event('x')); }),
  'an object with handleEvent': () => heard((log) => { const t = new EventTarget(), o = { handleEvent(e) { log([this === o, e.type]); } }; t.addEventListener('x', o); t.dispatchEvent(new Event('x')); }),
  'handleEvent is looked up late': () => heard((log) => { const t = new EventTarget(), o = {}; t.addEventListener('x', o); o.handleEvent = () => log('late'); t.dispatchEvent(new Event('x')); }),
  'an object is removed': () => heard((log) => { const t = new EventTarget(), o = { handleEvent: log }; t.addEventListener('x', o); t.removeEventListener('x', o); t.dispatchEvent(new Event('x')); }),
  'a listener added while the event goes on does not hear it': () => heard((log) => { const t = new EventTarget(); t.addEventListener('x', () => { log(1); t.addEventListener('x', () => log(2)); }, { once: true }); t.dispatchEvent(new Event('x')); log('again'); t.dispatchEvent(new Event('x')); }),
  'what is no event is not dispatched': () => [undefined, null, 'x', {}, { type: 'x' }, Object.create(Event.prototype)].map((v) => thrown(() => new EventTarget().dispatchEvent(v)).slice(0, 2)),
  'a number is no listener': () => new EventTarget().addEventListener('x', 5),
  'text is no listener': () => new EventTarget().addEventListener('x', 'f'),
  'a listener is needed': () => new EventTarget().addEventListener('x'),
  'targets can be extended': () => heard((log) => { class Mine extends EventTarget { constructor() { super(); this.a = 1; } say() { this.dispatchEvent(new Event('said')); } } const t = new Mine(); t.addEventListener('said', (e) => log([e.target === t, e.target.a])); t.say(); }),
  'what is no target has no listeners': () => EventTarget.prototype.addEventListener.call({}, 'x', () => {}),
  'what is no target dispatches nothing': () => EventTarget.prototype.dispatchEvent.call({}, new Event('x')),
  'a target needs new': () => EventTarget(),
  'targets say what they are': () => [String(new EventTarget()), EventTarget.name, EventTarget.length],
  'types may be any text': () => heard((log) => { const t = new EventTarget(); for (const type of ['__proto__', 'constructor', 'toString', '', '\u{1f600}', 'a b']) { t.addEventListener(type, (e) => log(e.type)); t.dispatchEvent(new Event(type)); } t.dispatchEvent(new Event('hasOwnProperty')); }),
  'types are made strings': () => heard((log) => { const t = new EventTarget(); t.addEventListener(5, () => log('five')); t.addEventListener(null, () => log('null')); t.dispatchEvent(new Event('5')); t.dispatchEvent(new Event('null')); }),
  'a thousand listeners': () => { const t = new EventTarget(); let n = 0; for (let i = 0; i < 1000; i++) t.addEventListener('x', () => n++); t.dispatchEvent(new Event('x')); return n; },
  'a signal takes a listener away': () => heard((log) => { const t = new EventTarget(), c = new AbortController(); t.addEventListener('x', () => log(1), { signal: c.signal }); t.dispatchEvent(new Event('x')); c.abort(); t.dispatchEvent(new Event('x')); }),
  'an aborted signal adds no listener': () => heard((log) => { const t = new EventTarget(); t.addEventListener('x', () => log(1), { signal: AbortSignal.abort() }); t.dispatchEvent(new Event('x')); }),
  'a signal of many listeners': () => heard((log) => { const t = new EventTarget(), c = new AbortController(); for (let i = 0; i < 5; i++) t.addEventListener('x', () => log(i), { signal: c.signal }); c.abort(); t.dispatchEvent(new Event('x')); log('none'); }),
  'a listener may abort its own signal': () => heard((log) => { const t = new EventTarget(), c = new AbortController(); t.addEventListener('x', () => { log(1); c.abort(); }, { signal: c.signal }); t.addEventListener('x', () => log(2), { signal: c.signal }); t.dispatchEvent(new Event('x')); t.dispatchEvent(new Event('x')); }),
  'a signal is one': () => thrown(() => new EventTarget().addEventListener('x', () => {}, { signal: {} })).slice(0, 2),
  'null is no signal': () => thrown(() => new EventTarget().addEventListener('x', () => {}, { signal: null })).slice(0, 2),
};

const exception = {
  'a DOMException has defaults': () => { const e = new DOMException(); return [e.name, e.message, e.code, e instanceof Error, e instanceof DOMException]; },
  'a DOMException has a message and a name': () => { const e = new DOMException('words', 'AbortError'); return [e.name, e.message, e.code, String(e)]; },
  'a DOMException of an unknown name': () => { const e = new DOMException('m', 'MyError'); return [e.name, e.code]; },
  'names have codes': () => ['IndexSizeError', 'HierarchyRequestError', 'WrongDocumentError', 'InvalidCharacterError', 'NoModificationAllowedError',
    'NotFoundError', 'NotSupportedError', 'InUseAttributeError', 'InvalidStateError', 'SyntaxError', 'InvalidModificationError', 'NamespaceError',
    'InvalidAccessError', 'TypeMismatchError', 'SecurityError', 'NetworkError', 'AbortError', 'URLMismatchError', 'QuotaExceededError',
    'TimeoutError', 'InvalidNodeTypeError', 'DataCloneError', 'EncodingError', 'NotReadableError', 'UnknownError', 'ConstraintError',
    'DataError', 'TransactionInactiveError', 'ReadOnlyError', 'VersionError', 'OperationError', 'NotAllowedError'].map((n) => [n, new DOMException('', n).code]),
  'codes have constants': () => [DOMException.INDEX_SIZE_ERR, DOMException.ABORT_ERR, DOMException.DATA_CLONE_ERR, DOMException.QUOTA_EXCEEDED_ERR, DOMException.prototype.TIMEOUT_ERR],
  'a DOMException has a stack': () => typeof new DOMException('x').stack,
  'a DOMException needs new': () => DOMException('x'),
  'a DOMException says what it is': () => Object.prototype.toString.call(new DOMException('x')),
  'a name is made a string': () => [new DOMException(5, 6).message, new DOMException(5, 6).name, new DOMException(undefined, undefined).name],
};

const abort = {
  'a signal begins unaborted': () => { const { signal } = new AbortController(); return [signal.aborted, signal.reason, signal.onabort, signal instanceof EventTarget, signal.throwIfAborted()]; },
  'the signal is always the same': () => { const c = new AbortController(); return c.signal === c.signal; },
  'abort sets the reason': () => { const c = new AbortController(); c.abort('why'); return [c.signal.aborted, c.signal.reason]; },
  'abort without a reason': () => { const c = new AbortController(); c.abort(); const { reason } = c.signal; return [reason.name, reason.code, reason instanceof DOMException]; },
  'abort with undefined': () => { const c = new AbortController(); c.abort(undefined); return c.signal.reason.name; },
  'abort with null': () => { const c = new AbortController(); c.abort(null); return c.signal.reason; },
  'the first reason stays': () => { const c = new AbortController(); c.abort(1); c.abort(2); return c.signal.reason; },
  'abort is heard once': () => heard((log) => { const c = new AbortController(); c.signal.addEventListener('abort', (e) => log([e.type, e.isTrusted, e.target === c.signal, e.bubbles, e.cancelable])); c.abort(); c.abort(); }),
  'onabort hears': () => heard((log) => { const c = new AbortController(); c.signal.onabort = function (e) { log([this === c.signal, e.type]); }; c.abort(); }),
  'onabort keeps its place': () => heard((log) => { const c = new AbortController(), s = c.signal; s.onabort = () => log('first'); s.addEventListener('abort', () => log('listener')); s.onabort = () => log('second'); c.abort(); }),
  'onabort is taken away': () => heard((log) => { const c = new AbortController(); c.signal.onabort = () => log(1); c.signal.onabort = null; log(c.signal.onabort); c.abort(); }),
  'aborted shows to listeners': () => heard((log) => { const c = new AbortController(); c.signal.addEventListener('abort', () => log([c.signal.aborted, c.signal.reason])); c.abort('r'); }),
  'a signal that was made up is not heard': () => heard((log) => { const c = new AbortController(); c.signal.addEventListener('abort', (e) => log(e.isTrusted)); c.signal.dispatchEvent(new Event('abort')); log(c.signal.aborted); }),
  'throwIfAborted throws the reason': () => { const reason = { own: 1 }; try { AbortSignal.abort(reason).throwIfAborted(); } catch (e) { return e === reason; } return 'nothing'; },
  'a signal is born aborted': () => { const s = AbortSignal.abort(); return [s.aborted, s.reason.name, AbortSignal.abort(7).reason]; },
  'signals are not constructed': () => new AbortSignal(),
  'a controller needs new': () => AbortController(),
  'a getter needs a signal': () => Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'aborted').get.call({}),
  'they say what they are': () => [String(new AbortController()), String(new AbortController().signal)],
  'a timeout comes': async () => { const s = AbortSignal.timeout(5); const before = s.aborted; await new Promise((r) => s.addEventListener('abort', r)); return [before, s.aborted, s.reason.name, s.reason.code]; },
  'a timeout that nobody hears is there all the same': async () => { const s = AbortSignal.timeout(1); await later(30); return [s.aborted, s.reason.name]; },
  'a timeout of nothing': async () => { const s = AbortSignal.timeout(0); const before = s.aborted; await later(30); return [before, s.aborted]; },
  'any of none': () => { const s = AbortSignal.any([]); return [s.aborted, s instanceof AbortSignal]; },
  'any of those that are aborted takes the first reason': () => AbortSignal.any([new AbortController().signal, AbortSignal.abort(1), AbortSignal.abort(2)]).reason,
  'any follows its sources': () => heard((log) => { const a = new AbortController(), b = new AbortController(), s = AbortSignal.any([a.signal, b.signal]); s.onabort = () => log(s.reason); b.abort('b'); a.abort('a'); log(s.reason); }),
  'any of any': () => heard((log) => { const a = new AbortController(), s = AbortSignal.any([AbortSignal.any([a.signal])]); s.addEventListener('abort', () => log(s.reason)); a.abort('deep'); }),
  'any with the same signal twice': () => heard((log) => { const a = new AbortController(), s = AbortSignal.any([a.signal, a.signal]); s.onabort = () => log('once'); a.abort(); }),
  'many of one source': () => { const a = new AbortController(); let n = 0; const all = []; for (let i = 0; i < 200; i++) { const s = AbortSignal.any([a.signal]); s.onabort = () => n++; all.push(s); } a.abort(); return n; },
  'any needs signals': () => [[{}], [null], 5, undefined, null].map((v) => thrown(() => AbortSignal.any(v)).slice(0, 2)),
  'any of a timeout': async () => { const s = AbortSignal.any([AbortSignal.timeout(5)]); await new Promise((r) => { s.onabort = r; }); return s.reason.name; },
  'what waits is rejected with the reason': () => new Promise((_, reject) => { const c = new AbortController(); c.signal.addEventListener('abort', () => reject(c.signal.reason)); c.abort(); }),
  'abort may be taken out of its controller': () => thrown(() => { const { abort } = new AbortController(); abort(); }).slice(0, 2),
};

// What arrives at port2 when `post` has been called with both ends.
const arrives = (count, post) => new Promise((resolve, reject) => {
  const { port1, port2 } = new MessageChannel(), got = [];
  port2.onmessage = (e) => {
    got.push(e.data);
    if (got.length === count) { port1.close(); resolve(got); }
  };
  try { post(port1, port2); } catch (error) { port1.close(); reject(error); }
});
const closed = (fn) => { const { port1, port2 } = new MessageChannel(); try { return fn(port1, port2); } finally { port1.close(); port2.close(); } };

const channel = {
  'a message arrives': () => arrives(1, (a) => a.postMessage('hello')),
  'messages arrive in order': () => arrives(5, (a) => { for (let i = 0; i < 5; i++) a.postMessage(i); }),
  'a message is a copy': () => arrives(1, (a) => { const o = { list: [1] }; a.postMessage(o); o.list.push(2); }),
  'messages of all kinds arrive': () => arrives(8, (a) => { for (const v of [null, undefined, 1n, new Date(5), new Map([[1, { a: 1 }]]), new Uint8Array([1, 2]), [new RangeError('x')], /x/g]) a.postMessage(v); }),
  'a message arrives later': () => new Promise((resolve) => { const { port1, port2 } = new MessageChannel(), log = []; port2.onmessage = () => { log.push('message'); port1.close(); resolve(log); }; port1.postMessage(1); Promise.resolve().then(() => log.push('job')); log.push('here'); }),
  'both ends speak': () => new Promise((resolve) => { const { port1, port2 } = new MessageChannel(); port2.onmessage = (e) => port2.postMessage(e.data + 1); port1.onmessage = (e) => { port1.close(); resolve(e.data); }; port1.postMessage(41); }),
  'what was posted before the start arrives': () => new Promise((resolve) => { const { port1, port2 } = new MessageChannel(); port1.postMessage('early'); setTimeout(() => { port2.onmessage = (e) => { port1.close(); resolve(e.data); }; }, 5); }),
  'a port is started by hand': () => new Promise((resolve) => { const { port1, port2 } = new MessageChannel(); port2.addEventListener('message', (e) => { port1.close(); resolve([e.data, e.type, e.target === port2]); }); port1.postMessage('x'); port2.start(); }),
  'functions are not posted': () => closed((a) => thrown(() => a.postMessage(() => {}))),
  'symbols are not posted': () => closed((a) => thrown(() => a.postMessage({ s: Symbol('x') }))),
  'a message is needed': () => closed((a) => thrown(() => a.postMessage()).slice(0, 2)),
  'a buffer is moved': () => new Promise((resolve) => { const { port1, port2 } = new MessageChannel(); const b = new Uint8Array([1, 2, 3]).buffer; port2.onmessage = (e) => { port1.close(); resolve([e.data, b.byteLength]); }; port1.postMessage(b, [b]); }),
  'a buffer is moved by an option': () => new Promise((resolve) => { const { port1, port2 } = new MessageChannel(); const b = new ArrayBuffer(4); port2.onmessage = (e) => { port1.close(); resolve([e.data.b, b.byteLength]); }; port1.postMessage({ b }, { transfer: [b] }); }),
  'a port is moved': () => new Promise((resolve) => {
    const outer = new MessageChannel(), inner = new MessageChannel();
    outer.port2.onmessage = (e) => { const [port] = e.ports; port.onmessage = (m) => { outer.port1.close(); inner.port1.close(); resolve([m.data, e.data.port === port, e.ports.length]); }; };
    inner.port1.postMessage('before');
    outer.port1.postMessage({ port: inner.port2 }, [inner.port2]);
  }),
  'a port is not sent through itself': () => closed((a) => thrown(() => a.postMessage(1, [a]))),
  'a closed port is silent': async () => { const { port1, port2 } = new MessageChannel(); const got = []; port2.onmessage = (e) => got.push(e.data); port1.close(); port1.postMessage('x'); await later(10); return got; },
  'the other end hears of the end': () => new Promise((resolve) => { const { port1, port2 } = new MessageChannel(); port2.addEventListener('close', (e) => resolve(e.type)); port2.start?.(); port1.close(); }),
  'a channel has two ports': () => closed((a, b) => [a instanceof MessagePort, b instanceof EventTarget, a === b, a.onmessage]),
  'ports are not constructed': () => new MessagePort(),
  'a channel needs new': () => MessageChannel(),
};

const lengths = {
  'functions take as many arguments as elsewhere': () => [Event, CustomEvent, MessageEvent, EventTarget, AbortController, AbortSignal, DOMException, EventTarget.prototype.addEventListener, EventTarget.prototype.removeEventListener, EventTarget.prototype.dispatchEvent, AbortSignal.any, AbortSignal.timeout, AbortSignal.abort, AbortController.prototype.abort, Event.prototype.preventDefault].map((f) => [f.name, f.length]),
};

export const cases = { ...lengths, ...event, ...target, ...exception, ...abort, ...channel };
