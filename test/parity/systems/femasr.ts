import { z } from 'zod';
import { toTensor } from '../../../gpu-worker/images/image-tensor.ts';
import { exactMode } from '../../../gpu-worker/methods/femasr/exact-mode.ts';
import { publishedMode } from '../../../gpu-worker/methods/femasr/published-mode.ts';
import { femasrRestorer } from '../../../gpu-worker/methods/femasr/restorer.ts';
import { type Tensor, transpose } from '../../../gpu-worker/tensor/tensor.ts';
import { femasr, femasrSide } from '../../../shared/methods/femasr.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import { femasrPaths, runSteps, withFemasr } from '../compute/femasr.ts';
import type { Computed } from '../computed.ts';
import type { Parity } from '../parity.ts';
import { restored, restoredByEngine } from '../restored.ts';

/** FeMaSR ×4: its network block by block, and the published script. */
export const parity: Parity = {
  methods: ['femasr'],
  networks: ['network'],
  open: () => ({ kinds: { network, swin, quantizer, test, tile, picture }, [Symbol.asyncDispose]: async () => {} }),
  // In the order of the computation.
  blocks: [
    ...['block_in', 'block_down', 'block_swin', 'before_quant', 'indices', 'quantized', 'after_quant'],
    ...['block_up', 'block_decoder', 'output'],
  ],
};

const PUBLISHED = { published: true, tileSize: femasr.tileSizes[0] };

const tileSchema = z.object({ tile_size: z.int(), tile_pad: z.int() });

/** With all values on the way. */
async function network({ folder, ...recorded }: RecordedCase): Promise<Computed> {
  return await withFemasr(folder, async (loaded) => {
    const values = await loaded.run(await recorded.tensor('input'));
    const [, , height, width] = values.before_quant!.shape;
    const outputs = Object.entries(values).map(([name, value]): [string, Tensor] => {
      if (name === 'indices') return [name, { ...value, shape: [1, 1, height!, width!] }];
      return [name, name.startsWith('block_swin') ? asTokens(value) : value];
    });
    return { outputs: Object.fromEntries(outputs) };
  });
}

/** [1, c, h, w] → [1, h · w, c]. */
function asTokens({ data, shape }: Tensor): Tensor {
  const [, channels, height, width] = shape as [number, number, number, number];
  return { data: transpose(data, channels, height * width), shape: [1, height * width, channels] };
}

async function swin({ folder, ...recorded }: RecordedCase): Promise<Computed> {
  const { output } = await runSteps(folder, await recorded.tensor('input'), ({ encoder }) => {
    return encoder.slice(encoder.findIndex((step) => step.kind === 'probe'));
  });
  return { outputs: { output: output! } };
}

async function quantizer({ folder, ...recorded }: RecordedCase): Promise<Computed> {
  const z = await recorded.tensor('z');
  const { distances, indices, quantized } = await runSteps(folder, z, ({ decoders }) => {
    return decoders[0].filter(({ kind }) => kind === 'quantize');
  });
  return {
    outputs: {
      distances: distances!,
      indices: { ...indices!, shape: [1, 1, ...z.shape.slice(2)] },
      quantized: quantized!,
    },
  };
}

async function test({ folder, parameters, ...recorded }: RecordedCase): Promise<Computed> {
  const photo = await recorded.image('image');
  const output = await withFemasr(folder, (loaded) => exactMode(256).enlarge(loaded, toTensor(photo), {}));
  const padded = [photo.height, photo.width].map(femasrSide);
  return { outputs: { output }, facts: [{ name: 'padded', actual: padded, expected: parameters.padded }] };
}

async function tile({ folder, parameters, ...recorded }: RecordedCase): Promise<Computed> {
  const { tile_size: tileSize, tile_pad: margin } = tileSchema.parse(parameters);
  const photo = await recorded.image('image');
  const mode = publishedMode({ maxSize: 0, tileSize, margin });
  const output = await withFemasr(folder, (loaded) => mode.enlarge(loaded, toTensor(photo), {}));
  const facts = [{ name: 'tiles', actual: mode.countTiles(photo), expected: parameters.tiles }];
  return { outputs: { output }, facts };
}

/** As a service does it where its options allow it: built from the file, loaded, asked. */
async function picture({ folder, parameters, ...recorded }: RecordedCase): Promise<Computed> {
  const { max_size: maxSize, tiled } = z.object({ max_size: z.int(), tiled: z.boolean() }).parse(parameters);
  const photo = await recorded.image('image');
  const published = publishedMode({ maxSize });
  const { width, height, channels, data } = tiled
    ? await withFemasr(folder, (loaded) => restored(photo, femasrRestorer(loaded, published), 'femasr', PUBLISHED))
    : await restoredByEngine(photo, 'femasr', femasrPaths(folder), PUBLISHED);
  const facts = [{ name: 'tiled', actual: published.countTiles(photo) > 1, expected: tiled }];
  return { outputs: { picture: { data, shape: [height, width, channels] } }, facts };
}
