import { greeting, pass, type Person } from './words';

let greeted = 0;

export function greet(person: Person): string {
  greeted++;
  return `${greeting(person)} (${greeted})`;
}

export function fail(): never {
  const where: string = 'deep inside';
  throw new RangeError(where);
}

export function wait(): never {
  for (;;) pass();
}
