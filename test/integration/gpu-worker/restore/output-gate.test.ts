import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { isTerminal, outputKey } from '../../../../shared/job.ts';
import { buildRecorded } from '../../../support/recorded-models.ts';
import { createWorkshop, type Workshop } from '../../../support/workshop.ts';

/** Networks made to fail: their output must never reach anybody, and costs nothing. */

let modelsDirectory: string;
let workshop: Workshop;
/** Puts the weights back that a test has spoiled. */
let mend: () => Promise<void> = async () => {};
beforeAll(async () => {
  modelsDirectory = await mkdtemp(join(tmpdir(), 'seesr-broken-'));
  await buildRecorded(modelsDirectory, 'seesr-turbo');
});
beforeEach(async () => {
  workshop = await createWorkshop({ modelsDirectory });
  workshop.startWorker();
});
afterEach(async () => {
  await workshop.close();
  await mend();
});
afterAll(() => rm(modelsDirectory, { recursive: true }));

/** All weights of a network get one value; sizes stay, so the model still looks whole. */
async function spoil(network: string, value: number): Promise<void> {
  const path = join(modelsDirectory, 'seesr-turbo', `${network}.onnx.data`);
  const good = await readFile(path);
  mend = () => writeFile(path, good);
  await writeFile(path, new Float32Array(good.length / 4).fill(value));
}

async function run(parameters: object = {}) {
  const dog = await readFile(new URL('../../../../local/demo-photo/dog.jpg', import.meta.url));
  const photo = await sharp(dog).resize(60, 40, { fit: 'fill' }).png().toBuffer();
  const { id } = await workshop.submit(photo, { model: 'seesr-turbo', steps: 1, ...parameters });
  const job = await workshop.until(id, isTerminal);
  const ledger = await workshop.state.listLedger({ account: workshop.account, job_id: id });
  return { job, kinds: ledger.map(({ kind }) => kind) };
}

describe('a model that gives', () => {
  const broken: { name: string; detail: RegExp; spoiled?: [string, number]; asked?: object }[] = [
    { name: 'no numbers', detail: /^The network gave NaN, which is no color\.$/, spoiled: ['denoiser', Number.NaN] },
    { name: 'one color', detail: /^The result is flat: its variance is 0\.000 /, spoiled: ['vae-decoder', 0] },
    // The recorded weights are random, and so is their picture without the colors of the photo.
    { name: 'noise', detail: /agrees with it to (9|1[0-3])\.\d dB; at least 18 dB/, asked: { color_fix: 'none' } },
  ];
  test.each(broken)(
    '$name: fails at once, is not charged, and leaves no picture',
    async ({ detail, spoiled, asked }) => {
      if (spoiled) await spoil(...spoiled);
      const { job, kinds } = await run(asked);
      expect(job).toMatchObject({ status: 'failed', attempt: 1, charge: { state: 'released' } });
      expect(job.error).toMatchObject({ code: 'output-rejected', retryable: false, charged: false });
      expect(job.error!.detail).toMatch(detail);
      expect(kinds).toEqual(['reserve', 'release']);
      expect(job.output).toBeUndefined();
      expect(await workshop.objects.head(outputKey(job, 1))).toBeNull();
      expect(workshop.lines.filter((line) => line.includes('engine.output-rejected'))).toHaveLength(1);
    },
  );

  test('one bad picture only: is asked again, and gets it right', async () => {
    await spoil('vae-decoder', 0);
    // The first child has loaded its weights when it decodes; the second one reads them anew.
    const mended = (async () => {
      while (!workshop.lines.some((line) => line.includes('engine.output-rejected'))) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await mend();
    })();
    const { job, kinds } = await run();
    await mended;
    expect(job).toMatchObject({ status: 'succeeded', attempt: 1 });
    expect(kinds).toEqual(['reserve', 'capture']);
  });
});
