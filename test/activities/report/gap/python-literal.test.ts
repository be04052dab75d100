import { expect, test } from 'vitest';
import { parseAssignments } from '../../../../activities/report/gap/python-literal.ts';

test.each([
  ["a = 'x'", { a: 'x' }],
  ['a = 1\nb = -2.5e-05', { a: 1, b: -2.5e-5 }],
  ['a = True\nb = False\nc = None', { a: true, b: false, c: null }],
  ["a = [1, (2, 3,), {'k': [], 4: ()}]", { a: [1, [2, 3], { k: [], 4: [] }] }],
  ["a = {'x': 1,\n 'y': {'z': 'it\\'s'}}\n# a word\nb = \"don't\"", { a: { x: 1, y: { z: "it's" } }, b: "don't" }],
  ["a = ('one '\n 'two')", { a: ['one two'] }],
  ['', {}],
])('reads %j', (text, value) => {
  expect(parseAssignments(text)).toEqual(value);
});

test.each([
  ['a = f(1)'],
  ['a = [1'],
  ["a = 'open"],
  ['import os'],
  ['a = 1 + 1'],
  ['a = 1.2.3'],
  [`a = ${'['.repeat(100_000)}`],
])('goes without %j', (text) => {
  expect(parseAssignments(text)).toBeUndefined();
});

test('a key named like a prototype is only a key', () => {
  const parsed = parseAssignments("a = {'__proto__': {'polluted': 1}}");
  expect(Object.keys(parsed?.['a'] ?? {})).toEqual(['__proto__']);
  expect('polluted' in {}).toBe(false);
});
