import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { BROWSERS, type BrowserBench, startBrowserBench } from '../support/browser.ts';
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
  LEAST,
  photo,
  pick,
  restore,
  restoreButton,
  topUp,
  visit,
} from '../support/visitor.ts';

/** Words about money agree with the ledger; erasing asks first; uploads are seen. */

/** Takes minutes by the slow method, which runs over several tiles: nothing of it ends before it is canceled. */
const slow = async () => photo('slow.jpg', await sharp(photo().buffer).resize(1000, 1000).jpeg().toBuffer());
const balanceOf = async (bench: BrowserBench) => (await ask<{ balance: number }>(bench, '/v1/balance')).balance;

describe.each(BROWSERS)('in %s', (browser) => {
  let bench: BrowserBench;
  beforeAll(async () => {
    bench = await startBrowserBench(browser, { PRICES: 'standard' });
    await topUp(bench, 1000 * LEAST);
  });
  afterAll(() => bench?.close());
  afterEach(() => bench.proxy.mendAll());

  test('the button names the price, and paid work is said to be paid, with any result', async () => {
    const { page } = await visit(bench);
    await choose(page);
    await expect.poll(() => restoreButton(page).textContent()).toBe('Restore for 0.001 credits');
    // Heard as the description; `Restore` is its name.
    const described = await restoreButton(page).getAttribute('aria-describedby');
    expect(await page.locator(`#${described}`).textContent()).toContain('0.001 credits, about');
    await restoreButton(page).click();
    await page.getByText('Paid 0.001 credits').first().waitFor();
    const id = await addressOf(page);

    // The result cannot be fetched now; then its time is over; then the job itself is gone.
    const mend = bench.proxy.fault(/\/output\?/, { status: 410, type: 'application/problem+json', body: PROBLEM });
    await page.reload();
    await alert(page).waitFor();
    expect(await alert(page).textContent()).toMatch(/no longer keeps.*Paid 0.001 credits/);
    mend();
    await ask(bench, `/v1/jobs/${id}`, { method: 'DELETE' });
    await page.reload();
    await alert(page).getByText('no longer keeps').waitFor();
    expect(await page.locator('main').textContent()).not.toContain('Nothing was charged');
  });

  test('a canceled job costs nothing, one that waits has its price set aside', async () => {
    const { page } = await visit(bench);
    const before = await balanceOf(bench);
    await pick(page, await slow(), 'real-esrgan');
    await restoreButton(page).click();
    await page.getByText(/are set aside, and paid only when it succeeds/).waitFor();
    await button(page, 'Cancel').click();
    await page.getByText('Canceled. Nothing was charged.').waitFor();
    expect(await balanceOf(bench)).toBe(before);
  });

  test('a quote that does not hold any more is renewed, and nothing is charged', async () => {
    const { page } = await visit(bench);
    await choose(page);
    const quotes = () => bench.proxy.requests.filter((line) => line === 'POST /v1/quotes').length;
    const [asked, known] = [quotes(), (await jobsOf(bench)).length];
    const refusal = {
      type: 'about:blank',
      title: 'Old',
      status: 422,
      detail: 'The quote is over.',
      code: 'quote-invalid',
    };
    const body = JSON.stringify({ ...refusal, retryable: false, charged: false });
    const mend = bench.proxy.fault(/^POST \/v1\/jobs$/, { status: 422, type: 'application/problem+json', body });
    await restoreButton(page).click();
    await alert(page).getByText('The price has changed meanwhile').waitFor();
    expect(await alert(page).textContent()).toContain('Nothing was charged');
    await expect.poll(quotes).toBeGreaterThan(asked);
    mend();
    await restoreButton(page).click();
    await comparison(page).waitFor();
    expect((await jobsOf(bench)).length).toBe(known + 1);
  });

  test('a translated page shows the price of today, and goes on to the result', async () => {
    const { page, faults } = await visit(bench);
    await pick(page, await slow(), 'real-esrgan');
    await page.getByText(/credits, about/).waitFor();
    await page.evaluate(TRANSLATE);
    const old = await page.locator('.price').innerText();
    await page.locator('#model').selectOption('real-esrgan-fast');
    await expect.poll(() => page.locator('.price').innerText()).toMatch(/credits, about/);
    await expect.poll(() => page.locator('.price').innerText()).not.toBe(old);
    await page.evaluate(TRANSLATE);
    await page.locator('#fidelity').fill('1');
    await restoreButton(page).click();
    await page.locator('progress').or(comparison(page)).first().waitFor(); // it may be quicker than one can look
    await page.evaluate(TRANSLATE);
    await comparison(page).waitFor();
    await page.evaluate(TRANSLATE);
    await button(page, 'New photo').click();
    await page.getByRole('button', { name: 'Open slow.jpg' }).waitFor();
    expect(faults).toEqual([]);
  });

  describe('erasing a photo', () => {
    test('asks first; a running job is canceled before', async () => {
      const { page } = await visit(bench);
      const before = await balanceOf(bench);
      const [job] = await jobsBy(bench, async () => {
        await pick(page, await slow(), 'real-esrgan');
        await restoreButton(page).click();
        await expect.poll(async () => (await jobsOf(bench))[0]?.status).toBe('running');
        await button(page, 'New photo').click();
        await button(page, 'Erase slow.jpg').click();
        await page.getByRole('dialog').getByText('canceled first').waitFor();
        await page.keyboard.press('Escape');
        await page.getByRole('button', { name: 'Open slow.jpg' }).waitFor();
        await button(page, 'Erase slow.jpg').click();
      });
      await page.getByRole('dialog').getByRole('button', { name: 'Erase' }).click();
      await page.getByRole('heading', { name: 'Earlier photos' }).waitFor({ state: 'detached' });
      const response = await fetch(`${bench.service.url}/v1/jobs/${job!.id}`, { headers: { 'X-Api-Key': bench.key } });
      expect(response.status).toBe(410);
      expect(await balanceOf(bench)).toBe(before);
    });

    test('keeps it on failure, with the reason; a payment meanwhile is told', async () => {
      const { page } = await visit(bench);
      await restore(page);
      await button(page, 'New photo').click();
      const mend = bench.proxy.fault(/^DELETE/, 'refuse');
      await button(page, 'Erase dog.jpg').click();
      const dialog = page.getByRole('dialog');
      // As long as it is not known, the question stays.
      const gate = Promise.withResolvers<void>();
      await page.route('**/v1/jobs/*', async (route) => {
        await gate.promise;
        await route.fallback();
      });
      await dialog.getByRole('button', { name: 'Erase' }).click();
      for (const key of ['Escape', 'Escape', 'Escape']) await page.keyboard.press(key);
      expect(await dialog.getByRole('button', { name: 'Keep' }).getAttribute('aria-disabled')).toBe('true');
      gate.resolve();
      await dialog.getByText('cannot be reached').waitFor();
      await dialog.getByRole('button', { name: 'Keep' }).click();
      await page.getByRole('button', { name: 'Open dog.jpg' }).waitFor();
      mend();
      await button(page, 'Erase dog.jpg').click();
      await dialog.getByRole('button', { name: 'Erase' }).click();
      await page.getByRole('button', { name: 'Open dog.jpg' }).waitFor({ state: 'detached' });
    });
  });

  describe('an upload', () => {
    test('goes on in sight of every screen, asks before it is left, and tells of refusals', async () => {
      const { page } = await visit(bench);
      const letter = photo('letter.jpg', Buffer.from('Dear aunt'));
      await choose(page, [photo('a.jpg'), photo('b.jpg'), letter, photo('c.jpg')]);
      const mend = bench.proxy.fault(/^PUT/, 'swallow');
      await restoreButton(page).click();
      await page.getByRole('heading', { name: '0 of 4 done' }).waitFor();
      await button(page, 'New photo').click();
      await page.getByText('4 photos are still being sent.').waitFor();
      expect(await page.getByRole('button', { name: /^Open/ }).count()).toBe(4);
      await expect.poll(() => asksBeforeLeaving(page)).toBe(true);
      await button(page, 'Forget key').click();
      await page.getByRole('dialog').getByRole('button', { name: 'Go on sending' }).click();
      await button(page, 'Show').click();
      mend();
      await button(page, 'Cancel a.jpg').click();
      await button(page, 'Cancel b.jpg').click();
      await button(page, 'New photo').click();
      await page.getByText('1 photo was not sent.').waitFor();
      await expect.poll(() => asksBeforeLeaving(page)).toBe(false);
      await button(page, 'Show').click();
      expect(await page.locator('main').textContent()).toMatch(/not supported.*Nothing was charged/);
      expect((await jobsOf(bench))[0]).toMatchObject({ client_reference: 'c.jpg' });
    });
  });
});

const PROBLEM = JSON.stringify({
  type: 'about:blank',
  title: 'Gone',
  status: 410,
  detail: 'The output was kept until yesterday.',
  code: 'gone',
  retryable: false,
  charged: false,
});

/** As the translators of browsers do: each text goes into elements of their own. */
const TRANSLATE = `(() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  for (const text of texts) {
    const parent = text.parentElement;
    if (!text.data.trim() || ['SCRIPT', 'STYLE', 'OPTION', 'NOSCRIPT'].includes(parent.tagName) || parent.closest('font')) continue;
    const [outer, inner] = [document.createElement('font'), document.createElement('font')];
    inner.textContent = text.data;
    outer.append(inner);
    text.replaceWith(outer);
  }
})()`;
