import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { BROWSERS, type BrowserBench, startBrowserBench } from '../support/browser.ts';
import type { Fault } from '../support/fault-proxy.ts';
import {
  addressOf,
  alert,
  ask,
  asksBeforeLeaving,
  button,
  choose,
  comparison,
  jobsBy,
  jobsOf,
  photo,
  restore,
  restoreButton,
  topUp,
  visit,
} from '../support/visitor.ts';

/** Nothing stands still: failed requests are repeated, their errors go with their causes, each has words of its own. */

const NOT_READY: Fault = {
  status: 503,
  type: 'application/problem+json',
  body: JSON.stringify({
    type: 'about:blank',
    title: 'Not ready',
    status: 503,
    detail: 'Not ready.',
    code: 'unavailable',
    retryable: true,
    charged: false,
  }),
};
const HOTEL: Fault = { status: 200, type: 'text/html', body: '<html><h1>Welcome to the hotel</h1></html>' };

const online = (page: Page) => page.evaluate(`dispatchEvent(new Event('online'))`);

describe.each(BROWSERS)('in %s', (browser) => {
  let bench: BrowserBench;
  beforeAll(async () => {
    bench = await startBrowserBench(browser, { PRICES: 'standard' });
    await topUp(bench, 1_000_000);
  });
  afterAll(() => bench?.close());
  afterEach(() => bench.proxy.mendAll());

  describe('a failed request is repeated, and its error goes', () => {
    test.each([
      ['whose the key is', /^GET \/v1\/key$/, 'refuse'],
      ['the models', /^GET \/v1\/models/, NOT_READY],
      ['the settings', /^GET \/openapi/, 'refuse'],
      ['the price', /^POST \/v1\/quotes/, NOT_READY],
      ['the upload', /^PUT/, 'refuse'],
      ['the job and the link to its events', /^GET \/v1\/jobs\/\w+(\/events_link)?$/, NOT_READY],
      ['the link to the result', /\/output\?/, 'refuse'],
      ['the result itself', /^GET \/blobs/, HOTEL],
    ] as const)('%s', async (what, pattern, fault) => {
      const { page, faults } = await visit(bench);
      const mend = bench.proxy.fault(pattern, fault);
      if (what === 'whose the key is') {
        await page.evaluate(`localStorage.removeItem('seesr-owner')`);
        await page.reload();
        await alert(page).waitFor();
      } else {
        await page.locator('input[type=file]').setInputFiles(photo());
        const isBefore = ['the models', 'the settings', 'the price'].includes(what);
        if (!isBefore) {
          await page.getByLabel('Method').selectOption('real-esrgan-fast');
          await page.getByRole('slider', { name: 'Fidelity' }).fill('1');
          await restoreButton(page).click();
        }
        await alert(page).first().waitFor();
      }
      expect(await alert(page).first().textContent()).not.toMatch(/This page has failed/);
      mend();
      await online(page);
      await alert(page).first().waitFor({ state: 'detached' });
      if (what === 'whose the key is') await page.getByText('Choose photos').waitFor();
      else if (/models|settings|price/.test(what)) await page.getByText(/credits, about/).waitFor();
      else await comparison(page).waitFor();
      expect(faults).toEqual([]);
    });

    test('by a button, and by itself', async () => {
      const { page } = await visit(bench);
      const mend = bench.proxy.fault(/\/output\?/, 'refuse');
      await choose(page);
      await restoreButton(page).click();
      await button(page, 'Try again').waitFor();
      await button(page, 'Try again').click();
      await alert(page).waitFor();
      mend();
      await comparison(page).waitFor();
    });
  });

  describe('files on their way', () => {
    test('that stand still have a bar, an end and a question; stopped, they are ready to be sent again', async () => {
      const { page } = await visit(bench);
      await choose(page);
      const mend = bench.proxy.fault(/^PUT/, 'swallow');
      const jobs = await jobsBy(bench, async () => {
        await restoreButton(page).click();
        await button(page, 'Sending…').waitFor();
        await page.getByRole('progressbar').waitFor();
        await expect.poll(() => asksBeforeLeaving(page)).toBe(true);
        await button(page, 'Cancel').click();
        await page.getByRole('progressbar').waitFor({ state: 'detached' });
        await expect.poll(() => asksBeforeLeaving(page)).toBe(false);
      });
      expect(jobs).toEqual([]);
      mend();
      await restoreButton(page).click();
      await comparison(page).waitFor();
    });

    test('that are fetched are stopped, and fetched after all', async () => {
      const { page } = await visit(bench);
      await choose(page);
      const mend = bench.proxy.fault(/^GET \/blobs/, 'hold');
      await restoreButton(page).click();
      await page.getByText('Fetching the result').first().waitFor();
      await button(page, 'Cancel').click();
      mend();
      await button(page, 'Fetch the result').click();
      await comparison(page).waitFor();
    });

    test('all results come in one file', async () => {
      const { page } = await visit(bench);
      await choose(page, [photo('a.jpg'), photo('a.jpg'), photo('b.jpg')]);
      await restoreButton(page).click();
      await page.getByRole('heading', { name: '3 of 3 done' }).waitFor();
      const { name: file, bytes } = await bench.browser.downloadBy(page, () => button(page, 'Download all').click());
      expect(file).toBe('restored-photos.zip');
      const zip = bytes.toString('latin1');
      for (const name of ['a-4x.png', 'a-4x (2).png', 'b-4x.png']) expect(zip).toContain(name);
    });
  });

  test('several photos end in a word, with any outcome of each', async () => {
    const { page } = await visit(bench);
    const names = ['kept', 'erased', 'unknown'];
    await choose(
      page,
      names.map((name) => photo(`${name}.jpg`)),
    );
    await restoreButton(page).click();
    await page.getByRole('heading', { name: '3 of 3 done' }).waitFor();
    const [kept, erased] = (await addressOf(page)).split(',');
    await ask(bench, `/v1/jobs/${erased}`, { method: 'DELETE' });
    await page.goto('about:blank');
    await page.goto(`${bench.url}/#${kept},${erased},job_00000000000000000000000000`);
    await page.getByRole('heading', { name: '1 of 3 done' }).waitFor();
    await expect.poll(() => page.getByRole('progressbar').count()).toBe(0);
    await expect
      .poll(() => page.locator('.several').textContent())
      .toMatch(/Not kept any more.*no longer keeps.*does not know/s);
  });

  describe('words of their own', () => {
    test('for nothing, where a file was changed after it was chosen: it goes on with its copy', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'seesr-photo-'));
      const path = join(folder, 'photo.jpg');
      for (const before of [
        '',
        `IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); };`,
      ]) {
        await writeFile(path, photo().buffer);
        const { page } = await visit(bench, { before });
        await page.locator('input[type=file]').setInputFiles(path);
        await page.getByLabel('Method').selectOption('real-esrgan-fast');
        await page.getByRole('slider', { name: 'Fidelity' }).fill('1');
        await page
          .getByText(/144 × 144/)
          .first()
          .waitFor();
        await page.getByText(/credits, about/).waitFor();
        await appendFile(path, 'x');
        await restoreButton(page).click();
        await comparison(page).waitFor();
      }
      await rm(folder, { recursive: true });
    });

    test('for the login page of a hotel, wherever it comes', async () => {
      const { page } = await visit(bench);
      for (const pattern of [/^GET \/v1\/models/, /^GET \/openapi/, /^POST \/v1\/quotes/]) {
        const mend = bench.proxy.fault(pattern, HOTEL);
        await page.reload();
        await page.locator('input[type=file]').setInputFiles(photo());
        await alert(page).getByText('Something else than the service has answered').waitFor();
        mend();
        await page.goto(bench.url);
      }
      await choose(page);
      bench.proxy.fault(/^PUT/, HOTEL);
      const jobs = await jobsBy(bench, async () => {
        await restoreButton(page).click();
        await alert(page).getByText('Something else than the service has answered').waitFor();
      });
      expect(jobs).toEqual([]);
    });

    test('for a key that is none', async () => {
      const page = await bench.open();
      await page.goto(bench.url);
      for (const [key, words] of [
        ['sr_live_…', 'This is no key'],
        ['sr_live_abc', 'This key is not valid'],
      ] as const) {
        await page.getByLabel('API key').fill(key);
        await button(page, 'Continue').click();
        await alert(page).getByText(words).waitFor();
      }
    });

    test.each([
      ['HTMLDialogElement', 'delete globalThis.HTMLDialogElement'],
      ['ResizeObserver', 'delete globalThis.ResizeObserver'],
      ['Array.prototype.at', 'delete Array.prototype.at'],
    ])('for a browser without %s', async (_what, before) => {
      const page = await bench.open();
      await page.addInitScript(before);
      for (const path of ['', '/docs']) {
        await page.goto(bench.url + path);
        await page.getByText('It needs a newer browser: Chrome or Edge 100, Firefox 98, Safari 16.4').waitFor();
      }
    });

    test.each([
      ['AbortSignal.any', 'delete AbortSignal.any; delete AbortSignal.timeout'],
      ['EventSource', 'delete globalThis.EventSource'],
      ['crypto of safe places', 'delete Crypto.prototype.randomUUID; delete Crypto.prototype.subtle'],
      ['service workers', 'delete Navigator.prototype.serviceWorker'],
    ])('and none for an optional part: %s', async (_what, before) => {
      const { page, faults } = await visit(bench, { before });
      await restore(page);
      expect(faults).toEqual([]);
    });
  });

  test('a clock that is wrong by days or years: one price for one choice, and the result', async () => {
    const quotes = () => bench.proxy.requests.filter((line) => line === 'POST /v1/quotes').length;
    const visitors = await Promise.all([-10_000, -30, 30].map((days) => visit(bench, { before: wrongClock(days) })));
    for (const { page } of visitors) await choose(page);
    const asked = quotes();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(quotes()).toBe(asked);
    for (const { page, faults } of visitors) {
      await restoreButton(page).click();
      await comparison(page).waitFor();
      await page.reload();
      await comparison(page).waitFor();
      expect(faults).toEqual([]);
    }
  });

  test('an unhappy answer of the list leaves the page alive', async () => {
    const { page, faults } = await visit(bench);
    await restore(page);
    bench.proxy.fault(/^GET \/v1\/jobs\?/, NOT_READY);
    await button(page, 'New photo').click();
    await page.getByRole('button', { name: /^Open dog.jpg/ }).click();
    await comparison(page).waitFor();
    expect((await jobsOf(bench)).length).toBeGreaterThan(0);
    expect(faults).toEqual([]);
  });
});

const wrongClock = (days: number) => `(() => {
  const Real = Date;
  const now = () => Real.now() + ${days} * 86400000;
  globalThis.Date = class extends Real {
    constructor(...given) { given.length ? super(...given) : super(now()); }
    static now() { return now(); }
  };
})();`;
