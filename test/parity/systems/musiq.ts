import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { loadMusiq, type Musiq } from '../../../evaluation/metrics/musiq-model.ts';
import { cutPatches, gridPositions, scalePicture } from '../../../evaluation/metrics/musiq-patches.ts';
import { pictureTensor } from '../../../evaluation/metrics/picture-tensor.ts';
import { openCheckpoint } from '../../../gpu-worker/weights/open-checkpoint.ts';
import { openFormulaWeights } from '../../support/formula-weights.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import { tiledPicture } from '../compute/tiled-picture.ts';
import type { Computed } from '../computed.ts';
import { PARITY_DEVICE } from '../device.ts';
import type { Parity } from '../parity.ts';

const FILES = { published: 'musiq_koniq_ckpt-e95806b9.pth', formula: 'real-width.json', config: 'config.json' };

export const parity: Parity = {
  place: 'metrics/musiq',
  open: () => ({ kinds: { positions, patches, score }, [Symbol.asyncDispose]: async () => {} }),
  blocks: ['root_pool', 'block', 'embedding', 'positions_added', 'scales_added', 'encoder', 'encoder_norm', 'score'],
};

async function positions({ parameters }: RecordedCase): Promise<Computed> {
  const { table } = z.object({ table: z.record(z.string(), z.array(z.number())) }).parse(parameters);
  const facts = Object.entries(table).map(([count, expected]) => {
    return { name: `positions of ${count}`, actual: gridPositions(Number(count)), expected };
  });
  return { outputs: {}, facts };
}

const scaleSchema = z.object({
  width: z.number(),
  height: z.number(),
  patches: z.number(),
  /** Tokens that the original fills the scale up to. */
  room: z.number().optional(),
});

async function patches(recorded: RecordedCase): Promise<Computed> {
  const { scales } = z.object({ scales: z.array(scaleSchema) }).parse(recorded.parameters);
  const pictures = scalePicture(pictureTensor(await tiledPicture(recorded)));
  const cut = cutPatches(pictures);
  const count = cut.positions.length;
  const mask = scales.flatMap(({ patches, room = patches }) => [
    ...Array(patches).fill(1),
    ...Array(room - patches).fill(0),
  ]);
  return {
    outputs: {
      resized_224: pictures[0]!,
      resized_384: pictures[1]!,
      positions: { data: cut.positions, shape: [count] },
      scale_positions: { data: cut.scales, shape: [count] },
      mask: { data: mask, shape: [mask.length] },
      patches: { data: cut.patches.data, shape: [count, cut.patches.data.length / count] },
    },
    facts: scales.map(({ width, height, patches: expected }, scale) => ({
      name: `scale ${scale}`,
      actual: [...pictures[scale]!.shape.slice(2), cut.scales.filter((one) => one === scale).length],
      expected: [height, width, expected],
    })),
  };
}

async function score(recorded: RecordedCase): Promise<Computed> {
  const network = await load(recorded);
  const found = await network.run(pictureTensor(await tiledPicture(recorded)));
  await network.release();
  const { tokens, ...others } = found;
  // A batch of one there is no axis here.
  const flat = Object.entries(others).map(([name, { data, shape }]) => {
    return [name, { data, shape: shape.length === 3 ? shape.slice(1) : shape }] as const;
  });
  return { outputs: { ...Object.fromEntries(flat), embedding: tokens! } };
}

async function load({ folder, parameters }: RecordedCase): Promise<Musiq> {
  const path = (file: string) => join(folder, 'checkpoints', file);
  if (parameters.weights === FILES.formula) {
    return await loadMusiq(await openFormulaWeights(path(FILES.formula)), PARITY_DEVICE, { probes: true });
  }
  const { num_heads: heads } = z
    .object({ num_heads: z.number() })
    .parse(JSON.parse(await readFile(path(FILES.config), 'utf8')));
  await using checkpoint = await openCheckpoint(path(FILES.published));
  return await loadMusiq(checkpoint, PARITY_DEVICE, { probes: true, heads });
}
