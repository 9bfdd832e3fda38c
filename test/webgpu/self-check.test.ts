import { expect, test } from 'vitest';
import { layersOf } from '../../gpu-worker/methods/engines.ts';
import { checkDevice } from '../../gpu-worker/runtime/check-device.ts';
import { checkLayers } from '../../gpu-worker/runtime/check-layers.ts';
import { LAYER_KINDS, type LayerKind } from '../../gpu-worker/runtime/checked-layers.ts';
import { DEVICES, type LoweringFacts } from '../../gpu-worker/runtime/devices.ts';
import type { MethodId } from '../../shared/methods/registry.ts';

test('every kind of layer is right', async () => {
  await checkDevice('webgpu', LAYER_KINDS);
});

// What is really wrong there: with an operator left as it is the check must refuse the device, for methods that use it.
test.each<{ layer: LayerKind; left: Partial<LoweringFacts>; method: MethodId; other: MethodId }>([
  { layer: 'attention', left: { attendsFused: true }, method: 'stablesr', other: 'real-esrgan' },
  { layer: 'attention with a bias', left: { attendsFused: true }, method: 'femasr', other: 'dasr' },
  { layer: 'convolution 3×3 of 15 channels', left: { convolvesAnyChannels: true }, method: 'ldm', other: 'pasd' },
  { layer: 'group norm', left: { normalizesInstances: true }, method: 'seesr', other: 'real-esrgan-fast' },
])(
  '$layer computed wrong refuses the device for $method, and not for $other',
  async ({ layer, left, method, other }) => {
    const facts = { ...DEVICES.webgpu, lowering: { ...DEVICES.webgpu.lowering, ...left } };
    const layers = await layersOf([method]);
    await expect(checkLayers('webgpu', [layer], facts)).rejects.toMatchObject({
      code: 'engine-failed',
      message: expect.stringContaining(`Device webgpu computes wrong: the layer "${layer}" gives`),
    });
    expect(layers).toContain(layer);
    await expect(checkLayers('webgpu', layers, facts)).rejects.toThrow('Device webgpu computes wrong: the layer "');
    await checkLayers('webgpu', await layersOf([other]), facts);
  },
);
