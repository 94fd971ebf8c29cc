// What is counted where; the lines are those that coverage_test.c expects.
import { greeting } from './words';

let total = 0;

export function add(n: number): number {
  if (n < 0) return -1;
  else if (n > 100) total = 100;
  else for (let i = 0; i < n; i++) total++;
  return total;
}

const twice = (n: number) => n * 2;

export const both = (n: number) => ({ n: twice(n) });

export class Box {
  static { total = 0; }
  get value() { 'use strict'; return total; }
  never() {
    switch (total) {
      case 1: return 1;
      default: return 2;
    }
  }
}

export async function* steps(): AsyncGenerator<number> {
  do yield total++;
  while (total < 3);
}

export async function all(): Promise<number[]> {
  const list: number[] = [];
  outer: for await (const step of steps()) { list.push(step); continue outer; }
  return list;
}

export const hello = (name: string) => greeting({ name });

export function spin() {
  for (;;) twice(1);
}
