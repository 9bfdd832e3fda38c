import { expect, test } from 'vitest';
import { wholeNumber } from '../../../../../shared/adapters/node/command.ts';

test.each([
  ['0', 0],
  ['007', 7],
  ['4294967295', 2 ** 32 - 1],
])('%s', (value, number) => {
  expect(wholeNumber('seed', value, 2 ** 32 - 1)).toBe(number);
});

test.each(['', '-1', '1.5', '1e3', '0x10', ' 1', 'one', '4294967296', '9'.repeat(400)])('refused: "%s"', (value) => {
  const message = `--seed ${value}: it is a whole number from 0 to 4294967295.`;
  expect(() => wholeNumber('seed', value, 2 ** 32 - 1)).toThrow(
    expect.objectContaining({ code: 'malformed', message }),
  );
});

test('the least is another where one is given', () => {
  expect(wholeNumber('steps', '1', 200, 1)).toBe(1);
  expect(() => wholeNumber('steps', '0', 200, 1)).toThrow('--steps 0: it is a whole number from 1 to 200.');
});
