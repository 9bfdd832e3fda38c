import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { DEVICES } from '../../gpu-worker/runtime/devices.ts';
import { elementCount } from '../../gpu-worker/tensor/tensor.ts';
import { PARITY_DEVICE } from '../parity/device.ts';
import { runCases } from '../parity/run-set.ts';
import { SYSTEMS } from '../parity/systems.ts';
import { RECORDED_SET, type RecordedCase, readSet } from '../support/recorded-case.ts';

/** A software renderer takes minutes for it: parts.test.ts takes a part. */
const TOO_LARGE = ['x4plus'];

/** Of each network the smallest case, of each input that it may have. */
function smallest(cases: readonly RecordedCase[]): RecordedCase[] {
  const chosen = new Map<string, RecordedCase>();
  for (const recorded of cases) {
    const { file, model } = recorded.parameters;
    for (const input of recorded.inputNames) {
      const key = JSON.stringify([recorded.kind, file ?? model, input]);
      const known = chosen.get(key);
      if (!known || sizeOf(recorded) < sizeOf(known)) chosen.set(key, recorded);
    }
  }
  return [...new Set(chosen.values())];
}

function sizeOf(recorded: RecordedCase): number {
  return Math.max(...recorded.outputNames.map((name) => elementCount(recorded.shape(name))));
}

const SETS = await Promise.all(
  [...SYSTEMS].map(async ([system, load]) => {
    const { parity } = await load();
    const folder = join(dirname(RECORDED_SET), parity.place ?? system);
    const all = [...(await readSet(folder)).cases.values()];
    const kinds = all.map((recorded) => ({ recorded, kind: recorded.kind ?? parity.kindOf?.(recorded) ?? '' }));
    const cases = (parity.networks ?? []).flatMap((network) =>
      smallest(kinds.filter(({ kind }) => kind === network).map(({ recorded }) => recorded)),
    );
    return { system, folder, cases: cases.filter(({ id }) => !TOO_LARGE.includes(id)) };
  }),
);

test('it is WebGPU that computes', () => {
  expect(DEVICES[PARITY_DEVICE].provider).toBe('webgpu');
});

test.each(SETS.flatMap(({ system, folder, cases }) => cases.map(({ id }) => ({ system, folder, id }))))(
  'the network of $system, $id, is within its recorded tolerance',
  async ({ folder, id }) => {
    await runCases(folder, [id], (verdicts) => {
      expect(verdicts.filter(({ passes }) => !passes)).toEqual([]);
    });
  },
);
