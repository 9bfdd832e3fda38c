import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Graph } from '../../gpu-worker/graphs/onnx.ts';
import type { Mode } from '../../gpu-worker/methods/pasd/mode.ts';
import type { PasdModels } from '../../gpu-worker/methods/pasd/models.ts';
import { type LatentTile, planLatentTiles, planPublishedTiles } from '../../gpu-worker/tiling/latent-tiles.ts';
import { publishedVaeTiles } from '../../gpu-worker/vae/published-vae-tiles.ts';
import { decodeTiled } from '../../gpu-worker/vae/tiled-vae.ts';
import { openCase, type RecordedCase } from '../support/recorded-case.ts';
import { openDenoiser, openPasd, type PasdChange } from './compute/pasd.ts';
import { computeLoop, computeRun, type ScriptChange } from './compute/pasd-sampling.ts';

/**
 * What the README of the recorded set names: each mechanism, left out, must be seen in the output. Those of the sampler:
 * pasd-sampler.test.ts.
 */

const FOLDER = fileURLToPath(new URL('../fixtures/pasd/', import.meta.url));
const openPasdCase = (id: string) => openCase(id, FOLDER);

let models: PasdModels;
beforeAll(async () => {
  models = await openPasd(FOLDER);
});
afterAll(() => models.release());

const without = (pattern: RegExp): PasdChange => ({
  weight: (name, values) => (pattern.test(name) ? values.fill(0) : values),
});
const nodes = (graph: Graph, operator: string) => graph.proto.node.filter(({ opType }) => opType === operator);

async function expectOther(recorded: RecordedCase, output: string, actual: ArrayLike<number>, least: number) {
  const { passes, largestDifference } = await recorded.compare(output, actual);
  expect(passes).toBe(false);
  expect(largestDifference).toBeGreaterThan(least);
}

describe('without it the text means something else:', () => {
  const encode = async (change: PasdChange, idOf = (id: number) => id) => {
    const recorded = await openPasdCase('text');
    const { data, shape } = await recorded.tensor('ids');
    const [, tokens] = shape as [number, number];
    const ids = [0, 1].map((text) => [...data.subarray(text * tokens, (text + 1) * tokens)].map(idOf));
    const { textEncoder, release } = await openPasd(FOLDER, change);
    const { data: hidden } = await textEncoder.encode(ids);
    await release();
    return { recorded, hidden };
  };

  test('quick GELU', async () => {
    const exactly = (graph: Graph) => {
      if (graph.proto.name !== 'text') return;
      const gates = nodes(graph, 'Sigmoid').map(({ output }) => output[0]!);
      expect(gates).toHaveLength(3);
      for (const node of nodes(graph, 'Mul').filter(({ input }) => gates.includes(input[1]!)))
        Object.assign(node, { opType: 'Gelu', input: [node.input[0]!] });
    };
    const { recorded, hidden } = await encode({ graph: exactly });
    await expectOther(recorded, 'hidden', hidden, 0.05);
  });

  test('the end token as padding', async () => {
    const { recorded, hidden } = await encode({}, (id) => (id === 49_407 ? 0 : id));
    await expectOther(recorded, 'hidden', hidden, 1);
  });
});

describe('without it the noise is another:', () => {
  const scaled = (graph: Graph) => nodes(graph, 'Mul').filter(({ input }) => input[1] === 'conditioning_scale');
  const CHANGES: Record<string, PasdChange> = {
    PACA: without(/pixel_attentions\.\d\.proj_out/),
    'something that PACA looks at': without(/pixel_attentions.*attn2\.to_[kv]/),
    'the conditioning scale in what PACA looks at': {
      graph(graph) {
        const plain = new Map(scaled(graph).map(({ input, output }) => [output[0]!, input[0]!]));
        const looks = nodes(graph, 'Reshape').filter(({ input }) => plain.has(input[0]!));
        expect(looks).toHaveLength(graph.proto.name === 'denoiser' ? 12 : 0);
        for (const node of looks) node.input[0] = plain.get(node.input[0]!)!;
      },
    },
    'the cross-attention of PACA': without(/pixel_attentions.*attn2\.to_out/),
    'the self-attention of PACA': without(/pixel_attentions.*attn1\.to_out/),
    'residuals in the skips': {
      graph(graph) {
        const residuals = scaled(graph).map(({ output }) => output[0]!);
        const sums = nodes(graph, 'Add').filter(({ input }) => residuals.includes(input[1]!));
        expect(sums).toHaveLength(graph.proto.name === 'denoiser' ? 13 : 0);
        for (const node of sums) Object.assign(node, { opType: 'Identity', input: [node.input[0]!] });
      },
    },
    'the stem': without(/controlnet_cond_embedding\.conv_out/),
    'the text': without(/\.attentions.*attn2\.to_[kv]/),
    'several heads': {
      graph(graph) {
        for (const { attribute } of nodes(graph, 'MultiHeadAttention'))
          for (const one of attribute) if (one.name === 'num_heads') one.i = 1n;
      },
    },
  };

  test.each(Object.entries(CHANGES))('%s', async (_, change) => {
    const recorded = await openPasdCase('denoiser_16x16_t500');
    const denoiser = await openDenoiser(FOLDER, change);
    const { eps } = await denoiser.compute(recorded);
    await denoiser.release();
    await expectOther(recorded, 'eps', eps!.data, 0.02); // the tolerance is 2e-5
  });
});

describe('without it the latent is another:', () => {
  const noNoise = (values: Float32Array) => values.map(() => 0);
  /** Every tile counts as much as the others where they overlap. */
  const evenly: Mode['latentTiles'] = (height, width) => {
    const tiles = planPublishedTiles({ height, width, size: 8, overlap: 3 });
    const holds = ({ start, size }: LatentTile['row'], at: number) => start <= at && at < start + size;
    return tiles.map((tile) => ({
      ...tile,
      weight: (y, x) => {
        const [line, place] = [tile.row.start + y, tile.column.start + x];
        return 1 / tiles.filter(({ row, column }) => holds(row, line) && holds(column, place)).length;
      },
    }));
  };
  const CHANGES: Record<string, { id?: string; change: ScriptChange; least: number }> = {
    'the photo at the start': { change: { parameters: { start_point: 'noise' } }, least: 5 },
    'the second noise': { change: { noise: { again: noNoise } }, least: 5 },
    'the last timestep as the level of a second noise that is not called': {
      change: { mode: { secondNoise: () => 900 } },
      least: 5,
    },
    'a sample of the posterior': { change: { noise: { posterior: noNoise } }, least: 0.2 },
    guidance: { change: { parameters: { guidance_scale: 1 } }, least: 1 },
    'weights of the tiles': { id: 'tiled_s8_v3', change: { mode: { latentTiles: evenly } }, least: 1 },
    tiles: {
      id: 'tiled_s8_v3',
      change: { mode: { latentTiles: (height, width) => planLatentTiles({ height, width, size: 64, overlap: 4 }) } },
      least: 1,
    },
  };

  test.each(Object.entries(CHANGES))('%s', async (_, { id = 'loop_lr_4', change, least }) => {
    const recorded = await openPasdCase(id);
    const { latents } = await computeLoop(recorded, models, change);
    await expectOther(recorded, 'latents', latents.data, least);
  });
});

test('each of its parameters gives another latent', async () => {
  const recorded = await openPasdCase('loop_lr_4');
  const changes: ScriptChange['parameters'][] = [
    {},
    { steps: 3 },
    { guidance_scale: 2 },
    { guidance_scale: 1 },
    { conditioning_scale: 0.5 },
    { negative_prompt: 'red' },
    { start_point: 'noise' },
    { start_steps: 800 },
  ];
  const ends: string[] = [];
  for (const parameters of changes) {
    const { latents } = await computeLoop(recorded, models, { parameters: { ...parameters } });
    ends.push(`${latents.data.slice(-8)}`);
  }
  expect(new Set(ends).size).toBe(changes.length);
});

describe('without it the picture is another:', () => {
  test('the fix of colors', async () => {
    const recorded = await openPasdCase('run_caption');
    const { outputs } = await computeRun(recorded, models);
    await expectOther(recorded, 'fixed', outputs.decoded!.data, 10);
  });

  test.each([
    ['words', { prompt: 'a red car' }],
    ['a step', { steps: 4 }],
  ] as const)('%s', async (_, parameters) => {
    const recorded = await openPasdCase('run_caption');
    const { outputs } = await computeRun(recorded, models, { parameters });
    await expectOther(recorded, 'picture', outputs.picture!.data, 3);
  });

  test('PACA', async () => {
    const recorded = await openPasdCase('run_caption');
    const changed = await openPasd(FOLDER, without(/pixel_attentions\.\d\.proj_out/));
    const { outputs } = await computeRun(recorded, changed);
    await changed.release();
    await expectOther(recorded, 'picture', outputs.picture!.data, 3);
  });

  test('the second norm before the attention of a tile', async () => {
    const recorded = await openPasdCase('vae_tiled');
    const image = await decodeTiled(models.vae, await recorded.tensor('latent'), { tiling: publishedVaeTiles(8) });
    await expectOther(recorded, 'image_out', image.data, 0.05);
  });
});
