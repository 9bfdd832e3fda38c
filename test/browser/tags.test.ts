import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JobView } from '../../shared/api.ts';
import { expectAccessible } from '../support/accessibility.ts';
import { BROWSERS, type BrowserBench, picture, startBrowserBench } from '../support/browser.ts';
import { buildRecorded } from '../support/recorded-models.ts';
import { addressOf, ask } from '../support/visitor.ts';

/** The small SeeSR of the recorded set: the parts of the page for a diffusion model alone. */

const PHOTO = fileURLToPath(new URL('../../local/demo-photo/dog.jpg', import.meta.url));

let modelsDirectory: string;
beforeAll(async () => {
  modelsDirectory = await mkdtemp(join(tmpdir(), 'seesr-models-'));
  await buildRecorded(modelsDirectory, 'seesr');
});
afterAll(() => rm(modelsDirectory, { recursive: true, force: true }));

describe.each(BROWSERS)('in %s', (browser) => {
  let bench: BrowserBench;
  beforeAll(async () => {
    bench = await startBrowserBench(browser, { MODELS_DIR: modelsDirectory });
  });
  afterAll(() => bench?.close());

  test('a wrong tag is taken away, a missing one added, and the photo restored again with them', async () => {
    const page = await bench.open();
    await page.goto(`${bench.service.url}/#key=${bench.key}`);
    await page.locator('input[type=file]').setInputFiles(PHOTO);
    expect(await page.getByLabel('Method').inputValue()).toBe('seesr');
    await page.getByText('More settings').click();
    await page.getByText('For experts').click();
    await page.getByLabel('Steps', { exact: true }).fill('2');
    await page.getByLabel('Size').selectOption('1');
    await picture(page, 'diffusion-settings');
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Restore', exact: true }).click();
    await page.getByRole('heading', { name: 'Seen in the photo' }).waitFor();
    const chips = page.locator('.chips li');
    const seen = await chips.count();
    const [wrong] = await chips.allTextContents();
    await page
      .getByRole('button', { name: /^Remove/ })
      .first()
      .click();
    await page.getByLabel('Another tag').fill('lighthouse');
    await page.getByRole('button', { name: 'Add' }).click();
    await expect.poll(() => chips.count()).toBe(seen);
    await picture(page, 'tags');
    await expectAccessible(page);

    const first = await addressOf(page);
    await page.getByRole('button', { name: 'Run again' }).click();
    await expect.poll(() => addressOf(page)).not.toBe(first);
    await expect.poll(() => addressOf(page)).toMatch(/^job_/);
    const id = await addressOf(page);
    await page.getByRole('heading', { name: 'Seen in the photo' }).waitFor();
    await expect.poll(async () => (await ask<JobView>(bench, `/v1/jobs/${id}`)).status).toBe('succeeded');
    const { parameters, description } = await ask<JobView>(bench, `/v1/jobs/${id}`);
    expect(parameters).toMatchObject({ steps: 2, tags: { mode: 'replace' } });
    expect(parameters.tags?.list).toContain('lighthouse');
    expect(parameters.tags?.list).not.toContain(wrong?.replace('×', ''));
    expect(description?.prompt).toContain('lighthouse');
  });
});
