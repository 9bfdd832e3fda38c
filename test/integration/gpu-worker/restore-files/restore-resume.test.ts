import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildRecorded } from '../../../support/recorded-models.ts';
import { endOf, restore, startRestore } from '../../../support/restore-command.ts';

/** Sampling that is interrupted on the command line and goes on, with the small SeeSR of the recorded set. */

const STEPS = 8;

let here: string;
let whole: string;
const model = () => ['--model', 'seesr', '--models', join(here, 'models'), '--json'];
const given = (output: string) => ['a.png', output, '--steps', String(STEPS), '--guidance-scale', '1'];

beforeAll(async () => {
  here = await mkdtemp(join(tmpdir(), 'seesr-restore-'));
  await buildRecorded(join(here, 'models'), 'seesr');
  const dog = new URL('../../../../local/demo-photo/dog.jpg', import.meta.url).pathname;
  await writeFile(join(here, 'a.png'), await sharp(dog).resize(24, 16, { fit: 'fill' }).png().toBuffer());
  const { stdout } = await restore(given('whole.png'), { cwd: here, model: model() });
  whole = JSON.parse(stdout).sha256;
});
afterAll(() => rm(here, { recursive: true, force: true }));

const hidden = async () => (await readdir(here)).filter((name) => name.startsWith('.'));

test.each(['SIGINT', 'SIGKILL'] as const)(
  'a run that %s ended goes on at its last step, with the same bytes',
  async (signal) => {
    const output = `${signal}.png`;
    const child = startRestore(given(output), { cwd: here, model: model() });
    const steps = async () => {
      const folder = (await hidden()).find((name) => name.endsWith('.steps'));
      const files = folder ? await readdir(join(here, folder)) : [];
      return Math.max(0, ...files.map((name) => Number(/^savepoint-(\d+)$/.exec(name)?.[1] ?? 0)));
    };
    await expect.poll(steps, { interval: 5 }).toBeGreaterThan(1);
    child.kill(signal);
    await endOf(child);
    expect(await readdir(here)).not.toContain(output);
    const next = JSON.parse((await restore(given(output), { cwd: here, model: model() })).stdout);
    expect(next.resumedStep).toBeGreaterThan(1);
    expect(next.sha256).toBe(whole);
    expect((await hidden()).filter((name) => name.endsWith('.steps'))).toEqual([]);
  },
);

test('a run that ended before its first step leaves no folder', async () => {
  const { code } = await restore(['a.png', 'x.png'], { cwd: here, model: model(), env: { MAX_INPUT_PIXELS: '1' } });
  expect(code).toBe(1);
  expect((await hidden()).filter((name) => name.endsWith('.steps'))).toEqual([]);
});
