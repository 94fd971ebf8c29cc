// Runs the rules that users have written: a process for each, of which this one is the parent. A rule is a module that
// exports `decide(order)`. It gets what its parent has, never more: its memory and its time are bounded, and what it reaches of the
// host is the handler "stock" alone. One that fails, spins or fills its memory ends, and is shown as broken; all others go on.

type Pid = object;
declare const Beam: {
  spawn(text: string, arg: unknown): Pid;
  unlink(pid: Pid): void;
  exit(child: Pid): boolean;
  send(pid: Pid, value: unknown): void;
  onMessage(fn: (value: any, from: Pid | null) => void): void;
  monitor(pid: Pid, fn: (pid: Pid, reason: string) => void): object;
  self(): Pid;
};

type Rule = { name: string; pid: Pid | null; broken: string | null; decisions: number };
type Outcome = { rule: string; decision?: unknown; error?: string };

const PATIENCE_MS = 2000;
const RULES_MAX = 100;

const rules = new Map<string, Rule>();
const asked = new Map<number, { rule: Rule; tell: (outcome: Outcome) => void }>();
let nextId = 1;

// Goes behind the text of a rule, so that its lines keep their numbers.
const frame = `
export function init(engine) {
  if (typeof decide !== 'function') throw new TypeError('a rule exports a function decide(order)');
  Beam.onMessage(async ({ id, order }) => {
    try {
      Beam.send(engine, { id, decision: (await decide(order)) ?? null });
    } catch (error) {
      Beam.send(engine, { id, error: String(error) });
    }
  });
}
`;

/** Called in the engine's process when it starts. */
export function init(): void {
  Beam.onMessage((said, from) => {
    // Its sender cannot be forged, everything in it can: a rule answers what it was asked, and for nobody else.
    const { id, decision, error } = said ?? {};
    const pid = asked.get(id)?.rule.pid;
    if (pid == null || String(pid) !== String(from)) return;
    answer(id, error === undefined ? { decision } : { error: String(error) });
  });
}

function answer(id: number, outcome: Omit<Outcome, "rule">): void {
  const question = asked.get(id);
  if (question === undefined) return; // it came too late
  asked.delete(id);
  question.rule.decisions += 1;
  question.tell({ rule: question.rule.name, ...outcome });
}

function broke(rule: Rule, reason: string): void {
  rule.pid = null;
  rule.broken = reason;
  for (const [id, question] of asked) if (question.rule === rule) answer(id, { error: `the rule has ended: ${reason}` });
}

/** Loads a rule, or the next version of one. Throws when its text is no rule; the version that was there then stays. */
export function load({ name, text }: { name: string; text: string }): { rules: number } {
  if (!rules.has(name) && rules.size >= RULES_MAX) throw new RangeError(`there are ${RULES_MAX} rules already`);
  const pid = Beam.spawn(text + frame, Beam.self());
  const rule: Rule = { name, pid, broken: null, decisions: 0 };
  Beam.unlink(pid); // its failure is not ours, but we want to know
  unload({ name });
  rules.set(name, rule);
  Beam.monitor(pid, (_, reason) => broke(rule, reason));
  return { rules: rules.size };
}

/** Takes a rule out. Whether it was there. */
export function unload({ name }: { name: string }): boolean {
  const rule = rules.get(name);
  if (rule === undefined) return false;
  rules.delete(name);
  if (rule.pid !== null) Beam.exit(rule.pid);
  return true;
}

export function list(): { name: string; state: string; decisions: number }[] {
  return [...rules.values()].map(({ name, broken, decisions }) => ({ name, state: broken ?? "running", decisions }));
}

function ask(rule: Rule, order: unknown): Promise<Outcome> {
  const { name, pid } = rule;
  if (pid === null) return Promise.resolve({ rule: name, error: `the rule is broken: ${rule.broken}` });
  return new Promise((tell) => {
    const id = nextId++;
    asked.set(id, { rule, tell });
    setTimeout(() => answer(id, { error: `no decision within ${PATIENCE_MS} ms` }), PATIENCE_MS);
    Beam.send(pid, { id, order });
  });
}

/** What every rule says of an order, in the order in which they were loaded. */
export function decide(order: unknown): Promise<Outcome[]> {
  return Promise.all([...rules.values()].map((rule) => ask(rule, order)));
}
