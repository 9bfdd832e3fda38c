import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ModelList } from '../../../../../shared/client.ts';
import { writeFaithfulFemasr } from '../../../../support/faithful-femasr.ts';
import { openProduct, order, type Product, settle } from '../../../../support/product.ts';

/** FeMaSR from its file to the result, with the real programs. */

const [WIDTH, HEIGHT] = [301, 187];

let product: Product;
let photo: Uint8Array<ArrayBuffer>;

beforeAll(async () => {
  product = await openProduct();
  await writeFaithfulFemasr(join(product.directory, 'femasr.safetensors'));
  photo = await smoothPhoto();
});
afterAll(() => product?.close());

test('is built by the command line, which says whose it is and that it must not be sold', async () => {
  const { models, directory, modelsDirectory } = product;
  const built = await models('build', 'femasr', '--femasr', join(directory, 'femasr.safetensors'));
  expect(built.stdout).toContain('Its license forbids commercial use: offer it to nobody for money.');
  const { stdout } = await models('list');
  expect(stdout).toMatch(/^femasr +installed .*\n +CC-BY-NC-SA-4\.0, not for commercial use$/m);
  expect(await readFile(join(modelsDirectory, 'femasr/LICENSES.md'), 'utf8')).toMatch(
    /## CC-BY-NC-SA-4\.0 \(FeMaSR, .*\): it forbids commercial use/,
  );
  expect((await models('verify', 'femasr')).stdout).toContain('every file is as it should be');
});

test('a price list that sells it is refused at the start, with the reason', async () => {
  const refused = await product.start().catch((error: Error) => error);
  expect(String(refused)).toContain('The license of femasr (CC-BY-NC-SA-4.0) forbids commercial use');
  expect(String(refused)).toContain('ACCEPT_NONCOMMERCIAL');
});

test('is listed, quoted and paid as quoted, also when the service is killed in between', async () => {
  const { client } = await product.start({ ACCEPT_NONCOMMERCIAL: 'true' });
  const { data } = await client.json<ModelList>('/v1/models');
  expect(data.find(({ id }) => id === 'femasr')).toMatchObject({
    license: 'CC-BY-NC-SA-4.0',
    commercial_use: false,
    installed: true,
    default: false,
    scale: 4,
  });

  const { id, quote } = await order(client, photo, { model: 'femasr' });
  expect(quote.tiles).toBe(2);
  await expect.poll(async () => (await client.job(id)).status).toBe('running');
  await product.kill();
  const { client: again } = await product.start({ ACCEPT_NONCOMMERCIAL: 'true' });
  const { job, receipt } = await settle(again, id);
  expect(job).toMatchObject({
    status: 'succeeded',
    charge: { state: 'captured', amount: quote.price },
    output: { width: 4 * WIDTH, height: 4 * HEIGHT },
  });
  expect(job.fidelity_report!.psnr).toBeGreaterThan(28);
  expect(receipt).toMatchObject({ price: quote.price, parameters: { model: 'femasr' }, run: { tiles: 2 } });
});

test.each([
  { what: 'gray of one pixel', size: [1, 1], kind: (picture: Sharp) => picture.toColorspace('b-w') },
  { what: 'with opacity and odd sides', size: [7, 33], kind: (picture: Sharp) => picture.ensureAlpha(0.5) },
] as const)('the command line restores a photo $what', async ({ size: [width, height], kind }) => {
  const { directory, run } = product;
  const [input, output] = [join(directory, 'in.png'), join(directory, 'out.png')];
  await writeFile(
    input,
    await kind(sharp(photo).extract({ left: 0, top: 0, width, height }))
      .png()
      .toBuffer(),
  );
  await run('gpu-worker/cli.ts', input, output, '--model', 'femasr');
  const [before, after] = await Promise.all([sharp(input).metadata(), sharp(output).metadata()]);
  expect(after).toMatchObject({ width: 4 * width, height: 4 * height });
  expect([after.channels, after.hasAlpha]).toEqual([before.channels, before.hasAlpha]);
});

async function smoothPhoto(): Promise<Uint8Array<ArrayBuffer>> {
  const data = Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, index) => {
    const [x, y] = [Math.floor(index / 3) % WIDTH, Math.floor(index / 3 / WIDTH)];
    return 128 + 70 * Math.sin(x / 29 + (index % 3)) + 40 * Math.cos(y / 28);
  });
  const picture = sharp(data, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
  return new Uint8Array(await picture.png().toBuffer());
}
