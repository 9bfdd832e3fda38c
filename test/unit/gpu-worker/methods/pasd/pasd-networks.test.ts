import { expect, test } from 'vitest';
import { pasdNetworks } from '../../../../../gpu-worker/methods/pasd/networks.ts';
import { elementCount } from '../../../../../gpu-worker/tensor/tensor.ts';
import type { Checkpoint, TensorEntry } from '../../../../../gpu-worker/weights/checkpoint.ts';
import { publishedPasdTensors, randomPasd } from '../../../../support/random-pasd.ts';

/** Of training, and of old versions of transformers. */
const IGNORED = /^(controlnet_cond_embedding\.to_rgbs\.[012]\.(weight|bias)|text_model\.embeddings\.position_ids)$/;

test('the networks take every tensor of the published files but those that nothing looks at', async () => {
  const published = [...(await publishedPasdTensors())].flatMap(([part, tensors]) => {
    return [...tensors].map(([name, shape]) => ({ part, name, count: elementCount(shape) }));
  });
  expect(published).toHaveLength(1789);
  const prefixes: Record<string, string> = { unet: 'unet.', controlnet: 'controlnet.' };
  const expected = published
    .filter(({ name }) => !IGNORED.test(name))
    .map(({ part, name, count }) => `${prefixes[part] ?? ''}${name} ${count}`);
  expect(expected).toHaveLength(1789 - 7);
  const networks = pasdNetworks(await randomPasd(), {});
  const taken = networks.flatMap(({ graph }) => [...graph.weights]);
  const found = taken.map(([name, shape]) => `${name} ${elementCount(shape)}`);
  // Old names in the attention of the autoencoder.
  const current = expected.map((name) =>
    name.replace(/\.attentions\.0\.(query|key|value|proj_attn)\./, (_, old: string) => {
      return `.attentions.0.${{ query: 'to_q', key: 'to_k', value: 'to_v', proj_attn: 'to_out.0' }[old]}.`;
    }),
  );
  expect(found.toSorted()).toEqual(current.toSorted());
  const parameters = (prefix: string) =>
    taken.reduce((sum, [name, shape]) => sum + (name.startsWith(prefix) ? elementCount(shape) : 0), 0);
  expect([parameters('unet.'), parameters('controlnet.')]).toEqual([1_107_755_524, 361_279_120]);
});

const KEY = 'up_blocks.0.pixel_attentions.2.transformer_blocks.0.attn2.to_k.weight';

test.each([
  { what: 'is missing', change: (tensors: Tensors) => tensors.delete(KEY), message: `missing ${KEY}` },
  {
    what: 'has another shape',
    change: (tensors: Tensors) => tensors.set(KEY, { shape: [1280, 640], dtype: 'F32' }),
    message: `${KEY} is [1280,640] and should be [1280,1280]`,
  },
  {
    what: 'is of another network',
    change: (tensors: Tensors) => tensors.set('norm2_plus', { shape: [1], dtype: 'F32' }),
    message: 'unexpected norm2_plus [1]',
  },
])('a tensor that $what is named', async ({ change, message }) => {
  const checkpoints = await randomPasd();
  const tensors: Tensors = new Map(checkpoints.unet.tensors);
  change(tensors);
  const unet: Checkpoint = { ...checkpoints.unet, tensors };
  expect(() => pasdNetworks({ ...checkpoints, unet }, {})).toThrow(message);
});

type Tensors = Map<string, TensorEntry>;
