import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { BROWSERS, type BrowserBench, startBrowserBench } from '../support/browser.ts';
import {
  addressOf,
  alert,
  anotherAccount,
  ask,
  asksBeforeLeaving,
  button,
  choose,
  comparison,
  enter,
  jobsBy,
  jobsOf,
  LEAST,
  photo,
  restore,
  restoreButton,
  topUp,
  visit,
} from '../support/visitor.ts';

/** Money and data: an order is paid once and shown, despite faults on the way, and to nobody else. */

const SUBMIT = /^POST \/v1\/jobs$/;

/** The database of the browser refuses everything. */
const NO_DATABASE = `Object.defineProperty(globalThis, 'indexedDB', { get() { throw new DOMException('blocked', 'SecurityError'); } });`;
const NO_STORAGE = `${NO_DATABASE}
  Object.defineProperty(globalThis, 'localStorage', { get() { throw new DOMException('blocked', 'SecurityError'); } });`;
const NO_ROOM = `IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); };`;

describe.each(BROWSERS)('in %s', (browser) => {
  let bench: BrowserBench;
  beforeAll(async () => {
    bench = await startBrowserBench(browser, { PRICES: 'standard' });
    await topUp(bench, 1000 * LEAST);
  });
  afterAll(() => bench?.close());
  afterEach(() => bench.proxy.mendAll());

  describe('an order whose answer is lost is one job, paid once, and shown', () => {
    test('when it is sent again', async () => {
      const { page, faults } = await visit(bench);
      const jobs = await jobsBy(bench, async () => {
        await choose(page);
        const mend = bench.proxy.fault(SUBMIT, 'lose');
        await restoreButton(page).click();
        expect(await alert(page).textContent()).toMatch(/Whether the order has arrived is not known/);
        expect(await alert(page).textContent()).not.toMatch(/Nothing was charged/);
        await restoreButton(page).click(); // before it goes on by itself
        mend();
        await comparison(page).waitFor();
      });
      expect(jobs.map(({ charge }) => charge)).toEqual([{ state: 'captured', amount: LEAST }]);
      expect(await addressOf(page)).toBe(jobs[0]!.id);
      expect(faults).toEqual([]);
    });

    test('when nobody does anything, or chooses another size first', async () => {
      for (const size of [undefined, '2']) {
        const { page } = await visit(bench);
        const jobs = await jobsBy(bench, async () => {
          await choose(page);
          const mend = bench.proxy.fault(SUBMIT, 'lose');
          await restoreButton(page).click();
          await alert(page).waitFor();
          if (size) await page.getByLabel('Size').selectOption(size);
          if (size) await restoreButton(page).click();
          mend();
          await comparison(page).waitFor();
        });
        expect(jobs).toHaveLength(1);
      }
    });

    test('of several, each', async () => {
      const { page } = await visit(bench);
      const jobs = await jobsBy(bench, async () => {
        await choose(page, [photo('a.jpg'), photo('b.jpg'), photo('c.jpg')]);
        const mend = bench.proxy.fault(SUBMIT, 'lose');
        await restoreButton(page).click();
        await expect.poll(() => alert(page).count()).toBeGreaterThan(1);
        mend();
        await page.getByRole('heading', { name: '3 of 3 done' }).waitFor();
      });
      expect(jobs).toHaveLength(3);
      await button(page, 'New photo').click();
      expect(await page.getByRole('button', { name: /^Open/ }).count()).toBe(3);
    });

    test.each([
      ['kept', ''],
      ['not kept, as site data are blocked', NO_DATABASE],
      ['not kept, as there is no room', NO_ROOM],
    ])('when the page is loaded again before it has heard; photos are %s', async (_what, before) => {
      const { page } = await visit(bench, { before });
      const jobs = await jobsBy(bench, async () => {
        await choose(page);
        const known = (await jobsOf(bench)).length;
        const mend = bench.proxy.fault(SUBMIT, 'hold');
        await restoreButton(page).click();
        await expect.poll(async () => (await jobsOf(bench)).length).toBe(known + 1);
        mend();
        await expect.poll(() => asksBeforeLeaving(page)).toBe(true);
        await page.reload();
        await comparison(page).waitFor();
      });
      expect(jobs).toHaveLength(1);
      await button(page, 'New photo').click();
      await page.getByRole('button', { name: 'Open dog.jpg' }).waitFor();
    });

    test('pressed twice', async () => {
      const { page } = await visit(bench);
      const jobs = await jobsBy(bench, async () => {
        await choose(page);
        await restoreButton(page).dblclick();
        await comparison(page).waitFor();
      });
      expect(jobs).toHaveLength(1);
    });

    test('that never arrived is ordered again by itself, and told as not ordered until then', async () => {
      const { page } = await visit(bench);
      const jobs = await jobsBy(bench, async () => {
        await choose(page);
        const mend = bench.proxy.fault(/^POST \/v1\/uploads/, 'refuse');
        await restoreButton(page).click();
        expect(await alert(page).textContent()).toMatch(/cannot be reached.*Nothing was ordered yet/);
        mend();
        await page.evaluate(`dispatchEvent(new Event('online'))`);
        await comparison(page).waitFor();
      });
      expect(jobs).toHaveLength(1);
    });

    test('and stopped while nothing is known: its job is canceled, or shown', async () => {
      const { page } = await visit(bench);
      const jobs = await jobsBy(bench, async () => {
        await choose(page);
        bench.proxy.fault(SUBMIT, 'lose');
        await restoreButton(page).click();
        await alert(page).waitFor();
        await button(page, 'Cancel').click();
        await page.getByRole('button', { name: 'Other settings' }).waitFor();
      });
      expect(jobs).toHaveLength(1);
      expect(await addressOf(page)).toBe(jobs[0]!.id);
    });
  });

  describe('data that a browser keeps belong to an account', () => {
    test('the next customer sees nothing of the one before: not after Forget key, another key, a revoked key', async () => {
      const other = await anotherAccount(bench, 'next');
      const { page } = await visit(bench);
      await restore(page, photo('passport.jpg'));
      await button(page, 'New photo').click();
      await page.getByRole('button', { name: 'Open passport.jpg' }).waitFor();

      await enter(bench, page, other);
      expect(await page.locator('body').textContent()).not.toContain('passport');
      // Another key of the same account sees its own data.
      const body = JSON.stringify({ name: 'second' });
      const headers = { 'Content-Type': 'application/json' };
      const second = await ask<{ id: string; key: string }>(bench, '/v1/keys', { method: 'POST', body, headers });
      await enter(bench, page, second.key);
      await page.getByRole('button', { name: 'Open passport.jpg' }).click();
      await comparison(page).waitFor();

      // A page that is open may hear of it, and its words would be gone when it is loaded again.
      const address = page.url();
      await page.goto('about:blank');
      await ask(bench, `/v1/keys/${second.id}`, { method: 'DELETE' });
      await page.goto(address);
      await page.getByText('This key is not valid').waitFor();
      expect(await page.locator('body').textContent()).not.toContain('passport');
      await page.getByLabel('API key').fill(other);
      await button(page, 'Continue').click();
      await page.getByText('The service does not know this job').waitFor();
      expect(await page.locator('body').textContent()).not.toContain('passport');

      await enter(bench, page, bench.key);
      await page.getByRole('button', { name: 'Open passport.jpg' }).waitFor();
      await button(page, 'Forget key').click();
      await page.getByLabel('API key').fill(bench.key);
      await button(page, 'Continue').click();
      await page.getByText('Choose photos').waitFor();
      expect(await page.locator('body').textContent()).not.toContain('passport');
    });

    test('in every window of the browser at once', async () => {
      const { page } = await visit(bench);
      await restore(page, photo('secret.jpg'));
      const second = await page.context().newPage();
      await second.goto(bench.url);
      await second.getByRole('button', { name: 'Open secret.jpg' }).waitFor();
      await second.getByRole('button', { name: 'Forget key' }).click();
      await page.getByLabel('API key').waitFor();
      expect(await page.locator('body').textContent()).not.toContain('secret');
    });
  });

  describe('a result that was paid is found', () => {
    test.each([
      ['where there is no room', NO_ROOM, /no room left/],
      ['where nothing is kept', NO_STORAGE, /keeps nothing/],
    ])('%s, and that is told before', async (_where, before, told) => {
      const { page, faults } = await visit(bench, { before });
      await choose(page);
      await page.getByText(told).waitFor();
      await restoreButton(page).click();
      await comparison(page).waitFor();
      const address = await addressOf(page);
      await page.reload();
      if (before === NO_STORAGE) {
        await page.getByLabel('API key').fill(bench.key);
        await button(page, 'Continue').click();
      }
      await comparison(page).waitFor();
      await page.getByAltText('Before').waitFor();
      expect(await addressOf(page)).toBe(address);
      await page.getByRole('heading', { name: 'dog.jpg' }).waitFor();
      expect(faults).toEqual([]);
    });

    test('in another browser, with its photo and name; one and several; its settings too', async () => {
      const { page } = await visit(bench);
      await choose(page, [photo('one.jpg'), photo('two.jpg')]);
      await restoreButton(page).click();
      await page.getByRole('heading', { name: '2 of 2 done' }).waitFor();
      const address = await addressOf(page);

      const { page: elsewhere } = await visit(bench);
      await elsewhere.goto(`${bench.url}/#${address}`);
      await elsewhere.getByRole('heading', { name: '2 of 2 done' }).waitFor();
      await elsewhere.getByRole('button', { name: 'Open two.jpg' }).click();
      await comparison(elsewhere).waitFor();
      await elsewhere.getByAltText('Before').waitFor();
      await button(elsewhere, 'Other settings').click();
      expect(await elsewhere.getByRole('slider', { name: 'Fidelity' }).inputValue()).toBe('1');
    });
  });
});
