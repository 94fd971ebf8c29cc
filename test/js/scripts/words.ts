export interface Person {
  name: string;
}

export function greeting(person: Person): string {
  if (!person?.name) throw new TypeError('nobody');
  return `Hello, ${person.name}`;
}
