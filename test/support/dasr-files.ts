import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { elementCount } from '../../gpu-worker/tensor/tensor.ts';
import type { Shapes } from './network-files.ts';
import { uniform } from './random-seesr.ts';
import { safetensorsBytes } from './weight-files.ts';

export interface DasrSizes {
  features: number;
  blocks: number;
  experts: number;
  /** Of the predictor. */
  seeing: number;
  values: number;
}

export const PUBLISHED_DASR: DasrSizes = { features: 64, blocks: 16, experts: 5, seeing: 64, values: 33 };
export const SMALL_DASR: DasrSizes = { features: 8, blocks: 2, experts: 3, seeing: 6, values: 33 };

const HIDDEN = 15;

/** Both files, spelled out once more: the product's own tables are under test. */
export function dasrShapes({ features, blocks, experts, seeing, values }: DasrSizes) {
  const mixed = (name: string, to: number, from: number): Shapes => ({
    [`${name}.weight`]: [experts, to, from, 3, 3],
    [`${name}.bias`]: [experts, to],
  });
  const seen = (layer: number, to: number, from: number): Shapes => ({
    [`ConvNet.${layer}.weight`]: [to, from, 5, 5],
    [`ConvNet.${layer}.bias`]: [to],
  });
  const generator = mixed('conv_first', features, 3);
  for (let block = 0; block < blocks; block++) {
    for (const conv of ['conv1', 'conv2']) Object.assign(generator, mixed(`body.${block}.${conv}`, features, features));
  }
  Object.assign(generator, mixed('upconv1', 4 * features, features), mixed('upconv2', 4 * features, features));
  Object.assign(generator, mixed('conv_hr', features, features), mixed('conv_last', 3, features));
  const predictor = seen(0, seeing, 3);
  for (const layer of [2, 4, 6, 8]) Object.assign(predictor, seen(layer, seeing, seeing));
  Object.assign(predictor, seen(10, values, seeing), {
    'MappingNet.0.weight': [HIDDEN, values],
    'MappingNet.0.bias': [HIDDEN],
    'MappingNet.1.weight': [experts, HIDDEN],
    'MappingNet.1.bias': [experts],
  });
  return { generator, predictor };
}

/** So little is added to the enlarged photo that the result is not refused. */
const FAINT = 0.002;

/** Random numbers, the same each time. `last`: the strength of the last layer, 1 for that of the others. */
export function dasrFile(shapes: Shapes, last = FAINT): Buffer {
  const tensors = Object.entries(shapes).map(([name, shape], index) => {
    const inputs = elementCount(shape.slice(shape.length > 4 ? 2 : 1));
    const deviation = name.endsWith('.bias') ? 0.02 : (name.startsWith('conv_last') ? last : 1) / Math.sqrt(inputs);
    // Experts of which each counts: the kernels of a faint mixture would look at nothing.
    const mean = name === 'MappingNet.1.bias' ? 0.6 : 0;
    return [name, { shape, values: uniform(elementCount(shape), index + 1, mean, deviation) }] as const;
  });
  return safetensorsBytes(Object.fromEntries(tensors));
}

/** Under the published names. Paths by the option of `models build`. */
export async function writeDasrFiles(folder: string, sizes: DasrSizes = SMALL_DASR, last?: number) {
  await mkdir(folder, { recursive: true });
  const { generator, predictor } = dasrShapes(sizes);
  const paths = { dasr: join(folder, 'net_g.pth'), 'dasr-predictor': join(folder, 'net_p.pth') };
  await writeFile(paths.dasr, dasrFile(generator, last));
  await writeFile(paths['dasr-predictor'], dasrFile(predictor));
  return paths;
}
