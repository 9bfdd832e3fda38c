import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Graph } from '../../gpu-worker/graphs/onnx.ts';
import { centered, fromTensor, toTensor } from '../../gpu-worker/images/image-tensor.ts';
import { ldmNetworks, openLdm } from '../../gpu-worker/methods/ldm/checkpoint.ts';
import { PUBLISHED_SIZES } from '../../gpu-worker/methods/ldm/config.ts';
import type { Mode } from '../../gpu-worker/methods/ldm/mode.ts';
import type { LdmModels } from '../../gpu-worker/methods/ldm/models.ts';
import { ldmGraphs } from '../../gpu-worker/methods/ldm/networks.ts';
import { publishedMode } from '../../gpu-worker/methods/ldm/published-mode.ts';
import { denoise, restoreByLdm } from '../../gpu-worker/methods/ldm/recipe.ts';
import { vqConfig } from '../../gpu-worker/methods/vq-sizes.ts';
import { shareOut } from '../../gpu-worker/model-store/share-out.ts';
import type { NoiseSource } from '../../gpu-worker/tensor/keyed-normals.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { blendTiles, cutTile, type LatentTile } from '../../gpu-worker/tiling/latent-tiles.ts';
import { planPyramidTiles } from '../../gpu-worker/tiling/pyramid-tiles.ts';
import { vaeDecoder, vaeEncoder } from '../../gpu-worker/vae/vae-graphs.ts';
import type { Checkpoint } from '../../gpu-worker/weights/checkpoint.ts';
import { within } from '../../gpu-worker/weights/combine.ts';
import { compvisUnet } from '../../gpu-worker/weights/compvis.ts';
import { openCheckpoint } from '../../gpu-worker/weights/open-checkpoint.ts';
import { openCase, type RecordedCase } from '../support/recorded-case.ts';
import {
  decoderPart,
  type LdmChange,
  ldmPaths,
  publishedTable,
  recordedNoise,
  runUnet,
  runVq,
  withLdm,
} from './compute/ldm.ts';

const FOLDER = fileURLToPath(new URL('../fixtures/ldm/', import.meta.url));
const openLdmCase = (id: string) => openCase(id, FOLDER);
const photoOf = async (recorded: RecordedCase) => toTensor(await recorded.image('condition'));

describe('the published file', () => {
  const plan = (file: Checkpoint) => {
    const { unet, vq } = ldmNetworks(file, PUBLISHED_SIZES);
    shareOut(ldmGraphs(PUBLISHED_SIZES), [
      { checkpoint: unet, prefix: 'unet.', networks: ['time', 'denoiser'] },
      { checkpoint: vq, prefix: '', networks: ['vq-decoder'] },
    ]);
    return unet.tensors.size + vq.tensors.size;
  };

  test('has exactly the tensors of the full-size graphs, among others that are known', async () => {
    const table = await publishedTable();
    expect([table.tensors.size, table.used]).toEqual([1443, 421]);
    expect(plan(table)).toBe(421);
  });

  test.each([
    ['state_dict.stranger.weight', /1 tensors that LDM-SR has not: stranger\.weight/],
    ['state_dict.model.diffusion_model.out.4.weight', /1 have no partner, such as diffusion_modelout4weight/],
    ['state_dict.first_stage_model.decoder.up.7.weight', /unexpected decoder\.up\.7\.weight/],
  ])('with %s is refused', async (name, message) => {
    const table = await publishedTable();
    const tensors = new Map([...table.tensors, [name, { shape: [1], dtype: 'F32' as const }]]);
    expect(() => plan({ ...table, tensors })).toThrow(message);
  });
});

describe('a file', () => {
  const { ldm: path, 'ldm-config': sizesPath } = ldmPaths(FOLDER);

  test('has the published sizes where nothing else is said: a tiny one is refused', async () => {
    await expect(openLdm(path)).rejects.toThrow(/last\.ckpt has both .* for down_blocks\.1\.downsamplers/);
  });

  test('has tensors by the names of the library', async () => {
    await using file = await openLdm(path, sizesPath);
    expect(file.unet.tensors.get('mid_block.attentions.0.qkv.weight')!.shape).toEqual([96, 32]);
    expect(file.vq.tensors.get('quantize.embedding.weight')!.shape).toEqual([96, 3]);
    expect([...file.vq.tensors.keys()].filter((name) => /^(encoder|quant_conv)\./.test(name))).toEqual([]);
  });

  test('of another network is refused', async () => {
    const other = fileURLToPath(new URL('../fixtures/rrdb/checkpoints/BSRGAN.pth', import.meta.url));
    await expect(openLdm(other, sizesPath)).rejects.toThrow(/has 0 weights in model\. and 0 averages in model_ema\./);
  });

  test('whose sizes cannot be read is refused', async () => {
    await expect(openLdm(path, path)).rejects.toThrow(/last\.ckpt cannot be read/);
  });
});

const zero = (pattern: RegExp): LdmChange => ({
  weight: (name, values) => (pattern.test(name) ? values.fill(0) : values),
});
const nodes = (graph: Graph, operator: string) => {
  const found = graph.proto.node.filter(({ opType }) => opType === operator);
  expect(found.length).toBeGreaterThan(0);
  return found;
};

/** Rows or columns of a matrix in another order. */
function permuted(values: Float32Array<ArrayBuffer>, row: number, from: (index: number) => number) {
  return values.map((_, index) => values[from(Math.floor(index / row)) * row + (index % row)]!);
}

/** What the recorded table of changes names; each must be seen in the output, as much as there, within a fifth. */
describe('without it the autoencoder is another:', () => {
  test('zeros at the right and the bottom before halving', async () => {
    const recorded = await openLdmCase('vq_encode_45x37');
    const image = centered(toTensor(await recorded.image('image')));
    const graph = (changed: Graph) => {
      for (const { attribute } of nodes(changed, 'Conv')) {
        const pads = attribute.find(({ name }) => name === 'pads')!;
        if (`${pads.ints}` === '0,0,1,1') pads.ints = [1n, 1n, 0n, 0n];
      }
    };
    const { moments } = await runVq(FOLDER, (sizes) => vaeEncoder(vqConfig(sizes.vq)), { image }, { graph });
    await expectOther(recorded, 'latent', moments!, 1.63);
  });

  test('the codebook', async () => {
    const recorded = await openLdmCase('vq_decode_13x9');
    const alone = await recorded.recorded('image_not_quantized');
    await expectOther(recorded, 'image', { data: Float32Array.from(alone.data), shape: alone.shape }, 0.865);
  });

  test('attention in the middle of the decoder', async () => {
    const recorded = await openLdmCase('vq_decode_13x9');
    const latent = await recorded.tensor('latent');
    const change = zero(/^decoder\..*\.to_out\.0\./);
    const { image } = await runVq(FOLDER, (sizes) => vaeDecoder(vqConfig(sizes.vq)), { latent }, change);
    await expectOther(recorded, 'image', image!, 0.844);
  });
});

interface Inputs {
  latent: Tensor;
  photo: Tensor;
  timestep: number;
}

describe('without it the UNet is another:', () => {
  const CHANGES: { what: string; cost: number; inputs?: (inputs: Inputs) => Inputs; change?: LdmChange }[] = [
    { what: 'the averages of weights', cost: 4.48, change: { weight: rawWeight } },
    {
      what: 'the photo',
      cost: 0.486,
      inputs: (given) => ({ ...given, photo: { ...given.photo, data: given.photo.data.map(() => 0) } }),
    },
    {
      what: 'the range of the photo',
      cost: 0.569,
      inputs: (given) => ({
        ...given,
        photo: { ...given.photo, data: given.photo.data.map((value) => (value + 1) / 2) },
      }),
    },
    {
      what: 'the photo behind the latent',
      cost: 5.47,
      inputs: (given) => ({ ...given, latent: given.photo, photo: given.latent }),
    },
    { what: 'the timestep', cost: 0.122, inputs: (given) => ({ ...given, timestep: given.timestep - 1 }) },
    {
      what: 'cosines before sines',
      cost: 0.455,
      change: {
        weight: (name, values) =>
          name.endsWith('linear_1.weight') ? permuted(values, 1, (at) => at - (at % 8) + ((at + 4) % 8)) : values,
      },
    },
    { what: 'attention', cost: 0.416, change: zero(/attentions\.\d\.proj_out\./) },
    {
      what: 'the order of heads before query, key and value',
      cost: 0.387,
      change: {
        weight(name, values) {
          if (!/attentions\.\d\.qkv\./.test(name)) return values;
          const channels = name.endsWith('bias') ? values.length / 3 : Math.sqrt(values.length / 3);
          const row = name.endsWith('bias') ? 1 : channels;
          return permuted(values, row, (at) => {
            const [head, part] = [Math.floor(at / 24), Math.floor(at / 8) % 3];
            return part * channels + 8 * head + (at % 8);
          });
        },
      },
    },
    {
      what: 'the skip behind the value that comes up',
      cost: 5,
      change: {
        graph(graph) {
          const joins = nodes(graph, 'Concat').filter(({ attribute: [axis] }) => axis!.i === 1n);
          for (const { input } of joins.filter(({ input: [first] }) => first !== 'latent')) input.reverse();
        },
      },
    },
  ];

  test.each(CHANGES)('$what', async ({ cost, inputs = (given) => given, change }) => {
    const recorded = await openLdmCase('unet_16x24_t501');
    const given = {
      latent: await recorded.tensor('latent'),
      photo: centered(await photoOf(recorded)),
      timestep: recorded.parameters.timestep as number,
    };
    const { eps } = await runUnet(FOLDER, inputs(given), change);
    await expectOther(recorded, 'eps', eps!, cost);
  });
});

async function rawWeight(name: string): Promise<Float32Array<ArrayBuffer>> {
  await using file = await openCheckpoint(ldmPaths(FOLDER).ldm);
  const raw = compvisUnet(within(file, 'state_dict.model.diffusion_model.'), 1);
  return await raw.read(name.slice('unet.'.length));
}

describe('without it sampling is another:', () => {
  type Change = (given: { models: LdmModels; noise: NoiseSource }) => { models?: LdmModels; noise?: NoiseSource };
  const withAlphas = (models: LdmModels, alphaBar: (timestep: number) => number) => ({
    ...models,
    schedule: { ...models.schedule, alphaBar },
  });
  const silent = (noise: NoiseSource, isSilent: (step: number) => boolean): NoiseSource => {
    return (purpose, step, count) =>
      purpose === 'step' && isSilent(step) ? new Float32Array(count) : noise(purpose, step, count);
  };
  const CHANGES: { what: string; cost: number; change: Change }[] = [
    {
      what: 'timesteps 1 above',
      cost: 0.644,
      change: ({ models }) => ({
        models: {
          ...withAlphas(models, (timestep) => models.schedule.alphaBar(Math.max(0, timestep - 1))),
          timeRows: (timesteps) => models.timeRows(timesteps.map((timestep) => timestep - 1)),
        },
      }),
    },
    { what: 'noise', cost: 8.9, change: ({ noise }) => ({ noise: silent(noise, () => true) }) },
    {
      what: 'noise in the last step',
      cost: 0.0814,
      change: ({ noise }) => ({ noise: silent(noise, (step) => step === 4) }),
    },
    {
      what: 'an end at timestep 0',
      cost: 0.125,
      change: ({ models }) => ({
        models: withAlphas(models, (timestep) => (timestep === 0 ? 1 - 1e-12 : models.schedule.alphaBar(timestep))),
      }),
    },
  ];

  test.each(CHANGES)('$what', async ({ cost, change }) => {
    const recorded = await openLdmCase('loop_5_16x24');
    const noise = await recordedNoise(recorded);
    const condition = centered(await photoOf(recorded));
    const final = await withLdm(FOLDER, async (models) => {
      const changed = change({ models, noise });
      return await denoise(changed.models ?? models, condition, {
        steps: 5,
        eta: 1,
        noise: changed.noise ?? noise,
        mode: { latentTiles: (height, width) => planPyramidTiles({ height, width, size: 24, stride: 1 }) },
        watch: { signal: new AbortController().signal },
      });
    });
    await expectOther(recorded, 'final', final, cost);
  });
});

describe('without it tiles are others:', () => {
  const alike = (plan: LatentTile[]): LatentTile[] =>
    plan.map((tile) => ({
      ...tile,
      weight: (y, x) => {
        const [top, left] = [tile.row.start + y, tile.column.start + x];
        const isIn = (start: number, size: number, at: number) => at >= start && at < start + size;
        return (
          1 /
          plan.filter(({ row, column }) => isIn(row.start, row.size, top) && isIn(column.start, column.size, left))
            .length
        );
      },
    }));

  test.each([
    { what: 'their weights', plan: alike, eps: 0.587, image: 0.686 },
    { what: 'being tiled', plan: undefined, eps: 0.619, image: 0.308 },
  ])('$what', async ({ plan, eps: epsCost, image: imageCost }) => {
    const recorded = await openLdmCase('tiles_32x24');
    const latent = await recorded.tensor('latent');
    const photo = centered(await photoOf(recorded));
    const clean = await recorded.tensor('clean_latent');
    const tilesOf = (scale: number) => {
      const size = { height: 24 * scale, width: 32 * scale };
      return plan
        ? plan(planPyramidTiles({ ...size, size: 16 * scale, stride: 8 * scale }))
        : planPyramidTiles({ ...size, size: 32 * scale, stride: 1 });
    };
    const [seen, made] = [tilesOf(1), tilesOf(4)];
    const { eps, image } = await withLdm(FOLDER, async (models) => {
      const [time] = await models.timeRows([701]);
      return {
        eps: await blendTiles(seen, (tile) =>
          models.predict({ latent: cutTile(latent, tile), photo: cutTile(photo, tile), time: time! }),
        ),
        image: await blendTiles(made, (_, index) => models.decoder.decode(cutTile(clean, seen[index]!))),
      };
    });
    await expectOther(recorded, 'eps', eps, epsCost);
    await expectOther(recorded, 'image', image, imageCost);
  });
});

describe('without it the picture is another:', () => {
  const black = (position: number, size: number) => (position < size ? position : Number.NaN);
  const CHANGES: { what: string; id: string; cost: number; mode: (published: Mode) => Partial<Mode> }[] = [
    {
      what: 'the fraction that is cut',
      id: 'run_odd',
      cost: 1,
      mode: () => ({ toPixels: (picture) => fromTensor(picture) }),
    },
    {
      what: 'the codebook',
      id: 'run_odd',
      cost: 100,
      mode: (published) => ({
        decode(decoder, latent, options) {
          const decode = async (part: Tensor) =>
            (await runVq(FOLDER, (sizes) => decoderPart(sizes, 1), { latent: part })).output!;
          return published.decode({ ...decoder, decode }, latent, options);
        },
      }),
    },
    {
      what: 'repeated edges',
      id: 'run_odd',
      cost: 158,
      mode: (published) => ({
        condition(photo) {
          const whole = published.condition(photo);
          const [, , height, width] = whole.shape as [number, number, number, number];
          const isIn = (index: number) =>
            black(index % width, photo.width) >= 0 && black(Math.floor(index / width) % height, photo.height) >= 0;
          return { ...whole, data: whole.data.map((value, index) => (isIn(index) ? value : -1)) };
        },
      }),
    },
  ];

  test.each(CHANGES)('$what', async ({ id, cost, mode }) => {
    const recorded = await openLdmCase(id);
    const noise = await recordedNoise(recorded);
    const photo = await recorded.image('image');
    const published = publishedMode();
    const { picture } = await withLdm(FOLDER, (models) =>
      restoreByLdm(photo, models, {
        steps: recorded.parameters.steps as number,
        mode: { ...published, ...mode(published) },
        noise,
        onProgress: () => {},
        signal: new AbortController().signal,
      }),
    );
    const { passes, largestDifference } = await recorded.compare('picture', picture.data);
    expect(passes).toBe(false);
    expect(largestDifference).toBeGreaterThan(0.8 * cost);
  });
});

async function expectOther(recorded: RecordedCase, name: string, output: Tensor, cost: number): Promise<void> {
  const { passes, largestDifference } = await recorded.compare(name, output.data);
  expect(passes).toBe(false);
  expect(largestDifference / cost).toBeGreaterThan(0.8);
  expect(largestDifference / cost).toBeLessThan(1.25);
}
