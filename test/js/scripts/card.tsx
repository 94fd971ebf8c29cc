// JSX with a factory of its own, a JSON file and a text, bundled into one module.
import names from './names.json';
import rules from './rules.md';

type Child = string | number;

export function element(tag: string | ((props: object) => string), props: object | null, ...children: Child[]): string {
  if (typeof tag === 'function') return tag({ ...props, children });
  const shown = Object.entries(props ?? {}).map(([name, value]) => ` ${name}="${value}"`);
  return `<${tag}${shown.join('')}>${children.join('')}</${tag}>`;
}

function Name({ of }: { of: number }): string {
  if (names[of] === undefined) throw new RangeError(`nobody is number ${of}`);
  return <b>{names[of]}</b>;
}

export function card(of: number): string {
  return (
    <p class="card">
      <Name of={of} />
      {rules.trim()}
    </p>
  );
}
