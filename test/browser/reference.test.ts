import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BROWSERS, type BrowserBench, faultsOf, startBrowserBench } from '../support/browser.ts';
import { ask, look, PHONE, restore, topUp, visit } from '../support/visitor.ts';

/** The reference: every operation, for every eye, with examples that work. */

const run = promisify(execFile);

describe.each(BROWSERS)('in %s', (browser) => {
  let bench: BrowserBench;
  beforeAll(async () => {
    bench = await startBrowserBench(browser, { PRICES: 'standard' });
    await topUp(bench, 10_000_000);
  });
  afterAll(() => bench?.close());

  test.each([
    ['reference', {}],
    ['reference-phone-dark', { ...PHONE, colorScheme: 'dark' }],
  ] as const)('it shows every operation, with its example: %s', async (name, options) => {
    const page = await bench.open(options);
    const faults = faultsOf(page);
    await page.goto(`${bench.url}/docs`);
    await page.getByRole('heading', { name: 'Ask for a larger, restored photo' }).waitFor();
    const { paths } = await ask<{ paths: Record<string, object> }>(bench, '/openapi.json');
    const operations = Object.values(paths).flatMap((item) => Object.keys(item));
    await expect.poll(() => page.locator('article').count()).toBe(operations.length);
    await look(page, name);
    expect(faults).toEqual([]);
  });

  test('it is readable at 320 px, and its examples work when pasted', async () => {
    const page = await bench.open({ viewport: { width: 320, height: 640 } });
    await page.goto(`${bench.url}/docs`);
    await page.locator('article').first().waitFor();
    expect(await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);

    const { page: visitor } = await visit(bench);
    await restore(visitor);
    const [job] = (await ask<{ data: { id: string; upload_id: string }[] }>(bench, '/v1/jobs?limit=1')).data;
    const env = { ...process.env, KEY: bench.key, ID: job!.id, UPLOAD_ID: job!.upload_id };
    const examples = await page.evaluate<string[]>(
      `[...document.querySelectorAll('article')].map((article) => article.querySelector('pre').innerText)`,
    );
    const ofJobs = examples.filter(
      (text) =>
        /\/v1\/(jobs|quotes|uploads|models|balance|usage|keys"|key"|receipt_keys)/.test(text) &&
        !/DELETE|\/cancel|live_preview|_webp|events"/.test(text), // there is no such thing of a job that has ended well
    );
    expect(ofJobs.length).toBeGreaterThan(15);
    const folder = await mkdtemp(join(tmpdir(), 'seesr-examples-'));
    const answers = ofJobs.map(async (example) => {
      const cwd = await mkdtemp(join(folder, 'of-'));
      const { stdout } = await run('bash', ['-c', `${example} -s -w '%{http_code}'`], { env, cwd });
      return [example, stdout.slice(-3)];
    });
    expect(await Promise.all(answers)).toEqual(ofJobs.map((example) => [example, expect.stringMatching(/^20\d$/)]));
    await rm(folder, { recursive: true });
  });
});
