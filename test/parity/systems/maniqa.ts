import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Crop, gridCrops, prepareForCrops } from '../../../evaluation/metrics/maniqa-crops.ts';
import { loadManiqa } from '../../../evaluation/metrics/maniqa-model.ts';
import { pictureTensor } from '../../../evaluation/metrics/picture-tensor.ts';
import type { Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import { openCheckpoint } from '../../../gpu-worker/weights/open-checkpoint.ts';
import { unwrapped } from '../../../gpu-worker/weights/unwrap.ts';
import { openFormulaWeights } from '../../support/formula-weights.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import { tiledPicture } from '../compute/tiled-picture.ts';
import type { Computed } from '../computed.ts';
import { PARITY_DEVICE } from '../device.ts';
import type { Parity } from '../parity.ts';

const FILES: Readonly<Record<string, string>> = {
  pipal: 'MANIQA_PIPAL-ae6d356b.pth',
  koniq: 'ckpt_koniq10k.pt',
  'real-geometry.json': 'real-geometry.json',
};
const CONFIG = 'config.json';

export const parity: Parity = {
  place: 'metrics/maniqa',
  networks: [],
  open: () => ({ kinds: { crops, enlarge, score, score_of_crops: score }, [Symbol.asyncDispose]: async () => {} }),
};

const size = z.tuple([z.number(), z.number()]);
const tableSchema = z.array(
  z.object({ width: z.number(), height: z.number(), enlarged: size.nullable(), crops: z.array(size) }),
);

async function crops({ parameters }: RecordedCase): Promise<Computed> {
  const facts = tableSchema.parse(parameters.table).flatMap(({ width, height, enlarged, crops: expected }) => {
    const { shape } = prepareForCrops({ data: new Float32Array(3 * width * height), shape: [1, 3, height, width] });
    const [tall, wide] = shape.slice(2) as [number, number];
    const actual = gridCrops(wide, tall).map(({ x, y }) => [x, y]);
    return [
      { name: `crops of ${width}×${height}`, actual, expected },
      { name: `size of ${width}×${height}`, actual: [wide, tall], expected: enlarged ?? [width, height] },
    ];
  });
  return { outputs: {}, facts };
}

async function enlarge(recorded: RecordedCase): Promise<Computed> {
  return { outputs: { enlarged: prepareForCrops(pictureTensor(await tiledPicture(recorded))) } };
}

const parametersSchema = z.object({ weights: z.string(), scale: z.number(), crops: z.array(size).optional() });
const headsSchema = z.object({ vit: z.object({ num_heads: z.number() }) });

async function score(recorded: RecordedCase): Promise<Computed> {
  const { weights, scale, crops } = parametersSchema.parse(recorded.parameters);
  const path = (file: string) => join(recorded.folder, 'checkpoints', file);
  const isFormula = weights.endsWith('.json');
  const { vit } = headsSchema.parse(JSON.parse(await readFile(path(CONFIG), 'utf8')));
  await using checkpoint = isFormula
    ? await openFormulaWeights(path(weights))
    : unwrapped(await openCheckpoint(path(FILES[weights]!)));
  const network = await loadManiqa(checkpoint, PARITY_DEVICE, { scale, heads: vit.num_heads, probes: true });
  // The case by formula has one crop.
  const asked: readonly Crop[] | undefined = isFormula ? [{ x: 0, y: 0 }] : crops?.map(([x, y]) => ({ x, y }));
  const { score, parts } = await network.run(pictureTensor(await tiledPicture(recorded)), asked && (() => asked));
  await network.release();
  return { outputs: { ...batched(recorded, parts), score: { data: [score], shape: [1, 1] } } };
}

/** Of all crops as one batch, in the recorded shape. */
function batched(recorded: RecordedCase, parts: readonly Record<string, Tensor>[]): Computed['outputs'] {
  const names = recorded.outputNames.filter((name) => parts[0]![name]);
  return Object.fromEntries(
    names.map((name) => {
      const { shape } = parts[0]![name]!;
      const data = parts.flatMap((part) => [...part[name]!.data]);
      // Tokens of the Swin stages have no axis for a batch of one.
      const rest = shape.length === 2 ? shape : shape.slice(1);
      return [name, { data, shape: [parts.length, ...rest] }];
    }),
  );
}
