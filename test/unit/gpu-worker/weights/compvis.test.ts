import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { clipText } from '../../../../gpu-worker/graphs/clip-text.ts';
import { controlledUnet } from '../../../../gpu-worker/graphs/controlled-unet.ts';
import { contextGraph, timeGraph } from '../../../../gpu-worker/graphs/unet-conditions.ts';
import { SD_2_UNET, textContext } from '../../../../gpu-worker/graphs/unet-layout.ts';
import { vaeDecoder, vaeEncoder } from '../../../../gpu-worker/vae/vae-graphs.ts';
import { STABLE_DIFFUSION_VAE } from '../../../../gpu-worker/vae/vae-steps.ts';
import {
  type Checkpoint,
  checkShapes,
  readingOf,
  type TensorEntry,
} from '../../../../gpu-worker/weights/checkpoint.ts';
import { splitAxis, within } from '../../../../gpu-worker/weights/combine.ts';
import {
  compvisAutoencoder,
  compvisUnet,
  isScheduleTable,
  openClipText,
} from '../../../../gpu-worker/weights/compvis.ts';

/** The tensors of DiffBIR's published checkpoint: all networks of Stable Diffusion 2 and a ControlNet. */
const TABLE = await readFile(new URL('../../../fixtures/diffbir-keys.tsv', import.meta.url), 'utf8');
const ROWS = TABLE.split('\n').map((line) => line.split('\t'));
const PUBLISHED = ROWS.flatMap(([file, name, shape]): [string, TensorEntry][] =>
  file === 'general_full_v1.ckpt' ? [[name!, { shape: JSON.parse(shape!) as number[], dtype: 'F32' }]] : [],
);

function checkpointOf(tensors: readonly (readonly [string, TensorEntry])[], numbers: Float32Array): Checkpoint {
  return {
    tensors: new Map(tensors),
    files: ['published'],
    ...readingOf(async () => Float64Array.from(numbers)),
    [Symbol.asyncDispose]: async () => {},
  };
}

const published = (prefix: string) => within(checkpointOf(PUBLISHED, new Float32Array()), prefix);

const CONTROLLED = { unet: SD_2_UNET, controlNet: SD_2_UNET, contexts: [textContext(1024)] };
const weightsOf = (net: string) => {
  const graphs = [contextGraph(CONTROLLED), timeGraph(CONTROLLED), controlledUnet(CONTROLLED)];
  const all = graphs.flatMap(({ weights }) => [...weights]);
  return new Map(all.flatMap(([name, shape]) => (name.startsWith(net) ? [[name.slice(net.length), shape]] : [])));
};

test('UNet and ControlNet of the published size', () => {
  const unet = compvisUnet(published('model.diffusion_model.'), 2);
  expect(unet.tensors.size).toBe(686);
  checkShapes(weightsOf('unet.'), unet.tensors, 'UNet');
  const controlNet = compvisUnet(published('control_model.'), 2);
  expect(controlNet.tensors.size).toBe(324);
  // DiffBIR's looks at a hint beside the latent.
  const expected = new Map([...weightsOf('controlnet.'), ['conv_in.weight', [320, 8, 3, 3]]] as const);
  checkShapes(expected, controlNet.tensors, 'ControlNet');
});

test('the autoencoder of the published size', () => {
  const expected = [vaeEncoder, vaeDecoder].flatMap((graph) => [...graph(STABLE_DIFFUSION_VAE).weights]);
  const autoencoder = compvisAutoencoder(published('first_stage_model.'), 4);
  expect(autoencoder.tensors.size).toBe(248);
  checkShapes(new Map(expected), autoencoder.tensors, 'autoencoder');
});

test('the text tower of the published size, without its last block', () => {
  const { weights } = clipText({
    vocab_size: 49_408,
    max_position_embeddings: 77,
    hidden_size: 1024,
    num_hidden_layers: 23,
    num_attention_heads: 16,
    intermediate_size: 4096,
    layer_norm_eps: 1e-5,
    hidden_act: 'gelu',
  });
  checkShapes(weights, openClipText(published('cond_stage_model.model.'), 23).tensors, 'text');
});

test('a name that is none of theirs stays as it is, for the check to tell', () => {
  const strange = checkpointOf([['input_blocks.4.7.weight', { shape: [1], dtype: 'F32' }]], new Float32Array(1));
  expect([...compvisUnet(strange, 2).tensors.keys()]).toEqual(['input_blocks.4.7.weight']);
});

test('tables of the schedule', () => {
  const tables = PUBLISHED.map(([name]) => name).filter((name) => !name.includes('.'));
  expect(tables).toHaveLength(13);
  expect(tables.every(isScheduleTable)).toBe(true);
  expect(isScheduleTable('alphas_cumprod.weight')).toBe(false);
});

test('parts of a tensor along either axis', async () => {
  const numbers = Float32Array.from({ length: 12 }, (_, index) => index);
  const whole = checkpointOf([['both', { shape: [2, 3, 2], dtype: 'F32' }]], numbers);
  const rows = splitAxis(whole, () => ({ names: ['a', 'b'], axis: 0 }));
  expect(rows.tensors.get('b')!.shape).toEqual([1, 3, 2]);
  expect([...(await rows.read('b'))]).toEqual([6, 7, 8, 9, 10, 11]);
  const columns = splitAxis(whole, () => ({ names: ['a', 'b', 'c'], axis: 1 }));
  expect(columns.tensors.get('b')!.shape).toEqual([2, 1, 2]);
  expect([...(await columns.readValues('b'))]).toEqual([2, 3, 8, 9]);
});
