import { describe, expect, test } from 'vitest';
import { type Checkpoint, readingOf } from '../../../../gpu-worker/weights/checkpoint.ts';
import { averaged } from '../../../../gpu-worker/weights/ema.ts';

function checkpointOf(tensors: Record<string, number>): Checkpoint {
  return {
    tensors: new Map(Object.keys(tensors).map((name) => [name, { shape: [1], dtype: 'F32' }])),
    files: ['some.ckpt'],
    ...readingOf(async (name) => Float32Array.of(tensors[name]!)),
    [Symbol.asyncDispose]: async () => {},
  };
}

const SOUND = {
  betas: 9,
  'model.net.blocks.1.0.weight': 1,
  'model.net.blocks.2.weight': 2,
  'model_ema.decay': 0.9,
  'model_ema.num_updates': 7,
  'model_ema.netblocks10weight': 10,
  'model_ema.netblocks2weight': 20,
  'first_stage_model.conv.weight': 3,
};

describe('averages of weights', () => {
  test('take the place of the weights, under their names; all else stays', async () => {
    const checkpoint = averaged(checkpointOf(SOUND));
    const values: Record<string, number> = {};
    for (const name of checkpoint.tensors.keys()) values[name] = (await checkpoint.read(name))[0]!;
    expect(values).toEqual({
      betas: 9,
      'model.net.blocks.1.0.weight': 10,
      'model.net.blocks.2.weight': 20,
      'first_stage_model.conv.weight': 3,
    });
  });

  test.each([
    {
      what: 'a weight without its average',
      without: 'model_ema.netblocks2weight',
      message: /1 have no partner, such as netblocks2weight/,
    },
    {
      what: 'an average without its weight',
      without: 'model.net.blocks.1.0.weight',
      message: /1 have no partner, such as netblocks10weight/,
    },
  ])('$what is refused', ({ without, message }) => {
    const { [without as keyof typeof SOUND]: _, ...others } = SOUND;
    expect(() => averaged(checkpointOf(others as Record<string, number>))).toThrow(message);
  });

  test('a file without any is refused', () => {
    expect(() => averaged(checkpointOf({ 'conv.weight': 1 }))).toThrow(
      /some\.ckpt has 0 weights in model\. and 0 averages/,
    );
  });
});
