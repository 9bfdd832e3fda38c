import { expect, test } from 'vitest';
import { checkDevice } from '../../gpu-worker/runtime/check-device.ts';
import { checkLayers } from '../../gpu-worker/runtime/check-layers.ts';
import { DEVICES, type LoweringFacts } from '../../gpu-worker/runtime/devices.ts';

test('every kind of layer is right', async () => {
  await checkDevice('webgpu');
});

// What is really wrong there: with an operator left as it is the check must refuse the device.
test.each<{ layer: string; left: Partial<LoweringFacts> }>([
  { layer: 'attention', left: { attendsFused: true } },
  { layer: 'convolution 3×3 of 15 channels', left: { convolvesAnyChannels: true } },
])('a device that computes the $layer wrong is refused, and the layer is named', async ({ layer, left }) => {
  const lowering = { ...DEVICES.webgpu.lowering, ...left };
  await expect(checkLayers('webgpu', { ...DEVICES.webgpu, lowering })).rejects.toMatchObject({
    code: 'engine-failed',
    message: expect.stringContaining(`Device webgpu computes wrong: the layer "${layer}" gives`),
  });
});
