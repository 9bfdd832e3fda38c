import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSavepoints, type SavepointFile } from '../../../../gpu-worker/restore/savepoint.ts';

/** That runs go on from them: test/integration/gpu-worker/worker/resume.test.ts. */

const DEPENDS_ON = { parameters: { seed: 1, steps: 9 }, tileSize: 96 };
const STATE = {
  sample: Float32Array.of(1, -0, 1e-40, 0.1),
  memory: [Float32Array.of(5, 6, 7, 8), Float32Array.of(9, 10, 11, -12)],
};

let directory: string;
let bytes: Buffer;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-savepoint-'));
  const saved: SavepointFile[] = [];
  open({ onSaved: (file) => saved.push(file) }).save({ step: 3, state: STATE });
  expect(saved).toEqual([{ path: join(directory, 'savepoint-3'), step: 3 }]);
  bytes = await readFile(saved[0]!.path);
});
afterAll(() => rm(directory, { recursive: true }));

function open(other: Partial<Parameters<typeof openSavepoints>[0]>) {
  const ignore = () => {};
  return openSavepoints({ directory, dependsOn: DEPENDS_ON, onSaved: ignore, onRefused: ignore, ...other });
}

test('gives back the state of the sampler, bit for bit', () => {
  const path = join(directory, 'savepoint-3');
  const { from } = open({ path, dependsOn: { tileSize: 96, parameters: { steps: 9, seed: 1 } } });
  expect(from).toEqual({ step: 3, state: STATE });
  open({}).save({ step: 4, state: { sample: STATE.sample } });
  const next = open({ path: join(directory, 'savepoint-4') }).from;
  expect(next).toEqual({ step: 4, state: { sample: STATE.sample } });
});

test.each([
  ['was cut off', (whole: Buffer) => whole.subarray(0, -4), DEPENDS_ON, 'It has 44 bytes of numbers, not 48.'],
  ['is empty', () => Buffer.alloc(0), DEPENDS_ON, 'cannot be read'],
  ['has a number that is none', withoutNumber, DEPENDS_ON, 'not finite'],
  ['is of other tiles', (whole: Buffer) => whole, { ...DEPENDS_ON, tileSize: 64 }, 'It is of another run.'],
  ['is of other parameters', (whole: Buffer) => whole, { ...DEPENDS_ON, parameters: { seed: 2 } }, 'of another run'],
])('refuses one that %s, and says why', async (_what, change, dependsOn, expected) => {
  const path = join(directory, 'changed');
  await writeFile(path, change(bytes));
  const reasons: string[] = [];
  expect(open({ path, dependsOn, onRefused: (reason) => reasons.push(reason) }).from).toBeUndefined();
  expect(reasons).toEqual([expect.stringContaining(expected)]);
});

function withoutNumber(whole: Buffer): Buffer {
  const changed = Buffer.from(whole);
  changed.writeFloatLE(Number.NaN, changed.length - 4);
  return changed;
}

test('a disk that takes nothing stops no run', () => {
  const saved: SavepointFile[] = [];
  const nowhere = { directory: join(directory, 'missing'), onSaved: (file: SavepointFile) => saved.push(file) };
  open(nowhere).save({ step: 1, state: STATE });
  expect(saved).toEqual([]);
});
