// A chat room as a script: one sandboxed process a room. It holds what was said, and nothing else does: when it crashes,
// its supervisor starts it again and the history begins anew.
//
// The host calls the exported functions by name with one argument and gives what they return, or the message of what
// they throw, to whoever asked. All it lends to a room is the handler "broadcast" (event, text of the payload as JSON), which reaches everybody
// in this room. It is called synchronously: what is said first is heard first.
//
// Nothing is computed while the script loads but constants: a room starts as a copy of a loaded one.

declare const Beam: { callSync(handler: string, ...args: unknown[]): unknown };

type Message = { id: string; sender: string; text: string; at: number };

const HISTORY_MAX = 200;
const TEXT_MAX = 2000;
const NAME_MAX = 40;

const messages: Message[] = [];
let life = ""; // tells the messages of this life of the room from those before a crash
let count = 0;

function words(value: unknown, what: string, max: number): string {
  if (typeof value !== "string") throw new Error(`${what} must be text`);
  const trimmed = value.trim();
  if (trimmed === "") throw new Error(`${what} is empty`);
  if ([...trimmed].length > max) throw new Error(`${what} is longer than ${max} characters`);
  return trimmed;
}

function nextId(): string {
  if (life === "") life = Math.floor(Math.random() * 2 ** 53).toString(36);
  count += 1;
  return `${life}-${count}`;
}

/** What was said last, oldest first. */
export function history(): Message[] {
  return messages;
}

/** Somebody comes in: checks the name and gives what a newcomer should see. */
export function join(person: { name?: unknown } | null): { name: string; history: Message[] } {
  return { name: words(person?.name, "The name", NAME_MAX), history: messages };
}

/** Stores what was said, tells everybody, and gives the message as it was stored. */
export function send_message(said: { sender?: unknown; text?: unknown } | null): Message {
  const sender = words(said?.sender, "The sender's name", NAME_MAX);
  const text = words(said?.text, "The message", TEXT_MAX);
  const message = { id: nextId(), sender, text, at: Date.now() };
  messages.push(message);
  if (messages.length > HISTORY_MAX) messages.shift();
  Beam.callSync("broadcast", "new_message", JSON.stringify(message));
  return message;
}

function useMemory(): never {
  const kept: Uint8Array[] = [];
  for (;;) kept.push(new Uint8Array(1 << 20).fill(1));
}

function recurse(depth: number): number {
  return recurse(depth + 1) + 1;
}

/**
 * Ways to go wrong. What the functions above throw is an answer; what leaves this one is an error that nobody catches,
 * and the host lets the room end of it. Who is in another room does not notice.
 */
export function crash(wish: { how?: unknown } | null): void {
  switch (wish?.how) {
    case "exception":
      throw new Error("the room threw an exception, as it was asked to");
    case "loop":
      for (;;);
    case "memory":
      return useMemory();
    case "stack":
      recurse(0);
      return;
    default:
      throw new Error("there is no such way to crash");
  }
}
