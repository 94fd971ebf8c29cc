// What channels live through, whatever carries them: the same in Node and in a browser, to which these functions go as text.
// So they use nothing but their argument.

/** What a life needs. base: the server's URL, "ws://..." */
export function tools({ Socket, transport, base }) {
  const opened = [];
  const until = async (what, look) => {
    const end = Date.now() + 30_000;
    while (!look()) {
      if (Date.now() > end) throw new Error(`${what}: not within 30 s`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const same = (got, wanted) => {
    if (JSON.stringify(got) !== JSON.stringify(wanted)) throw new Error(`got ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`);
  };
  const answered = (sent, what) =>
    new Promise((resolve, reject) => {
      sent
        .receive("ok", (ok) => resolve({ ok }))
        .receive("error", (error) => resolve({ error }))
        .receive("timeout", () => reject(new Error(`${what}: no answer`)));
    });

  /** A client of that mount. */
  function client({ at = "/socket", ...options } = {}) {
    const socket = new Socket(base + at, { transport, timeout: 20_000, reconnectAfterMs: () => 50, rejoinAfterMs: () => 50, ...options });
    const one = { socket, opens: 0 };
    opened.push(socket);
    socket.onOpen(() => one.opens++);
    socket.connect();
    /** `joins` and `got` go on to be filled; `errors`, `closes` and `refused` count what the channel is told. */
    one.join = (topic, params = {}) => {
      const channel = socket.channel(topic, params);
      const room = { channel, got: [], joins: 0, errors: 0, closes: 0, refused: [] };
      channel.on("said", (payload) => room.got.push(payload));
      channel.onError(() => room.errors++);
      channel.onClose(() => room.closes++);
      channel
        .join()
        .receive("ok", () => room.joins++)
        .receive("error", (error) => room.refused.push(error));
      return room;
    };
    one.joined = async (topic, params) => {
      const room = one.join(topic, params);
      await until(`joining ${topic}`, () => room.joins > 0);
      return room;
    };
    return one;
  }

  const push = (room, event, payload = {}) => answered(room.channel.push(event, payload, 20_000), event);
  const leave = (room) => answered(room.channel.leave(), "leaving");
  const close = () => Promise.all(opened.map((socket) => new Promise((resolve) => socket.disconnect(resolve))));
  return { client, until, same, push, leave, close };
}

export const lives = {
  "a join that is refused or crashes is an error, and tried again": async ({ client, until, same }) => {
    const one = client();
    const refused = one.join("room:a", { refuse: true }), crashed = one.join("room:b", { crash: true });
    await until("another try of both", () => refused.refused.length > 1 && crashed.refused.length > 1);
    same([refused.refused[0], crashed.refused[0]], [{ reason: "not you" }, { reason: "join crashed" }]);
    const other = one.join("other");
    await until("its answer", () => other.refused.length > 0);
    same(other.refused[0], { reason: "unmatched topic" });
  },

  "a second join of a topic takes the place of the first, which is closed": async ({ client, until, same, push }) => {
    const one = client();
    const first = await one.joined("room:a"), second = await one.joined("room:a");
    same(await push(second, "shout", { a: 1 }), { ok: {} });
    await until("hearing it", () => second.got.length === 1);
    same([first.got, first.closes, first.errors, second.closes, second.errors], [[], 1, 0, 0, 0]);
  },

  "who leaves and comes back at once is in the room, and its first channel closed": async ({ client, until, same, push }) => {
    const one = client();
    const first = await one.joined("room:a");
    first.channel.leave();
    const second = await one.joined("room:a");
    await push(second, "shout", { a: 1 });
    await until("hearing it", () => second.got.length === 1);
    same([first.got, first.closes, second.closes, second.errors, second.joins], [[], 1, 0, 0, 1]);
    same(await push(second, "echo", 1), { ok: { got: 1 } });
  },

  "more channels than a socket may have are refused, until one is left": async ({ client, until, same, push, leave }) => {
    const one = client({ at: "/small" });
    const first = await one.joined("room:a");
    await one.joined("room:b");
    const third = one.join("room:c");
    await until("its answer", () => third.refused.length > 0);
    same(third.refused[0], { reason: "too many channels joined" });
    await leave(first);
    await until("room", () => third.joins === 1);
    same(await push(third, "echo", 1), { ok: { got: 1 } });
  },

  "a channel that crashes is an error, and joined again": async ({ client, until, same, push }) => {
    const room = await client().joined("room:a");
    room.channel.push("crash", {});
    await until("joining again", () => room.joins === 2);
    same([room.errors, room.closes], [1, 0]);
    same(await push(room, "echo", 1), { ok: { got: 1 } });
  },

  "a channel that stops is closed for good, after its answer": async ({ client, until, same, push }) => {
    const one = client();
    const room = await one.joined("room:a");
    same(await push(room, "stop"), { ok: {} });
    await until("the close", () => room.closes === 1);
    await one.joined("room:b");
    same([room.joins, room.errors, room.channel.state], [1, 0, "closed"]);
  },

  "a channel that stops for another reason is an error behind its answer, and joined again": async ({ client, until, same, push }) => {
    const room = await client().joined("room:a");
    same(await push(room, "stop_error"), { ok: {} });
    await until("joining again", () => room.joins === 2);
    same([room.errors, room.closes], [1, 0]);
    same(await push(room, "echo", 1), { ok: { got: 1 } });
  },

  "a join whose answer takes too long is left and tried again": async ({ client, until, same, push }) => {
    const one = client({ timeout: 1000 });
    const sent = [], send = one.socket.push.bind(one.socket);
    one.socket.push = (message) => {
      sent.push(message);
      return send(message);
    };
    let tries = 0;
    const room = one.join("room:a", () => ({ sleep_ms: tries++ === 0 ? 2500 : 0 }));
    await until("another try that is answered", () => room.channel.state === "joined");
    const refs = sent.filter(({ event }) => event === "phx_join").map((message) => message.join_ref);
    same(refs.length > 1, true);
    same(sent.some((message) => message.event === "phx_leave" && message.join_ref === refs[0]), true);
    same(room.closes, 0);
    same(await push(room, "echo", 1), { ok: { got: 1 } });
  },

  "disconnecting by id ends the connection, and the client comes back": async ({ client, until, same, push }) => {
    const one = client({ params: { name: "users:ann" } }), two = client({ params: { name: "users:ben" } });
    const ann = await one.joined("room:a"), ben = await two.joined("room:a");
    ben.channel.push("disconnect", { id: "users:ann" });
    await until("joining again", () => ann.joins === 2);
    same(two.opens, 1);
    await push(ben, "shout", { a: 1 });
    await until("hearing it", () => ann.got.length === 1);
  },
};
