import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { BROWSERS, type BrowserBench, startBrowserBench } from '../support/browser.ts';
import {
  addressOf,
  alert,
  button,
  choose,
  comparison,
  photo,
  restore,
  restoreButton,
  visit,
} from '../support/visitor.ts';

/** The whole way with keys and a screen reader, and with the keys for back and forward. */

/** The focused element, in words. */
const FOCUSED = `(() => {
  const one = document.activeElement;
  if (!one || one === document.body) return 'nothing';
  const label = one.getAttribute('aria-label') ?? (one.labels?.[0] ?? one).textContent;
  return one.localName + ' ' + label.trim().replace(/\\s+/g, ' ').slice(0, 60);
})()`;

/** Before the page: the words of live regions, in turn. */
const LISTEN = `addEventListener('DOMContentLoaded', () => {
  globalThis.heard = [];
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      const region = (target.nodeType === 3 ? target.parentElement : target)?.closest?.('[role=status],[role=alert]');
      const words = region?.textContent.trim();
      if (words && heard.at(-1) !== words) heard.push(words);
    }
  }).observe(document.documentElement, { subtree: true, childList: true, characterData: true });
})`;

const focused = (page: Page) => page.evaluate<string>(FOCUSED);
const focusIs = (page: Page, words: string | RegExp) => expect.poll(() => focused(page)).toMatch(words);

/**
 * With Tab alone, as long as it takes. Not beyond the end of the page, where Firefox has buttons of its own: its window then
 * has the focus, while the driver sends keys to the page all the same. They do all there but click.
 */
async function tabTo(page: Page, words: RegExp, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
  for (let count = 0; count < 40; count++) {
    if (words.test(await focused(page))) return;
    await page.evaluate('globalThis.before = document.activeElement, 0');
    await page.keyboard.press(key);
    // The key may still be on its way; another press then goes past the wanted element.
    await page.waitForFunction('document.activeElement !== before');
    if (!(await page.evaluate('document.hasFocus()'))) throw new Error(`Tab leaves the page before ${words}.`);
  }
  throw new Error(`Tab never leads to ${words}.`);
}

describe.each(BROWSERS)('in %s', (browser) => {
  let bench: BrowserBench;
  beforeAll(async () => {
    bench = await startBrowserBench(browser);
  });
  afterAll(() => bench?.close());
  afterEach(() => bench.proxy.mendAll());

  test('the whole way, with the focus named at each step, and the end heard and seen in the title', async () => {
    const page = await bench.open();
    await page.addInitScript(LISTEN);
    await page.goto(bench.url);
    await tabTo(page, /^input API key/);
    await page.keyboard.type(bench.key);
    await page.keyboard.press('Enter');
    await page.getByText('Choose photos').waitFor();
    await tabTo(page, /^input .*Choose photos/);
    await page.locator('input[type=file]').setInputFiles(photo()); // the window of the system
    await focusIs(page, /^h1 Restore/);
    await tabTo(page, /^button Try a part first/);
    await page.keyboard.press('Enter');
    await focusIs(page, /^button Restore this part/);
    await tabTo(page, /^button Close/);
    await page.keyboard.press('Enter');
    await focusIs(page, /^button Try a part first/);
    await page.getByLabel('Method').waitFor(); // the settings come from the service; before, Tab finds none
    await tabTo(page, /^select Method/);
    await page.getByLabel('Method').selectOption('real-esrgan-fast'); // as arrow keys do, in each browser's own way
    await tabTo(page, /^input Fidelity/);
    await page.keyboard.press('End');
    await expect.poll(() => page.getByRole('slider', { name: 'Fidelity' }).inputValue()).toBe('1');
    await page.getByText(/^Free, about/).waitFor();
    await tabTo(page, /^button Restore/);
    // It orders at a price that is known; that of the choice before is shown until then.
    await expect.poll(() => restoreButton(page).getAttribute('aria-disabled')).toBe('false');
    await page.keyboard.press('Enter');
    await comparison(page).waitFor();
    await focusIs(page, /^h1 dog\.jpg/);
    await expect.poll(() => page.title()).toBe('Done – SeeSR Cloud');
    await expect.poll(() => page.evaluate<string>('heard.at(-1)')).toBe('Done. dog.jpg is restored.');
    await tabTo(page, /^div Comparison/);
    await page.keyboard.press('+');
    await tabTo(page, /^input Divider/);
    await page.keyboard.press('Home');
    await tabTo(page, /^a Download/);
    await tabTo(page, /^button New photo/, 'Shift+Tab');
    await page.keyboard.press('Enter');
    await focusIs(page, /^h1 Your photo/);
    await tabTo(page, /^button Erase dog\.jpg/);
    await page.keyboard.press('Enter');
    await focusIs(page, /^button Keep/);
    await page.keyboard.press('Escape');
    await focusIs(page, /^button Erase dog\.jpg/);
    // However quickly: none of these is swallowed.
    for (const key of ['Enter', 'Escape', 'Enter', 'Enter', 'Enter']) await page.keyboard.press(key);
    await focusIs(page, /^button Keep/);
    await tabTo(page, /^button Erase$/);
    await page.keyboard.press('Enter');
    await page.locator('dialog').waitFor({ state: 'detached' }); // a closed one has no role
    await expect.poll(() => focused(page)).not.toBe('nothing');
    await expect.poll(() => page.evaluate<string[]>('heard')).toContain('dog.jpg is erased.');
  });

  test('the focused element goes away: the heading above it gets the focus', async () => {
    const { page } = await visit(bench);
    const mend = bench.proxy.fault(/\/output\?/, 'refuse');
    await choose(page);
    await restoreButton(page).click();
    await button(page, 'Try again').focus();
    mend();
    await page.keyboard.press('Enter');
    await comparison(page).waitFor();
    await focusIs(page, /^h1 dog\.jpg/);

    await button(page, 'New photo').click();
    await choose(page, [photo('a.jpg'), photo('b.jpg'), photo('c.jpg')]);
    await button(page, 'Leave out b.jpg').focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => focused(page)).not.toBe('nothing');
    await restoreButton(page).click();
    await page.getByRole('heading', { name: '2 of 2 done' }).waitFor();
    await expect.poll(() => page.title()).toBe('Done – SeeSR Cloud');
    await page.getByRole('status').getByText('Done. 2 of 2 done.').waitFor({ state: 'attached' });
    await expect.poll(() => focused(page)).not.toBe('nothing');
  });

  test('Back is one screen back, forward too, also after a reload', async () => {
    const { page } = await visit(bench);
    await restore(page);
    const address = await addressOf(page);
    await page.reload();
    await comparison(page).waitFor();
    await page.evaluate('history.back()');
    await page.getByRole('heading', { name: 'Restore' }).waitFor();
    await focusIs(page, /^h1 Restore/);
    expect(await page.getByRole('slider', { name: 'Fidelity' }).inputValue()).toBe('1');
    await page.getByText('dog.jpg, 144 × 144').waitFor();
    await page.evaluate('history.back()');
    await page.getByText('Choose photos').waitFor();
    await page.evaluate('history.forward()');
    await page.getByRole('heading', { name: 'Restore' }).waitFor();
    await page.evaluate('history.forward()');
    await comparison(page).waitFor();
    expect(await addressOf(page)).toBe(address);

    await button(page, 'Other settings').click();
    await page.getByLabel('Size').selectOption('2');
    await page.reload();
    await expect.poll(() => page.getByLabel('Size').inputValue()).toBe('2'); // nothing of it is lost
    await page.evaluate('history.back()');
    await comparison(page).waitFor();
  });

  test('of several: one is opened, Back leads to all', async () => {
    const { page } = await visit(bench);
    await choose(page, [photo('a.jpg'), photo('b.jpg')]);
    await restoreButton(page).click();
    await page.getByRole('heading', { name: '2 of 2 done' }).waitFor();
    await button(page, 'Open b.jpg').click();
    await comparison(page).waitFor();
    await page.evaluate('history.back()');
    await page.getByRole('heading', { name: '2 of 2 done' }).waitFor();
    await page.evaluate('history.forward()');
    await comparison(page).waitFor();
    await page.reload();
    await comparison(page).waitFor();
    await button(page, 'All photos').click();
    await page.getByRole('heading', { name: '2 of 2 done' }).waitFor();
  });

  test('a photo that is dropped or pasted is taken on every screen, and never the browser’s', async () => {
    const { page, faults } = await visit(bench);
    const give = (kind: 'drop' | 'paste', name: string) => page.evaluate<boolean>(giveFile(kind, name));
    expect(await give('drop', 'first.jpg')).toBe(true);
    await page.getByText('first.jpg').first().waitFor();
    expect(await give('drop', 'second.jpg')).toBe(true);
    await page.getByRole('heading', { name: 'Restore 2 photos' }).waitFor();
    await give('paste', 'third.jpg');
    await page.getByRole('heading', { name: 'Restore 3 photos' }).waitFor();
    await page.getByLabel('Method').selectOption('real-esrgan-fast');
    await page.getByRole('slider', { name: 'Fidelity' }).fill('1');
    await restoreButton(page).click();
    await page.getByRole('heading', { name: '3 of 3 done' }).waitFor();
    await give('drop', 'fourth.jpg');
    await page.getByText('fourth.jpg').first().waitFor();
    await page.evaluate('history.back()');
    await page.getByRole('heading', { name: '3 of 3 done' }).waitFor();

    // Before there is a key it waits for one; beside the page it is kept off.
    await button(page, 'Forget key').click();
    await page.getByLabel('API key').waitFor();
    expect(await give('drop', 'early.jpg')).toBe(true);
    await page.getByLabel('API key').fill(bench.key);
    await button(page, 'Continue').click();
    await page.getByText('early.jpg').first().waitFor();
    await page.goto(`${bench.url}/docs`);
    await page.locator('article').first().waitFor();
    expect(await give('drop', 'docs.jpg')).toBe(true);
    expect(faults).toEqual([]);
  });

  test('more photos than are taken at once: the first, with a word', async () => {
    const { page } = await visit(bench);
    await page
      .locator('input[type=file]')
      .setInputFiles(Array.from({ length: 23 }, (_, index) => photo(`${index}.jpg`)));
    await page.getByRole('heading', { name: 'Restore 20 photos' }).waitFor();
    await page.getByText('20 photos are the most at once: 3 were left out.').waitFor();
    expect(await alert(page).count()).toBe(0);
  });
});

/** True: the browser was kept from it. */
const giveFile = (kind: 'drop' | 'paste', name: string) => `(async () => {
  const bytes = Uint8Array.from(atob('${photo().buffer.toString('base64')}'), (c) => c.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], '${name}', { type: 'image/jpeg' }));
  const init = { bubbles: true, cancelable: true };
  if ('${kind}' === 'paste') {
    const event = new ClipboardEvent('paste', { ...init, clipboardData: data });
    if (!event.clipboardData?.files.length) Object.defineProperty(event, 'clipboardData', { value: data });
    return !document.body.dispatchEvent(event);
  }
  const over = new DragEvent('dragover', { ...init, dataTransfer: data });
  const drop = new DragEvent('drop', { ...init, dataTransfer: data });
  return !document.body.dispatchEvent(over) && !document.body.dispatchEvent(drop);
})()`;
