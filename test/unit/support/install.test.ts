import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'install-'));
});

afterEach(() => rm(home, { recursive: true, force: true }));

/** Ends when each of `asks` has the folder of `a.txt`; the output has a dot for each time that it was filled. */
async function installBy(asks: number): Promise<string> {
  const program = `
    import { writeFile } from 'node:fs/promises';
    import { setTimeout } from 'node:timers/promises';
    const { install } = await import('./test/support/aws-servers.ts');
    const fill = async (folder) => {
      process.stdout.write('.');
      await writeFile(folder + '/a.txt', 'a');
      await setTimeout(500);
    };
    await Promise.all(Array.from({ length: ${asks} }, () => install('tool', fill)));`;
  const env = { ...process.env, HOME: home };
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const chunks: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => chunks.push(text));
  const [code] = await once(child, 'close');
  expect(code).toBe(0);
  return chunks.join('');
}

test('a tool is fetched once for all tests of a process that ask for it', async () => {
  expect(await installBy(4)).toBe('.');
  expect(await installBy(4)).toBe('');
});

test('of processes that fetch it at the same time each has it, and nothing is left behind', async () => {
  await Promise.all([installBy(1), installBy(2), installBy(1)]);
  const cache = join(home, '.cache', 'seesr-cloud-test');
  expect(await readdir(cache)).toEqual(['tool']);
  expect(await readdir(join(cache, 'tool'))).toEqual(['a.txt']);
});
