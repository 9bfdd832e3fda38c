import { globSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import type { Source } from '../../../../gpu-worker/methods/engine.ts';
import { engineOf } from '../../../../gpu-worker/methods/engines.ts';
import { openNetworkFile } from '../../../../gpu-worker/methods/network-file.ts';
import { directoryOf } from '../../../../gpu-worker/model-store/installed.ts';
import type { OnePassMethod } from '../../../../shared/methods/one-pass.ts';
import { METHODS, type MethodId, methodOf, OWN_MODELS } from '../../../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../../../shared/parameters.ts';
import { planWork } from '../../../../shared/pricing.ts';
import { buildMethod } from '../../../support/build-method.ts';
import { recordedSources } from '../../../support/recorded-models.ts';
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
    if (engine.build) {
      await buildMethod(id, pathsOf(engine.build.sources), modelsDirectory);
    }
    const share = engine.build ? await shareOfStages(id, engine.build.sources) : 1;
    const asked = { model: id, ...(defaults.steps && { steps: 2 }) };
    const parameters = completeParameters(requestedParametersSchema.parse(asked), OWN_MODELS);
    const tileSize = methodOf(parameters).tileSizes[0];
    const loaded = await engine.load(directoryOf(modelsDirectory, id), { device: 'cpu', parameters });
    try {
      for (const { width, height } of isGenerative ? FEW_SIZES : SIZES) {
        const ran = new Set<string>();
        const { signal } = new AbortController();
        const options = { parameters, tileSize, published: false, signal };
        const { bands } = await loaded.restore(photoOf({ width, height }), {
          ...options,
          onProgress: ({ stage, step = 1, tile = 0 }) => {
            if (tile > 0 && (stage === 'upscale' || stage === 'denoise')) ran.add(`${step}/${tile}`);
          },
        });
        for await (const _ of bands);
        const planned = planWork({ width, height }, parameters);
        const { tiles, steps } = { ...planned, tiles: planned.tiles * share };
        expect(ran.size, `${width}×${height}`).toBe(tiles * steps);
        expect([...ran]).toEqual(expect.arrayContaining([`${steps}/${tiles}`]));
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
async function shareOfStages(id: MethodId, sources: readonly Source[]): Promise<number> {
  const { stages } = methodOf({ model: id }) as Partial<OnePassMethod<string, 'built'>>;
  if (!stages || stages.count === 1) return 1;
  await using file = await openNetworkFile(pathsOf(sources)[id]!);
  return file.stages().length / stages.count;
}

/** Out of the recorded sets: where SeeSR's files are, or a file of the published name. */
function pathsOf(sources: readonly Source[]) {
  const { sdTurbo, ramConfig, ...others } = recordedSources('seesr-turbo');
  const seesr: Record<string, string | undefined> = { ...others, 'sd-turbo': sdTurbo, 'ram-config': ramConfig };
  /** Of a folder what is said begins with its name. */
  const published = (about: string) => globSync(`test/fixtures/*/checkpoints/{,*/}${about.split(':')[0]}`)[0];
  /** Of a set with files of one method: its sizes, for `NAME-config`. */
  const sizes = (option: string) =>
    globSync(`test/fixtures/${option.replace(/-config$/, '')}/checkpoints/config.json`)[0];
  return Object.fromEntries(
    sources.map(({ option, about }) => [option, seesr[option] ?? published(about) ?? sizes(option)]),
  );
}

/** Of noise. */
function photoOf(size: { width: number; height: number }): Pixels {
  return { ...size, channels: 3, data: noise(3 * size.width * size.height) };
}
