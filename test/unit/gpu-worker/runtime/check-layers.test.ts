import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { layersOf } from '../../../../gpu-worker/methods/engines.ts';
import { checkLayers } from '../../../../gpu-worker/runtime/check-layers.ts';
import { LAYER_KINDS } from '../../../../gpu-worker/runtime/checked-layers.ts';
import { DEVICES, type DeviceFacts } from '../../../../gpu-worker/runtime/devices.ts';
import recorded from '../../../../gpu-worker/runtime/recorded-layers.json' with { type: 'json' };
import { METHOD_IDS } from '../../../../shared/methods/registry.ts';
import { graphOfLayer } from '../../../support/used-operators.ts';

test('the CPU computes what is recorded, also when it is given what is made for WebGPU', async () => {
  await checkLayers('cpu', LAYER_KINDS, { ...DEVICES.cpu, tolerance: 1e-6 });
  await checkLayers('cpu', LAYER_KINDS, { ...DEVICES.cpu, tolerance: 1e-5, lowering: DEVICES.webgpu.lowering });
});

test('in fp16 too, within the tolerance of fp16', async () => {
  const half: DeviceFacts = { ...DEVICES.cpu, computesHalf: true };
  await checkLayers('cpu', LAYER_KINDS, half);
});

test('a device that rounds too much is refused, and the layer is named', async () => {
  const exact: DeviceFacts = { ...DEVICES.cpu, tolerance: 1e-9, lowering: DEVICES.webgpu.lowering };
  await expect(checkLayers('cpu', LAYER_KINDS, exact)).rejects.toMatchObject({
    code: 'engine-failed',
    message: expect.stringMatching(/^Device cpu computes wrong: the layer ".+" gives \S+ instead of \S+\./),
  });
});

test('a device that refuses a layer is refused', async () => {
  const lowering = { ...DEVICES.webgpu.lowering, largestBufferBytes: Number.NaN };
  await expect(checkLayers('cpu', LAYER_KINDS, { ...DEVICES.cpu, lowering })).rejects.toThrow(
    /the layer "attention" fails: /,
  );
});

describe('a device that computes attention wrong', () => {
  // It cannot divide the queries.
  const facts = { ...DEVICES.cpu, lowering: { ...DEVICES.webgpu.lowering, largestBufferBytes: Number.NaN } };
  const without = ['real-esrgan', 'real-esrgan-fast', 'bsrgan', 'ldl', 'dasr', 'esrgan', 'compact'] as const;
  const attending = METHOD_IDS.filter((id) => !without.some((other) => other === id));

  test.each(attending)('is refused for %s, and the layer is named', async (method) => {
    const layers = await layersOf([method]);
    await expect(checkLayers('cpu', layers, facts)).rejects.toThrow(/the layer "attention( with a bias)?" fails: /);
  });

  test.each(without)('is believed for %s, which does not attend', async (method) => {
    await checkLayers('cpu', await layersOf([method]), facts);
  });
});

test('each layer has its record, and a record that other numbers would not pass', () => {
  expect(Object.keys(recorded)).toEqual(LAYER_KINDS);
  for (const [name, values] of Object.entries(recorded)) {
    expect(values.length, name).toBeGreaterThan(30);
    expect(new Set(values).size, name).toBeGreaterThan(10);
  }
});

test('the layers use every operator that any graph uses', async () => {
  const used = new Set<string>();
  for (const folder of ['graphs', 'vae', 'methods', 'diffusion']) {
    for (const file of await readdir(join('gpu-worker', folder), { recursive: true })) {
      if (!file.endsWith('.ts') || /winograd/.test(file)) continue; // those graphs are for the CPU alone
      const source = await readFile(join('gpu-worker', folder, file), 'utf8');
      for (const [, operator] of source.matchAll(/\.nodes?\(\s*'(\w+)'/g)) used.add(operator!);
    }
  }
  expect(used.size).toBeGreaterThan(25);
  const checked = LAYER_KINDS.flatMap((name) => graphOfLayer(name).node.map(({ opType }) => opType));
  expect([...used].filter((operator) => !checked.includes(operator))).toEqual([]);
});
