import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { psnr } from '../../../../evaluation/metrics/psnr.ts';
import { luminance, withoutBorder } from '../../../../evaluation/plane.ts';
import { METHOD_IDS, OWN_MODELS, SHIPPED_IDS } from '../../../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../../../shared/parameters.ts';
import { PRICE_LISTS, priceOf } from '../../../../shared/pricing.ts';
import { createRestorer } from '../../../support/restorer.ts';
import { decodeBytes, fixture } from '../../../support/sample-images.ts';

/** Tone and color stay those of the photo, with every model. */

/** Mean of each channel. */
async function meansOf(file: Uint8Array): Promise<number[]> {
  return (await sharp(file).stats()).channels.map(({ mean }) => mean);
}

async function shiftOf(photo: Uint8Array, result: Uint8Array): Promise<number> {
  const [before, after] = [await meansOf(photo), await meansOf(result)];
  return Math.max(...before.map((mean, channel) => Math.abs(after[channel]! - mean)));
}

describe.each(SHIPPED_IDS)('%s', (model) => {
  let restorer: Awaited<ReturnType<typeof createRestorer>>;
  beforeAll(async () => {
    restorer = await createRestorer(model);
  });
  afterAll(() => restorer.close());

  // The large network takes its time.
  const side = model === 'real-esrgan' ? 40 : 128;
  test.each(['gb82_city', 'gb82_mies', 'kodim08', 'kodim23'])('gives %s back in its mean color', async (name) => {
    const left = (128 - side) / 2;
    const photo = await sharp(fixture(`pairs/${name}.jpg`))
      .extract({ left, top: left, width: side, height: side })
      .png()
      .toBuffer();
    const asked = side < 128 ? {} : { scale: 3 };
    expect(await shiftOf(photo, (await restorer.run(photo, asked)).file)).toBeLessThan(0.5);
    expect(await shiftOf(photo, (await restorer.run(photo, { color_fix: 'none' })).file)).toBeGreaterThan(0.2);
  });

  test('at fidelity 1 is the same with any fix: no network runs', async () => {
    const photo = await sharp(fixture('pairs/kodim08.jpg'))
      .extract({ left: 9, top: 9, width: 30, height: 20 })
      .png()
      .toBuffer();
    const made = new Set<string>();
    for (const color_fix of ['wavelet', 'adain', 'none']) {
      made.add((await restorer.run(photo, { fidelity: 1, color_fix })).sha256);
    }
    expect(made.size).toBe(1);
  });
});

test('a part that is taken from the photo is nearer to the truth, and costs nothing', async () => {
  const restorer = await createRestorer('real-esrgan-fast');
  for (const name of ['07_face_girl', '08_animal_dog', '12_landscape_reflection']) {
    const truth = withoutBorder(
      luminance(
        (
          await decodeBytes(
            await sharp(fixture(`photos/${name}.png`))
              .removeAlpha()
              .png()
              .toBuffer(),
          )
        ).pixels,
      ),
      4,
    );
    const photo = await sharp(fixture(`photos/${name}.lr144.jpg`))
      .png()
      .toBuffer();
    const agreement = async (color_fix: string) => {
      const { pixels } = await decodeBytes((await restorer.run(photo, { color_fix })).file);
      return psnr(withoutBorder(luminance(pixels), 4), truth);
    };
    expect(await agreement('wavelet')).toBeGreaterThan(await agreement('none'));
  }
  await restorer.close();
  for (const model of METHOD_IDS) {
    const price = (color_fix: string) => {
      const parameters = completeParameters(requestedParametersSchema.parse({ model, color_fix }), OWN_MODELS);
      return priceOf({ width: 300, height: 200 }, parameters, PRICE_LISTS.standard);
    };
    expect(new Set(['wavelet', 'adain', 'none'].map(price)).size).toBe(1);
  }
});
