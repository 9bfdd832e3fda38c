import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openProduct, order, type Product, photoOfDog, settle } from '../../../../support/product.ts';

/** The small ResShift of the recorded set from its files to the result, with the real programs. */

const [WIDTH, HEIGHT] = [60, 40];

let product: Product;
beforeAll(async () => {
  product = await openProduct();
});
afterAll(() => product?.close());

test('is built by the command line, which says whose it is and that it must not be sold', async () => {
  const { build, models, modelsDirectory } = product;
  const built = await build('resshift');
  expect(built.stdout).toContain('Its license forbids commercial use: offer it to nobody for money.');
  const { stdout } = await models('list');
  expect(stdout).toMatch(/^resshift +installed .*\n +S-Lab License 1\.0 \(non-commercial\), not for commercial use$/m);
  expect(await readFile(join(modelsDirectory, 'resshift/LICENSES.md'), 'utf8')).toMatch(
    /## S-Lab License 1\.0 \(non-commercial\) \(ResShift, .*\): it forbids commercial use/,
  );
});

test('is paid as quoted, also when the service is killed in between', async () => {
  const { client } = await product.start({ ACCEPT_NONCOMMERCIAL: 'true' });
  const { id, quote } = await order(client, await photoOfDog(WIDTH, HEIGHT), { model: 'resshift' });
  await expect.poll(async () => (await client.job(id)).status).toBe('running');
  await product.kill();
  const { client: again } = await product.start({ ACCEPT_NONCOMMERCIAL: 'true' });
  const { job, receipt } = await settle(again, id);
  expect(job).toMatchObject({
    status: 'succeeded',
    charge: { state: 'captured', amount: quote.price },
    output: { width: 4 * WIDTH, height: 4 * HEIGHT },
  });
  expect(receipt).toMatchObject({ price: quote.price, run: { tiles: 1, steps: 15 } });
});
