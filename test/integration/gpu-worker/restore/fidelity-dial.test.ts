import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bandsOf } from '../../../../gpu-worker/images/bands.ts';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import { onePass } from '../../../../gpu-worker/methods/one-pass-engine.ts';
import { loadSuperResolver } from '../../../../gpu-worker/methods/real-esrgan/engine.ts';
import { loadSeesr } from '../../../../gpu-worker/methods/seesr/models.ts';
import { diffusion } from '../../../../gpu-worker/methods/seesr/recipe.ts';
import { restore } from '../../../../gpu-worker/restore/restore.ts';
import type { Restorer } from '../../../../gpu-worker/restore/restorer.ts';
import { DEFAULT_LIMITS } from '../../../../shared/limits.ts';
import { type MethodId, OWN_MODELS, SHIPPED_IDS } from '../../../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../../../shared/parameters.ts';
import { gather } from '../../../support/bands.ts';
import { buildRecorded } from '../../../support/recorded-models.ts';
import { fixture } from '../../../support/sample-images.ts';

const DIAL = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1];

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-dial-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function measure(
  inputPath: string,
  method: Restorer,
  asked: { model: MethodId; fidelity: number; steps?: number },
) {
  const parameters = completeParameters(requestedParametersSchema.parse(asked), OWN_MODELS);
  const request = { inputPath, outputPath: join(directory, 'output.png'), parameters, limits: DEFAULT_LIMITS };
  const { signal } = new AbortController();
  return (await restore(request, method, { tileSize: 96, signal, onProgress: () => {} })).fidelity_report!;
}

describe('the fidelity dial', () => {
  test.each(SHIPPED_IDS)('%s: the measured fidelity never falls as the dial rises', async (model) => {
    const resolver = await loadSuperResolver({ model, device: 'cpu' });
    for (const name of ['gb82_city', 'gb82_mies', 'kodim08', 'kodim23']) {
      const inputPath = join(directory, `${name}.png`);
      // The large network takes its time.
      const size = model === 'real-esrgan' ? 48 : 128;
      const [left, top] = [(128 - size) / 2, (128 - size) / 2];
      await sharp(fixture(`pairs/${name}.jpg`))
        .extract({ left, top, width: size, height: size })
        .toFile(inputPath);
      // The network does not depend on the dial: it runs once, and the blending each time.
      let calls = 0;
      let kept: Promise<Pixels> | undefined;
      const method: Restorer = async (photo, options) => {
        calls++;
        kept ??= onePass(resolver)
          .restore(photo, options)
          .then(({ bands }) => gather(bands, photo));
        const picture = await kept;
        return { bands: bandsOf({ ...picture, data: picture.data.slice() }, photo, options.signal) };
      };
      const reports = [];
      for (const fidelity of DIAL) reports.push(await measure(inputPath, method, { model, fidelity }));
      expect(calls).toBe(DIAL.length - 1); // at 1 the network has no part, and does not run
      expectRising(reports.map(({ psnr }) => psnr));
      expectRising(reports.map(({ added_detail }) => -added_detail));
      expect(reports.at(-1)!.added_detail).toBeLessThan(0.5);
      expect(reports.at(-1)!.psnr).toBeGreaterThan(reports[0]!.psnr + 5);
    }
    await resolver.release();
  });

  test('seesr: starts later, is guided less, takes its share of the photo, and is measured so', async () => {
    await buildRecorded(directory, 'seesr');
    const models = await loadSeesr(join(directory, 'seesr'), 'cpu');
    const inputPath = join(directory, 'small.png');
    await sharp(fixture('pairs/kodim23.jpg')).extract({ left: 50, top: 40, width: 24, height: 16 }).toFile(inputPath);
    const found: number[] = [];
    for (const fidelity of [0, 0.5, 1]) {
      found.push((await measure(inputPath, diffusion(models), { model: 'seesr', fidelity, steps: 3 })).psnr);
    }
    expectRising(found);
    await models.release();
  });
});

function expectRising(values: number[]): void {
  expect(values).toEqual([...values].sort((a, b) => a - b));
}
