import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pixels } from '../../gpu-worker/images/image.ts';
import type { LdmModels } from '../../gpu-worker/methods/ldm/models.ts';
import { ldmRestorer } from '../../gpu-worker/methods/ldm/recipe.ts';
import { restore } from '../../gpu-worker/restore/restore.ts';
import type { RestorerOptions, Savepoint, Show } from '../../gpu-worker/restore/restorer.ts';
import { exactVaeTiles } from '../../gpu-worker/vae/exact-vae-tiles.ts';
import { decodeTiled } from '../../gpu-worker/vae/tiled-vae.ts';
import { DEFAULT_LIMITS } from '../../shared/limits.ts';
import { OWN_MODELS } from '../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../shared/parameters.ts';
import { gather } from '../support/bands.ts';
import { openCase } from '../support/recorded-case.ts';
import { fixture, noise } from '../support/sample-images.ts';
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

describe('LDM-SR within the frame of the product', () => {
  let directory: string;
  let models: LdmModels;
  let release = () => {};
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'seesr-ldm-'));
    const photo = sharp(fixture('pairs/kodim23.jpg')).extract({ left: 50, top: 40, width: 24, height: 16 });
    await photo.toFile(join(directory, 'photo.png'));
    await new Promise<void>((opened) => {
      void withLdm(FOLDER, async (loaded) => {
        models = loaded;
        opened();
        await new Promise<void>((done) => {
          release = done;
        });
      });
    });
  });
  afterAll(async () => {
    release();
    await rm(directory, { recursive: true });
  });

  const restoreWith = async (asked: object) => {
    const parameters = completeParameters(
      requestedParametersSchema.parse({ model: 'ldm', steps: 2, ...asked }),
      OWN_MODELS,
    );
    const paths = { inputPath: join(directory, 'photo.png'), outputPath: join(directory, 'output.png') };
    const { signal } = new AbortController();
    const options = { tileSize: 128, signal, onProgress: () => {} };
    return await restore({ ...paths, parameters, limits: DEFAULT_LIMITS }, ldmRestorer(models), options);
  };

  test('the measured fidelity rises with the dial, all the way to the photo', async () => {
    const found = [];
    for (const fidelity of [0, 0.25, 0.5, 0.75, 1]) found.push((await restoreWith({ fidelity })).fidelity_report!);
    const psnr = found.map((report) => report.psnr);
    expect(psnr).toEqual(psnr.toSorted((a, b) => a - b));
    expect(psnr.at(-1)! - psnr[0]!).toBeGreaterThan(5);
    expect(found.at(-1)!.added_detail).toBeLessThan(0.5);
  });

  test('every parameter changes the picture', async () => {
    const asked = [{}, { steps: 4 }, { seed: 1 }, { fidelity: 0.5 }, { color_fix: 'adain' }];
    const results = new Map<string, string>();
    for (const one of asked) {
      // Without the colors of the photo the gate may refuse what random networks make.
      const result = await restoreWith(one).then(
        ({ sha256 }) => sha256,
        (error: Error) => error.message,
      );
      results.set(result, JSON.stringify(one));
    }
    expect([...results.values()]).toEqual(asked.map((one) => JSON.stringify(one)));
  });
});
