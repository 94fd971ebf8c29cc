export interface Person {
  name: string;
}

export function greeting(person: Person): string {
  if (!person?.name) throw new TypeError('nobody');
  return `Hello, ${person.name}`;
}

export function pass(): void {
  for (let i = 0; i < 1000; i++) Math.sqrt(i);
}
