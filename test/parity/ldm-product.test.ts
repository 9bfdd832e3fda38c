import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Pixels } from '../../gpu-worker/images/image.ts';
import type { LdmModels } from '../../gpu-worker/methods/ldm/models.ts';
import { ldmRestorer } from '../../gpu-worker/methods/ldm/recipe.ts';
import type { RestorerOptions, Savepoint, Show } from '../../gpu-worker/restore/restorer.ts';
import { exactVaeTiles } from '../../gpu-worker/vae/exact-vae-tiles.ts';
import { decodeTiled } from '../../gpu-worker/vae/tiled-vae.ts';
import { OWN_MODELS } from '../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../shared/parameters.ts';
import { gather } from '../support/bands.ts';
import { openCase } from '../support/recorded-case.ts';
import { noise } from '../support/sample-images.ts';
import { withLdm } from './compute/ldm.ts';

const FOLDER = fileURLToPath(new URL('../fixtures/ldm/', import.meta.url));

/** With the small networks of the recorded set. */
describe('LDM-SR as the product has it', () => {
  const noisy = (width: number, height: number, channels: 1 | 3): Pixels => ({
    width,
    height,
    channels,
    data: noise(width * height * channels),
  });
  type Options = Pick<Partial<RestorerOptions>, 'show' | 'savepoints' | 'onProgress'> & { steps?: number };
  const restoreBy = async (models: LdmModels, photo: Pixels, { steps = 2, ...options }: Options = {}) => {
    const asked = { model: 'ldm', steps, seed: 7 };
    const parameters = completeParameters(requestedParametersSchema.parse(asked), OWN_MODELS);
    const { signal } = new AbortController();
    const { bands } = await ldmRestorer(models)(photo, {
      published: false,
      tileSize: 128,
      onProgress: () => {},
      signal,
      parameters,
      ...options,
    });
    return await gather(bands, photo);
  };

  test.each([
    [1, 1, 3],
    [3, 70, 1],
    [65, 9, 3],
  ] as const)(
    'makes a photo of %s × %s with %s channels four times as large, the same each time',
    async (width, height, channels) => {
      const photo = noisy(width, height, channels);
      await withLdm(FOLDER, async (models) => {
        const picture = await restoreBy(models, photo);
        expect([picture.width, picture.height, picture.channels]).toEqual([4 * width, 4 * height, channels]);
        expect(await restoreBy(models, photo)).toEqual(picture);
      });
    },
  );

  test('shows after each step what the network expects, in the size and kind of the photo', async () => {
    const shown: [step: number, picture: Pixels][] = [];
    const pending: Promise<void>[] = [];
    const show: Show = (draw, step) => {
      pending.push(Promise.resolve(draw()).then((picture) => void shown.push([step!, picture])));
    };
    await withLdm(FOLDER, (models) => restoreBy(models, noisy(20, 33, 1), { show }));
    await Promise.all(pending);
    expect(shown.map(([step]) => step)).toEqual([1, 2]);
    for (const [, { width, height, channels }] of shown) expect([width, height, channels]).toEqual([20, 33, 1]);
  });

  test('decodes a latent that is too large for one piece as one: no tile leaves a trace', async () => {
    const latent = await (await openCase('tiles_32x24', FOLDER)).tensor('clean_latent');
    const [whole, tiled] = await withLdm(FOLDER, async ({ decoder }) => [
      await decodeTiled(decoder, latent, { tiling: exactVaeTiles(32, 4) }),
      await decodeTiled(decoder, latent, { tiling: exactVaeTiles(8, 4) }),
    ]);
    for (const [index, value] of tiled.data.entries()) expect(Math.abs(value - whole.data[index]!)).toBeLessThan(1e-4);
  });

  test('gives the same numbers when sampling goes on at a savepoint', async () => {
    const photo = noisy(24, 16, 3);
    const kept: Savepoint[] = [];
    await withLdm(FOLDER, async (models) => {
      const whole = await restoreBy(models, photo, {
        steps: 5,
        savepoints: { save: (savepoint) => void kept.push(savepoint) },
      });
      expect(kept.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
      const begun: number[] = [];
      const resumed = await restoreBy(models, photo, {
        steps: 5,
        savepoints: { from: kept[2]!, save: () => {} },
        onProgress: ({ stage, step }) => {
          if (stage === 'denoise') begun.push(step!);
        },
      });
      expect(Math.min(...begun)).toBe(4);
      expect(resumed).toEqual(whole);
    });
  });
});
