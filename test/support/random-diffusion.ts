import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildMethod } from './build-method.ts';
import { randomTensor } from './random-seesr.ts';
import { writeRandomTensors } from './random-tensors.ts';

interface PublishedFile {
  /** Of the build. */
  option: string;
  /** In the key table, `test/fixtures/ID-keys.tsv`. */
  file: string;
  /** Before the names there, of the dictionary that holds the weights. */
  prefix: string;
}

/** The published files of each method; a method that is added is a line. */
const FILES = {
  ldm: [{ option: 'ldm', file: 'last.ckpt', prefix: 'state_dict.' }],
  resshift: [
    { option: 'resshift', file: 'resshift_realsrx4_s15_v1.pth', prefix: '' },
    { option: 'vq', file: 'autoencoder_vq_f4.pth', prefix: '' },
  ],
  stablesr: [
    { option: 'stablesr', file: 'stablesr_000117.ckpt', prefix: '' },
    { option: 'stablesr-cfw', file: 'vqgan_cfw_00011.ckpt', prefix: '' },
  ],
  diffbir: [
    { option: 'diffbir', file: 'general_full_v1.ckpt', prefix: '' },
    { option: 'diffbir-swinir', file: 'general_swinir_v1.ckpt', prefix: '' },
  ],
} as const satisfies Record<string, readonly PublishedFile[]>;

export type RandomModel = keyof typeof FILES;
export const RANDOM_MODELS = Object.keys(FILES) as RandomModel[];

/** Installs the method in its published size, with random weights; its files lie beside it. */
export async function buildRandom(modelsDirectory: string, model: RandomModel): Promise<void> {
  const table = await readFile(new URL(`../fixtures/${model}-keys.tsv`, import.meta.url), 'utf8');
  const rows = table
    .trim()
    .split('\n')
    .map((line) => line.split('\t') as [string, string, string]);
  const paths: Record<string, string> = {};
  for (const { option, file, prefix } of FILES[model]) {
    const own = rows.filter(([of, name]) => of === file && name.startsWith(prefix));
    const path = join(modelsDirectory, `${option}.safetensors`);
    const shapes = own.map(([, name, shape]) => [name.slice(prefix.length), JSON.parse(shape) as number[]] as const);
    await writeRandomTensors(path, shapes, randomTensor);
    paths[option] = path;
  }
  await buildMethod(model, paths, modelsDirectory);
}
