import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatPrice } from '../../functions/web/words.ts';
import { expectAccessible } from '../support/accessibility.ts';
import { BROWSERS, type BrowserBench, startBrowserBench } from '../support/browser.ts';
import { createTestClient } from '../support/client.ts';
import { addFaithful } from '../support/faithful-models.ts';

const run = promisify(execFile);
const ACCOUNTS = fileURLToPath(new URL('../../local/accounts.ts', import.meta.url));
const PHOTO = fileURLToPath(new URL('../fixtures/photos/07_face_girl.lr144.jpg', import.meta.url));
const PRICES = {
  name: 'test',
  minimum: 0,
  per_output_megapixel: { 'real-esrgan-fast': 0, compact: 1e9 },
  per_network_call: {},
};

describe.each(BROWSERS)('in %s', (browser) => {
  let directory: string;
  let bench: BrowserBench;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'seesr-added-'));
    const modelsDirectory = join(directory, 'models');
    await addFaithful('3x-compact', modelsDirectory, directory);
    const prices = join(directory, 'prices.json');
    await writeFile(prices, JSON.stringify(PRICES));
    bench = await startBrowserBench(browser, {
      MODELS_DIR: modelsDirectory,
      PRICES: prices,
      ACCEPT_NONCOMMERCIAL: 'true',
    });
  });
  afterAll(async () => {
    await bench?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test('a model that was added is in the form, with its license, sizes and price, and in the receipt', async () => {
    const client = createTestClient(bench.service.url, bench.key);
    const page = await bench.open({});
    await page.goto(`${bench.service.url}/#key=${bench.key}`);
    await page.locator('input[type=file]').setInputFiles(PHOTO);
    await page.getByLabel('Size').selectOption('4');
    await page.getByLabel('Method').selectOption({ label: 'Not to be sold' });
    await page.getByText('License: CC-BY-NC-SA-4.0, not for commercial use').waitFor();
    const sizes = await page.getByLabel('Size').locator('option').allTextContents();
    expect(sizes[0]).toMatch(/^3 times as large/);
    expect(await page.getByLabel('Size').inputValue()).toBe('3');
    const body = JSON.stringify({ input: { width: 144, height: 144 }, model: '3x-compact' });
    const { price } = await client.json<{ price: number }>('/v1/quotes', { method: 'POST', body });
    expect(price).toBeGreaterThan(0);
    await page.getByText(formatPrice(price)).first().waitFor();
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Restore', exact: true }).click();
    await page.getByText('not enough credit').waitFor();
    await run(process.execPath, [ACCOUNTS, 'top-up', String(price)], {
      env: { ...process.env, DATA_DIR: bench.directory },
    });
    await page.getByRole('button', { name: 'Restore', exact: true }).click();
    await page.getByRole('heading', { name: 'Receipt' }).waitFor();
    await page.locator('dd', { hasText: 'Not to be sold' }).waitFor();
    await page.locator('dd', { hasText: 'CC-BY-NC-SA-4.0' }).waitFor();
    await page.close();
  });
});
