import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectAccessible } from '../support/accessibility.ts';
import { BROWSERS, type BrowserBench, picture, startBrowserBench } from '../support/browser.ts';
import { buildMethod } from '../support/build-method.ts';
import { SMALL_DASR, writeDasrFiles } from '../support/dasr-files.ts';

/** The part of the page for a model that looks at the damage of a photo. */

const PHOTO = fileURLToPath(new URL('../../local/demo-photo/dog.jpg', import.meta.url));

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-damage-'));
  await buildMethod('dasr', await writeDasrFiles(directory), join(directory, 'models'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe.each(BROWSERS)('in %s', (browser) => {
  let bench: BrowserBench;
  beforeAll(async () => {
    bench = await startBrowserBench(browser, { MODELS_DIR: join(directory, 'models') });
  });
  afterAll(() => bench?.close());

  test('the estimates are shown by their names, and no tags are asked for', async () => {
    const page = await bench.open();
    await page.goto(`${bench.service.url}/#key=${bench.key}`);
    await page.locator('input[type=file]').setInputFiles(PHOTO);
    await page.getByLabel('Method').selectOption('dasr');
    await page.getByLabel('Size').selectOption('1');
    await page.getByRole('button', { name: 'Restore', exact: true }).click();
    const card = page.getByRole('region', { name: 'Seen in the photo' });
    await card.waitFor();
    await card.getByText('All 33 estimates').click();
    expect(await card.locator('dt').count()).toBe(SMALL_DASR.values);
    const quality = card.locator('dl > div', { hasText: 'JPEG 2: quality' });
    expect(await quality.locator('dd').textContent()).toMatch(/^-?\d+\.\d\d$/);
    expect(await card.locator('p', { hasText: 'Mixture of its experts' }).textContent()).toMatch(
      /(-?\d+\.\d\d(, )?){3}$/,
    );
    expect(await page.getByLabel('Another tag').count()).toBe(0);
    await picture(page, 'damage');
    await expectAccessible(page);
  });
});
