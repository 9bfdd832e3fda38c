import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { readConfig } from '../../../../gpu-worker/weights/read-config.ts';

const schema = z.object({ groups: z.int() });
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-config-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function written(text: string): Promise<string> {
  const path = join(directory, 'config.json');
  await writeFile(path, text);
  return path;
}

test('gives what the schema knows', async () => {
  expect(await readConfig(await written('{ "groups": 4, "more": 1 }'), schema)).toEqual({ groups: 4 });
});

test.each([
  ['of another kind', '{ "groups": "four" }', /config\.json cannot be read: .*groups/s],
  ['that is no JSON', 'groups: 4', /config\.json cannot be read: Unexpected token/],
])('refuses a file %s, by its name', async (_, text, message) => {
  await expect(readConfig(await written(text), schema)).rejects.toMatchObject({
    code: 'engine-failed',
    message: expect.stringMatching(message),
  });
});

test('refuses one that is not there', async () => {
  await expect(readConfig(join(directory, 'none.json'), schema)).rejects.toThrow(/none\.json cannot be read: ENOENT/);
});
