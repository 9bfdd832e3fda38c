import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatPrice } from '../../functions/web/words.ts';
import { BROWSERS, type BrowserBench, startBrowserBench } from '../support/browser.ts';
import { buildMethod } from '../support/build-method.ts';
import { writeFaithfulFemasr } from '../support/faithful-femasr.ts';
import { ask, comparison, LEAST, look, pick, restoreButton, topUp, visit } from '../support/visitor.ts';

/** The page for a published method whose license forbids commercial use. */

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-license-'));
  const femasr = join(directory, 'femasr.safetensors');
  await writeFaithfulFemasr(femasr);
  await buildMethod('femasr', { femasr }, join(directory, 'models'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe.each(BROWSERS)('in %s', (browser) => {
  let bench: BrowserBench;
  beforeAll(async () => {
    const environment = { PRICES: 'standard', ACCEPT_NONCOMMERCIAL: 'true', MODELS_DIR: join(directory, 'models') };
    bench = await startBrowserBench(browser, environment);
    await topUp(bench, 100 * LEAST);
  });
  afterAll(() => bench?.close());

  test('its license is told before and after, and its price is paid', async () => {
    const { page, faults } = await visit(bench);
    const license = page.getByText('License: CC-BY-NC-SA-4.0, not for commercial use');
    await pick(page);
    expect(await license.count()).toBe(0);
    await page.getByLabel('Method').selectOption('femasr');
    await license.waitFor();
    const { price } = await ask<{ price: number }>(bench, '/v1/quotes', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ input: { width: 144, height: 144 }, model: 'femasr' }),
    });
    expect(price).toBeGreaterThan(LEAST);
    await expect.poll(() => restoreButton(page).textContent()).toBe(`Restore for ${formatPrice(price)}`);
    await look(page, 'license');
    await restoreButton(page).click();
    await comparison(page).waitFor();
    const receipt = page.getByRole('region', { name: 'Receipt' });
    await receipt.locator('div', { hasText: 'License of the model' }).getByText('CC-BY-NC-SA-4.0').waitFor();
    await receipt.locator('div', { hasText: 'Paid' }).getByText(formatPrice(price)).waitFor();
    expect(faults).toEqual([]);
  });
});
