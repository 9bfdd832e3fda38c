import { expect, test } from 'vitest';
import { createRemoval } from '../../../shared/removal.ts';

test('a file that cannot be removed goes with the next, and is forgotten then', async () => {
  const refused = new Set(['a', 'b']);
  const asked: string[] = [];
  const remove = createRemoval(async (path) => {
    asked.push(path);
    if (refused.has(path)) throw new Error('EIO');
  });
  await remove('a');
  await remove('b');
  refused.delete('a');
  await remove('c');
  expect(asked.splice(0)).toEqual(['a', 'a', 'b', 'a', 'b', 'c']);
  refused.clear();
  await remove('d');
  await remove('e');
  expect(asked.splice(0)).toEqual(['b', 'd', 'e']);
  refused.add('f');
  await remove('f');
  await remove();
  refused.clear();
  await remove();
  await remove();
  expect(asked).toEqual(['f', 'f', 'f']);
});
