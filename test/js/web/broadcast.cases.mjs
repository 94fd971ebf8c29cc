// BroadcastChannel, between channels of one process.
const open = (name) => new BroadcastChannel(name);
const thrown = (fn) => {
  try {
    return ['ok', fn()];
  } catch (e) {
    return ['threw', e?.name ?? e];
  }
};
// What `to` hears of what fn has sent, until a message that is "end"; all are closed then.
async function heard(channels, to, fn) {
  const all = [];
  await new Promise((done) => {
    to.addEventListener('message', ({ data }) => (data === 'end' ? done() : all.push(data)));
    fn();
    channels.find((channel) => channel !== to).postMessage('end');
  });
  for (const channel of channels) channel.close();
  return all;
}
const pair = (fn) => {
  const a = open('pair'), b = open('pair');
  return heard([a, b], b, () => fn(a, b));
};

export const cases = {
  'names and kinds': () => {
    const c = open('name'), seen = [c.name, c instanceof EventTarget, c.onmessage, c.onmessageerror, open.length];
    c.close();
    return [seen, BroadcastChannel.length, thrown(() => new BroadcastChannel()), thrown(() => BroadcastChannel('x'))];
  },
  'a name is text': () => [5, null, undefined, {}].map((name) => {
    const c = open(name);
    c.close();
    return c.name;
  }),
  'what is sent is heard in its order': () => pair((a) => { for (let i = 0; i < 5; i++) a.postMessage(i); }),
  'values': () => pair((a) => { for (const v of ['text', 1, -0, NaN, Infinity, null, undefined, true, 5n, new Date(5), [1, [2]], { a: { b: 1 } }, { data: 1 }, { $: 'x' }, new Uint8Array([1, 2])]) a.postMessage(v); }),
  'who sends does not hear': () => pair((a, b) => {
    b.postMessage('mine');
    a.postMessage('yours');
  }),
  'another name is another channel': () => {
    const other = open('other');
    return pair((a) => {
      other.postMessage('elsewhere');
      other.close();
      a.postMessage('here');
    });
  },
  'what is heard is a copy': async () => {
    const value = { list: [1] };
    return pair((a) => {
      a.postMessage(value);
      value.list.push(2);
    });
  },
  'who is closed hears nothing and sends nothing': async () => {
    const a = open('closed'), b = open('closed'), c = open('closed'), all = [];
    b.onmessage = ({ data }) => all.push(data);
    b.close();
    const rest = await heard([a, c], c, () => a.postMessage('late'));
    return [all, rest, thrown(() => b.postMessage(1)), thrown(() => b.close())];
  },
  'an event': async () => {
    const a = open('event'), b = open('event');
    const e = await new Promise((done) => {
      b.onmessage = done;
      a.postMessage(1);
    });
    a.close();
    b.close();
    return [e.type, e.data, e instanceof MessageEvent, e.target === b, e.bubbles, e.cancelable];
  },
  'listeners once, and taken away': async () => {
    const a = open('once'), b = open('once'), all = [], gone = () => all.push('gone');
    b.addEventListener('message', ({ data }) => all.push(data), { once: true });
    b.addEventListener('message', gone);
    b.removeEventListener('message', gone);
    await heard([a, b], b, () => {
      a.postMessage(1);
      a.postMessage(2);
    });
    return all;
  },
  'events of one\'s own': () => {
    const c = open('own'), all = [];
    c.addEventListener('x', (e) => all.push(e.type));
    c.dispatchEvent(new Event('x'));
    c.close();
    return all;
  },
  'what cannot be sent': () => {
    const c = open('refused'), made = [thrown(() => c.postMessage(() => 1)), thrown(() => c.postMessage(Symbol('x'))), thrown(() => c.postMessage()), thrown(() => c.postMessage(Promise.resolve()))];
    c.close();
    return made;
  },
};
