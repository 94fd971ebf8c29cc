// What a rule should not do. It costs nobody else anything.
export function decide() {
  for (;;);
}
