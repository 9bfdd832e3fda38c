import { expect, test } from 'vitest';
import { checkWorkers } from '../../../gpu-worker/check-workers.ts';

/** Whether WORKERS processes may share the CPU. */

const GIB = 2 ** 30;
const cpu = { device: 'cpu', index: 0 } as const;

test('each has a core and 2 GiB', () => {
  expect(() => checkWorkers(cpu, 2, { cores: 2, memoryBytes: 4 * GIB })).not.toThrow();
});

test.each([
  [
    'cores',
    3,
    { cores: 2, memoryBytes: 64 * GIB },
    'WORKERS=3 needs 3 cores and 6.4 GB of memory; there are 2 cores and 68.7 GB.',
  ],
  [
    'memory',
    2,
    { cores: 8, memoryBytes: 4 * GIB - 1 },
    'WORKERS=2 needs 2 cores and 4.3 GB of memory; there are 8 cores and 4.3 GB.',
  ],
])('too few %s are told in figures', (_, workers, machine, words) => {
  expect(() => checkWorkers(cpu, workers, machine)).toThrow(words);
});

test('a GPU is not shared', () => {
  const share = () => checkWorkers({ device: 'cuda', index: 1 }, 2, { cores: 8, memoryBytes: 64 * GIB });
  expect(share).toThrow(
    'WORKERS=2 is of the CPU, and cuda:1 computes. Name each device in DEVICE, as in cuda:0,cuda:1',
  );
});
