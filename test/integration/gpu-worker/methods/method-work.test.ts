import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import { engineOf } from '../../../../gpu-worker/methods/engines.ts';
import { openNetworkFile } from '../../../../gpu-worker/methods/network-file.ts';
import { directoryOf } from '../../../../gpu-worker/model-store/installed.ts';
import type { OnePassMethod } from '../../../../shared/methods/one-pass.ts';
import { METHODS, type MethodId, methodOf, OWN_MODELS } from '../../../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../../../shared/parameters.ts';
import { planWork } from '../../../../shared/pricing.ts';
import { buildMethod } from '../../../support/build-method.ts';
import { recordedFiles } from '../../../support/recorded-files.ts';
import { noise } from '../../../support/sample-images.ts';
import { graphOfLayer, operatorsOf, readGraph } from '../../../support/used-operators.ts';

/** Price, estimate and progress count the real calls of the network; and its layers are checked. */

let modelsDirectory: string;
beforeAll(async () => {
  modelsDirectory = await mkdtemp(join(tmpdir(), 'seesr-work-'));
});
afterAll(() => rm(modelsDirectory, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

/** With more than one tile along a side, and without. */
const SIZES = [
  { width: 1, height: 1 },
  { width: 17, height: 9 },
  { width: 400, height: 2 },
  { width: 3, height: 300 },
];
/** Of diffusion, which makes a picture of 512 pixels of the smallest photo. */
const FEW_SIZES = [{ width: 200, height: 2 }];

describe.each(METHODS)('$id', ({ id, defaults, isGenerative }) => {
  test('the work of its declaration is that of its restorer, and its layers use every operator that its graphs use', async () => {
    const create = vi.spyOn(InferenceSession, 'create');
    const engine = await engineOf(id);
    if (engine.build) await buildMethod(id, await recordedFiles(id), modelsDirectory);
    const share = engine.build ? await shareOfStages(id) : 1;
    const asked = { model: id, ...(defaults.steps && { steps: 2 }) };
    const parameters = completeParameters(requestedParametersSchema.parse(asked), OWN_MODELS);
    const tileSize = methodOf(parameters).tileSizes[0];
    const loaded = await engine.load(directoryOf(modelsDirectory, id), { device: 'cpu', parameters });
    try {
      for (const { width, height } of isGenerative ? FEW_SIZES : SIZES) {
        const ran = { upscale: new Set<string>(), denoise: new Set<string>() };
        const { signal } = new AbortController();
        const options = { parameters, tileSize, published: false, signal };
        const { bands } = await loaded.restore(photoOf({ width, height }), {
          ...options,
          onProgress: ({ stage, step = 1, tile = 0 }) => {
            if (tile > 0 && (stage === 'upscale' || stage === 'denoise')) ran[stage].add(`${step}/${tile}`);
          },
        });
        for await (const _ of bands);
        const planned = planWork({ width, height }, parameters);
        const { tiles, steps } = { ...planned, tiles: planned.tiles * share };
        // Networks in front of those that denoise are part of their price.
        const counted = ran.denoise.size > 0 ? ran.denoise : ran.upscale;
        expect(counted.size, `${width}×${height}`).toBe(tiles * steps);
        expect([...counted]).toEqual(expect.arrayContaining([`${steps}/${tiles}`]));
      }
    } finally {
      await loaded.release();
    }
    const models = create.mock.calls.map(([model]) => model as unknown as Uint8Array | string);
    const used = new Set(models.flatMap((model) => [...operatorsOf(readGraph(model))]));
    const checked = new Set(engine.layers.flatMap((layer) => [...operatorsOf(graphOfLayer(layer))]));
    expect([...used].filter((operator) => !checked.has(operator))).toEqual([]);
    expect(used.size).toBeGreaterThan(5);
  });
});

/** The stages of a recorded file, which has fewer blocks than the published one that the declaration is of, unless all is one. */
async function shareOfStages(id: MethodId): Promise<number> {
  const { stages } = methodOf({ model: id }) as Partial<OnePassMethod<string, 'built'>>;
  if (!stages || stages.count === 1) return 1;
  await using file = await openNetworkFile((await recordedFiles(id))[id]!);
  return file.stages().length / stages.count;
}

/** Of noise. */
function photoOf(size: { width: number; height: number }): Pixels {
  return { ...size, channels: 3, data: noise(3 * size.width * size.height) };
}
