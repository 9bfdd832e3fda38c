import { safetensorsBytes } from './weight-files.ts';

/** Shapes by name: the content of a file of a network that users bring. */
export type Shapes = Record<string, number[]>;

export interface EsrganSizes {
  /** Of the first convolution, behind a pixel unshuffle. */
  first?: number;
  out?: number;
  features?: number;
  growth?: number;
  blocks?: number;
  upsamplings?: number;
  isPlus?: boolean;
}

const conv = (name: string, to: number, from: number, kernel = 3): Shapes => ({
  [`${name}.weight`]: [to, from, kernel, kernel],
  [`${name}.bias`]: [to],
});

interface Names {
  first: string;
  dense(block: number, dense: number, layer: number): string;
  plus(block: number, dense: number): string;
  body: string;
  up(number: number): string;
  hr: string;
  last: string;
}

/** The three namings, spelled out once more: the product's own table is under test. */
const NAMES: Record<string, (blocks: number, upsamplings: number) => Names> = {
  old: (blocks, upsamplings) => ({
    first: 'model.0',
    dense: (block, dense, layer) => `model.1.sub.${block}.RDB${dense}.conv${layer}.0`,
    plus: (block, dense) => `model.1.sub.${block}.RDB${dense}.conv1x1`,
    body: `model.1.sub.${blocks}`,
    up: (number) => `model.${3 * number}`,
    hr: `model.${[2, 5, 8, 11, 14, 17][upsamplings]}`,
    last: `model.${[4, 7, 10, 13, 16, 19][upsamplings]}`,
  }),
  RRDB_trunk: () => ({
    first: 'conv_first',
    dense: (block, dense, layer) => `RRDB_trunk.${block}.RDB${dense}.conv${layer}`,
    plus: (block, dense) => `RRDB_trunk.${block}.RDB${dense}.conv1x1`,
    body: 'trunk_conv',
    up: (number) => `upconv${number}`,
    hr: 'HRconv',
    last: 'conv_last',
  }),
  'Real-ESRGAN': () => ({
    first: 'conv_first',
    dense: (block, dense, layer) => `body.${block}.rdb${dense}.conv${layer}`,
    plus: (block, dense) => `body.${block}.rdb${dense}.conv1x1`,
    body: 'conv_body',
    up: (number) => `conv_up${number}`,
    hr: 'conv_hr',
    last: 'conv_last',
  }),
};

export function esrganShapes(naming: string, sizes: EsrganSizes = {}): Shapes {
  const { first = 3, out = 3, features = 6, growth = 2, blocks = 1, upsamplings = 2, isPlus = false } = sizes;
  const names = NAMES[naming]!(blocks, upsamplings);
  const shapes = conv(names.first, features, first);
  for (let block = 0; block < blocks; block++) {
    for (const dense of [1, 2, 3]) {
      if (isPlus) shapes[`${names.plus(block, dense)}.weight`] = [growth, features, 1, 1];
      for (const layer of [1, 2, 3, 4, 5]) {
        const to = layer === 5 ? features : growth;
        Object.assign(shapes, conv(names.dense(block, dense, layer), to, features + (layer - 1) * growth));
      }
    }
  }
  Object.assign(shapes, conv(names.body, features, features));
  for (let number = 1; number <= upsamplings; number++)
    Object.assign(shapes, conv(names.up(number), features, features));
  return { ...shapes, ...conv(names.hr, features, features), ...conv(names.last, out, features) };
}

export interface CompactSizes {
  in?: number;
  /** Of the last convolution, before the pixel shuffle. */
  last?: number;
  features?: number;
  convolutions?: number;
}

export function compactShapes({ in: from = 3, last = 12, features = 6, convolutions = 2 }: CompactSizes = {}): Shapes {
  const shapes = conv('body.0', features, from);
  for (let layer = 1; layer <= convolutions + 1; layer++) {
    shapes[`body.${2 * layer - 1}.weight`] = [features];
    const to = layer > convolutions ? last : features;
    Object.assign(shapes, conv(`body.${2 * layer}`, to, features));
  }
  return shapes;
}

/** A safetensors file of such tensors; their numbers are at most as large as `largest`, and the same in each run. */
export function networkFile(shapes: Shapes, largest = 0.2): Buffer {
  const tensors = Object.entries(shapes).map(([name, shape], index) => {
    const length = shape.reduce((product, size) => product * size, 1);
    const values = Array.from({ length }, (_, place) => largest * Math.sin((place + 1) ** 2 + index));
    return [name, { shape, values }] as const;
  });
  return safetensorsBytes(Object.fromEntries(tensors));
}
