// The pages of a shop, written in JSX and rendered on the server. Each function is called with what the page shows and returns
// its HTML; what it fails to escape nobody can: texts are put in by the renderer only.

import type { ComponentChildren } from "preact";
import { render } from "preact-render-to-string";

type Item = { id: string; name: string; cents: number; stock: number };

const price = (cents: number) => `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")} €`;

function Page({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>{title}</title>
      </head>
      <body>
        <h1>{title}</h1>
        {children}
      </body>
    </html>
  );
}

const Line = ({ item }: { item: Item }) => (
  <li class={item.stock === 0 ? "gone" : undefined}>
    <a href={`/items/${item.id}`}>{item.name}</a> {price(item.cents)}
  </li>
);

const document = (page: Parameters<typeof render>[0]) => `<!doctype html>${render(page)}`;

export function shop({ items, search }: { items: Item[]; search: string }): string {
  return document(
    <Page title="The tea shop">
      <form>
        <input name="search" value={search} /> <button>Search</button>
      </form>
      {items.length === 0 ? <p>There is no “{search}”.</p> : <ul>{items.map((item) => <Line key={item.id} item={item} />)}</ul>}
    </Page>,
  );
}

export function item({ item }: { item: Item }): string {
  if (item.stock < 0) throw new RangeError(`${item.name} has a stock of ${item.stock}`);
  return document(
    <Page title={item.name}>
      <p>
        {price(item.cents)}, {item.stock === 0 ? "sold out" : `${item.stock} left`}
      </p>
      <a href="/">All teas</a>
    </Page>,
  );
}
