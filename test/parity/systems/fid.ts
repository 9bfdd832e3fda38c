import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { z } from 'zod';
import { loadInception } from '../../../evaluation/metrics/fid-model.ts';
import { resizeForFid } from '../../../evaluation/metrics/fid-resize.ts';
import { frechetDistance } from '../../../evaluation/metrics/frechet-distance.ts';
import { INCEPTION_SIDE } from '../../../evaluation/metrics/inception-graph.ts';
import { decodeImage } from '../../../gpu-worker/images/decode.ts';
import { openCheckpoint } from '../../../gpu-worker/weights/open-checkpoint.ts';
import { DEFAULT_LIMITS } from '../../../shared/limits.ts';
import { openFormulaWeights } from '../../support/formula-weights.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import { tiledPicture } from '../compute/tiled-picture.ts';
import type { Computed, Fact } from '../computed.ts';
import { PARITY_DEVICE } from '../device.ts';
import type { Parity } from '../parity.ts';

const FILES = { published: 'pt_inception-2015-12-05-6726825d.pth', formula: 'full-width.json' };

export const parity: Parity = {
  place: 'metrics/fid',
  open: () => ({ kinds: { resize, modes, features, distance, folders }, [Symbol.asyncDispose]: async () => {} }),
};

async function resize(recorded: RecordedCase): Promise<Computed> {
  const planes = resizeForFid(await tiledPicture(recorded), INCEPTION_SIDE);
  const data = Float64Array.from(
    { length: 3 * INCEPTION_SIDE ** 2 },
    (_, index) => planes[index % 3]!.data[Math.floor(index / 3)]!,
  );
  return { outputs: { resized: { data, shape: [INCEPTION_SIDE, INCEPTION_SIDE, 3] } } };
}

/** What is left of grey and of alpha when a file has been read. */
async function modes(recorded: RecordedCase): Promise<Computed> {
  const folder = await mkdtemp(join(tmpdir(), 'seesr-fid-'));
  try {
    const outputs: Computed['outputs'] = {};
    for (const name of recorded.inputNames) {
      const { data, shape } = await recorded.tensor(name);
      const [height, width, channels] = shape as [number, number, 1 | 2 | 4];
      const path = join(folder, `${name}.png`);
      await sharp(Uint8Array.from(data), { raw: { width, height, channels } })
        .toColorspace(channels < 3 ? 'b-w' : 'srgb')
        .png()
        .toFile(path);
      const { pixels } = await decodeImage(path, DEFAULT_LIMITS);
      const rgb = Uint8Array.from({ length: 3 * width * height }, (_, index) => {
        return pixels.data[pixels.channels === 3 ? index : Math.floor(index / 3)]!;
      });
      outputs[`${name}_rgb`] = { data: rgb, shape: [height, width, 3] };
    }
    return { outputs };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function open({ folder, parameters }: RecordedCase) {
  const path = (file: string) => join(folder, 'checkpoints', file);
  await using checkpoint =
    parameters.weights === FILES.formula
      ? await openFormulaWeights(path(FILES.formula))
      : await openCheckpoint(path(FILES.published));
  return await loadInception(checkpoint, PARITY_DEVICE, { probes: true });
}

async function features(recorded: RecordedCase): Promise<Computed> {
  const network = await open(recorded);
  const outputs = await network.run(await tiledPicture(recorded));
  await network.release();
  return { outputs };
}

const distanceSchema = z.object({ value: z.number(), value_without_root: z.number(), atol: z.number() });

/** By pyiqa's root of a matrix, and the exact one. */
function distances(recorded: RecordedCase, sides: readonly (readonly Float64Array[])[]): Fact[] {
  const { value, value_without_root: exact, atol } = distanceSchema.parse(recorded.parameters);
  const actual = frechetDistance(sides[0]!, sides[1]!);
  return [
    { name: 'value', actual, expected: value, tolerance: atol },
    { name: 'value without root', actual, expected: exact, tolerance: atol },
  ];
}

async function distance(recorded: RecordedCase): Promise<Computed> {
  const sides: Float64Array[][] = [];
  for (const name of ['a', 'b']) {
    const { data, shape } = await recorded.tensor(name);
    const [samples, size] = shape as [number, number];
    sides.push(
      Array.from({ length: samples }, (_, row) => Float64Array.from(data.subarray(row * size, (row + 1) * size))),
    );
  }
  return { outputs: {}, facts: distances(recorded, sides) };
}

async function folders(recorded: RecordedCase): Promise<Computed> {
  const { sizes } = z.object({ sizes: z.array(z.unknown()) }).parse(recorded.parameters);
  const network = await open(recorded);
  const outputs: Computed['outputs'] = {};
  const sides: Float64Array[][] = [];
  for (const side of [0, 1]) {
    const rows: Float64Array[] = [];
    for (const [index, size] of sizes.entries()) {
      const found = await network.run(await tiledPicture(recorded, `side${side}_${index}`, size));
      rows.push(Float64Array.from(found.features!.data));
    }
    outputs[`features${side}`] = { data: rows.flatMap((row) => [...row]), shape: [rows.length, rows[0]!.length] };
    sides.push(rows);
  }
  await network.release();
  return { outputs, facts: distances(recorded, sides) };
}
