export const cases = { 'there is a class': () => typeof CustomEvent };
