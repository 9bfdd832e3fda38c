import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { expectAccessible } from '../support/accessibility.ts';
import { BROWSERS, type BrowserBench, picture, startBrowserBench, type TestBrowser } from '../support/browser.ts';
import { alert, button, choose, comparison, photo, restore, restoreButton, topUp, visit } from '../support/visitor.ts';

/** Every state of the page, for every eye. */

const WIDE = { width: 1280, height: 900 };
/** How the page is looked at: colors, width, size of the text in percent. */
const EYES = {
  light: { colorScheme: 'light', forcedColors: 'none', size: WIDE, text: 100 },
  dark: { colorScheme: 'dark', forcedColors: 'none', size: WIDE, text: 100 },
  contrast: { colorScheme: 'dark', forcedColors: 'active', size: WIDE, text: 100 },
  narrow: { colorScheme: 'light', forcedColors: 'none', size: { width: 320, height: 568 }, text: 100 },
  lying: { colorScheme: 'dark', forcedColors: 'none', size: { width: 568, height: 320 }, text: 100 },
  'large-text': { colorScheme: 'light', forcedColors: 'none', size: { width: 640, height: 900 }, text: 200 },
} as const;

/** By every eye. */
async function lookAll(browser: TestBrowser, page: Page, state: string): Promise<void> {
  for (const [eye, { colorScheme, forcedColors, size, text }] of Object.entries(EYES)) {
    await browser.setColors(page, { colorScheme, forcedColors });
    await page.setViewportSize(size);
    await page.evaluate(`document.documentElement.style.fontSize = '${text}%'`);
    const overflow = () => page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
    // The new size may still be on its way.
    await expect.poll(overflow, { message: `${state}, ${eye}` }).toBeLessThanOrEqual(0);
    await expectAccessible(page, { colorsOfSystem: forcedColors === 'active' });
    await picture(page, `${state}-${eye}`);
  }
  await browser.setColors(page, { colorScheme: 'light', forcedColors: 'none' });
  await page.setViewportSize(WIDE);
  await page.evaluate(`document.documentElement.style.fontSize = ''`);
}

describe.each(BROWSERS)('in %s', (browser) => {
  let bench: BrowserBench;
  beforeAll(async () => {
    bench = await startBrowserBench(browser, { PRICES: 'standard' });
    await topUp(bench, 10_000_000);
  });
  afterAll(() => bench?.close());
  afterEach(() => bench.proxy.mendAll());
  const look = (page: Page, state: string) => lookAll(bench.browser, page, state);

  describe('axe finds nothing, and nothing has to be scrolled sideways', () => {
    test('before the photo is sent', async () => {
      const page = await bench.open();
      await page.goto(bench.url);
      await page.getByLabel('API key').fill('sr_live_abc');
      await button(page, 'Continue').click();
      await alert(page).waitFor();
      await look(page, 'state-key');
      const { page: visitor } = await visit(bench);
      await look(visitor, 'state-choose');
      await choose(visitor);
      await visitor.getByText('More settings').click();
      await visitor.getByLabel('Take noise away').fill('7');
      await button(visitor, 'Try a part first, free').click();
      await look(visitor, 'state-settings');
    });

    test('while it is sent, and when that fails', async () => {
      const { page } = await visit(bench);
      await choose(page);
      let mend = bench.proxy.fault(/^PUT/, 'swallow');
      await restoreButton(page).click();
      await button(page, 'Sending…').waitFor();
      await look(page, 'state-sending');
      await button(page, 'Cancel').click();
      mend();
      mend = bench.proxy.fault(/^POST \/v1\/uploads/, 'refuse');
      await restoreButton(page).click();
      await alert(page).waitFor();
      await look(page, 'state-lost');
      mend();
    });

    test('of one result, with its question, and of several', async () => {
      const { page } = await visit(bench);
      await restore(page);
      await page.getByLabel('Show the additions').check();
      await page.getByText('How anybody can check it').click();
      await look(page, 'state-result');
      await button(page, 'New photo').click();
      await button(page, 'Erase dog.jpg').click();
      await page.getByRole('dialog').waitFor();
      await look(page, 'state-question');
      await button(page, 'Keep').click();
      await choose(page, [photo('a.jpg'), photo('b.jpg'), photo('letter.jpg', Buffer.from('Dear aunt'))]);
      await look(page, 'state-chosen');
      await restoreButton(page).click();
      await page.getByRole('heading', { name: '2 of 3 done' }).waitFor();
      await alert(page).waitFor();
      await look(page, 'state-several');
      await button(page, 'New photo').click();
      await page.getByText('1 photo was not sent.').waitFor();
      await look(page, 'state-not-sent');
    });

    test('of lost and of unknown orders', async () => {
      const { page } = await visit(bench);
      await page.goto('about:blank');
      await page.goto(`${bench.url}/#ord_aaaaaaaaaaaaaaaaaaaaaa`);
      await page.getByRole('heading', { name: 'The service does not know this order' }).waitFor();
      await look(page, 'state-unknown');
    });
  });

  test('how far it is can be seen in high contrast', async () => {
    const { page } = await visit(bench, { forcedColors: 'active' });
    await page.evaluate(
      `document.querySelector('main').insertAdjacentHTML('afterbegin', '<progress max="100" value="50"></progress>')`,
    );
    const box = (await page.locator('progress').boundingBox())!;
    const { data, info } = await sharp(await page.screenshot({ clip: box }))
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const at = (x: number) => {
      const from = (Math.floor(info.height / 2) * info.width + Math.round(x * info.width)) * 3;
      return [...data.subarray(from, from + 3)];
    };
    expect(Math.max(...at(0.25).map((value, index) => Math.abs(value - at(0.75)[index]!)))).toBeGreaterThan(40);
  });

  test('a phone that is turned in the middle loses nothing', async () => {
    const { page } = await visit(bench, { viewport: { width: 320, height: 568 }, hasTouch: true, isMobile: true });
    const turn = async () => {
      const { width, height } = page.viewportSize()!;
      await page.setViewportSize({ width: height, height: width });
    };
    await choose(page);
    await page.getByText('More settings').click();
    await page.getByLabel('Take noise away').fill('0.3');
    await button(page, 'Try a part first, free').click();
    await page.getByRole('slider', { name: 'the left' }).fill('0.3');
    await turn();
    expect(await page.getByLabel('Take noise away').inputValue()).toBe('0.3');
    expect(await page.getByRole('slider', { name: 'the left' }).inputValue()).toBe('0.3');
    await button(page, 'Restore').click();
    await comparison(page).waitFor();
    await button(page, 'Zoom in').click();
    const zoom = await page.locator('output').textContent();
    await page.getByRole('slider', { name: 'Divider' }).fill('20');
    await turn();
    expect(await page.locator('output').textContent()).toBe(zoom);
    expect(await page.getByRole('slider', { name: 'Divider' }).inputValue()).toBe('20');
    const frame = (await comparison(page).boundingBox())!;
    expect(frame.x + frame.width).toBeLessThanOrEqual(320);
  });
});
