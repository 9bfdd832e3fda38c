import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { JobView } from '../../shared/api.ts';
import { expectAccessible } from '../support/accessibility.ts';
import { type BrowserBench, picture, startBrowserBench } from '../support/browser.ts';
import { buildRecorded } from '../support/recorded-models.ts';

/** The small SeeSR of the recorded set: what the page shows of a diffusion model alone. */

const PHOTO = fileURLToPath(new URL('../../local/demo-photo/dog.jpg', import.meta.url));

let modelsDirectory: string;
let bench: BrowserBench;
beforeAll(async () => {
  modelsDirectory = await mkdtemp(join(tmpdir(), 'seesr-models-'));
  await buildRecorded(modelsDirectory, 'seesr');
  bench = await startBrowserBench({ MODELS_DIR: modelsDirectory });
});
afterAll(async () => {
  await bench?.close();
  await rm(modelsDirectory, { recursive: true, force: true });
});

test('a wrong tag is taken away, a missing one added, and the photo restored again with them', async () => {
  const page = await bench.open();
  await page.goto(`${bench.service.url}/#key=${bench.key}`);
  await page.locator('input[type=file]').setInputFiles(PHOTO);
  expect(await page.getByLabel('Method').inputValue()).toBe('seesr');
  await page.getByText('More settings').click();
  await page.getByText('For experts').click();
  await page.getByLabel('Steps', { exact: true }).fill('4');
  await page.getByLabel('Size').selectOption('1');
  await picture(page, 'diffusion-settings');
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Restore', exact: true }).click();
  await page.getByRole('heading', { name: 'What was seen' }).waitFor();
  const chips = page.locator('.chips li');
  const seen = await chips.count();
  const [wrong] = await chips.allTextContents();
  await page
    .getByRole('button', { name: /^Remove/ })
    .first()
    .click();
  await page.getByLabel('Another tag').fill('lighthouse');
  await page.getByRole('button', { name: 'Add' }).click();
  expect(await chips.count()).toBe(seen);
  await picture(page, 'tags');
  await expectAccessible(page);

  const first = page.url();
  await page.getByRole('button', { name: 'Run again' }).click();
  await page.waitForURL((url) => url.hash !== '' && url.href !== first);
  await page.getByRole('heading', { name: 'What was seen' }).waitFor();
  const id = new URL(page.url()).hash.slice(1);
  const response = await fetch(`${bench.service.url}/v1/jobs/${id}`, { headers: { 'X-Api-Key': bench.key } });
  const { parameters, description } = (await response.json()) as JobView;
  expect(parameters).toMatchObject({ steps: 4, tags: { mode: 'replace' } });
  expect(parameters.tags?.list).toContain('lighthouse');
  expect(parameters.tags?.list).not.toContain(wrong?.replace('×', ''));
  expect(description?.prompt).toContain('lighthouse');
});
