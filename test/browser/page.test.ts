import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BROWSERS, type BrowserBench, faultsOf, startBrowserBench } from '../support/browser.ts';
import {
  alert,
  button,
  comparison,
  enter,
  look,
  PHONE,
  photo,
  pick,
  restoreButton,
  visit,
} from '../support/visitor.ts';

/** The steps of a person on the page, against the whole product. */

describe.each(BROWSERS)('in %s', (browser) => {
  let bench: BrowserBench;
  beforeAll(async () => {
    bench = await startBrowserBench(browser);
  });
  afterAll(() => bench?.close());

  test('asks for a key, says why it refuses one, and keeps the right one', async () => {
    const page = await bench.open();
    const faults = faultsOf(page);
    await page.goto(bench.url);
    await look(page, 'key');
    await page.getByLabel('API key').fill('sr_live_wrong');
    await button(page, 'Continue').click();
    await alert(page).getByText('checksum').waitFor();
    await look(page, 'key-refused');
    await page.getByLabel('API key').fill(bench.key);
    await button(page, 'Continue').click();
    await page.getByText('Choose photos').waitFor();
    await page.reload();
    await page.getByText('Choose photos').waitFor();
    await button(page, 'Forget key').click();
    await page.getByLabel('API key').waitFor();
    expect(faults).toEqual([]);
  });

  describe.each([
    { name: 'desktop', options: {} },
    { name: 'desktop-dark', options: { colorScheme: 'dark' } },
    { name: 'phone', options: PHONE },
    { name: 'phone-dark', options: { ...PHONE, colorScheme: 'dark' } },
  ] as const)('at $name', ({ name, options }) => {
    test('from the photo to the result, and back to it after a reload', async () => {
      const { page, faults } = await visit(bench, options);
      expect(page.url()).not.toContain('key');
      await look(page, `${name}-choose`);
      await pick(page);
      await page.getByText(/^Free, about/).waitFor();
      await look(page, `${name}-prepare`);
      await restoreButton(page).click();
      await comparison(page).waitFor();
      const width = await page
        .getByAltText('After')
        .evaluate((image) => (image as { naturalWidth?: number }).naturalWidth);
      expect(width).toBe(576);
      await look(page, `${name}-result`);
      await page.reload();
      await comparison(page).waitFor();
      await button(page, 'New photo').click();
      await page.getByRole('button', { name: 'Open dog.jpg' }).waitFor();
      await look(page, `${name}-album`);
      await page.getByRole('button', { name: 'Open dog.jpg' }).click();
      await comparison(page).waitFor();
      expect(faults).toEqual([]);
    });
  });

  test('a running job is canceled, and costs nothing', async () => {
    const { page, faults } = await visit(bench);
    const large = await sharp(photo().buffer).resize(1000, 1000).jpeg().toBuffer();
    await pick(page, photo('large.jpg', large), 'real-esrgan');
    await restoreButton(page).click();
    await page.getByText(/tile \d+ of/).waitFor();
    for (const colorScheme of ['dark', 'light'] as const) {
      await bench.browser.setColors(page, { colorScheme, forcedColors: 'none' });
      await look(page, `running-${colorScheme}`);
    }
    await button(page, 'Cancel').click();
    await page.getByText('Canceled. Nothing was charged.').waitFor();
    await look(page, 'canceled');
    await button(page, 'Other settings').click();
    expect(await page.getByLabel('Method').inputValue()).toBe('real-esrgan');
    expect(faults).toEqual([]);
  });

  test('a file that is no photo, a size that is too large, a service that is gone: all in words', async () => {
    const { page, faults } = await visit(bench);
    await pick(page, photo('letter.jpg', Buffer.from('Dear aunt')));
    await page.getByText('This browser cannot show the file').waitFor();
    await restoreButton(page).click();
    expect(await alert(page).textContent()).toMatch(/not supported.*Nothing was charged/);
    await look(page, 'not-a-photo');

    await button(page, 'Back').click();
    const wide = await sharp({ create: { width: 10_000, height: 2_000, channels: 3, background: '#888' } })
      .jpeg()
      .toBuffer();
    await pick(page, photo('wide.jpg', wide));
    await alert(page).getByText('268435456').waitFor();
    await look(page, 'too-large');

    await button(page, 'Back').click();
    await pick(page);
    await page.route('**/v1/uploads', (route) => route.abort());
    await restoreButton(page).click();
    await alert(page).getByText('cannot be reached').waitFor();
    await page.unroute('**/v1/uploads');
    await restoreButton(page).click();
    await comparison(page).waitFor();
    expect(faults).toEqual([]);
  });

  test('a photo is dropped or pasted as well', async () => {
    const { page, faults } = await visit(bench);
    const bytes = photo().buffer.toString('base64');
    for (const kind of ['drop', 'paste']) {
      await enter(bench, page, bench.key);
      await page.evaluate(`(() => {
      const blob = new Blob([Uint8Array.from(atob('${bytes}'), (c) => c.charCodeAt(0))]);
      const data = new DataTransfer();
      data.items.add(new File([blob], '${kind}.jpg', { type: 'image/jpeg' }));
      const event = '${kind}' === 'drop'
        ? new DragEvent('drop', { dataTransfer: data, bubbles: true })
        : new ClipboardEvent('paste', { clipboardData: data, bubbles: true });
      // Firefox keeps a copy of it without files.
      if ('${kind}' === 'paste' && !event.clipboardData.files.length) Object.defineProperty(event, 'clipboardData', { value: data });
      document.body.dispatchEvent(event);
    })()`);
      await page.getByText(`${kind}.jpg, 144 × 144`).waitFor();
    }
    expect(faults).toEqual([]);
  });

  test('a folder that is dropped is taken apart: its pictures, in their order, and nothing else', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'seesr-folder-'));
    await mkdir(join(folder, 'album/inner'), { recursive: true });
    const bytes = photo().buffer;
    for (const name of ['10.jpg', '9.JPG', 'inner/a.jpeg', '.hidden.jpg', 'notes.txt', 'Thumbs.db']) {
      await writeFile(join(folder, 'album', name), bytes);
    }
    await writeFile(join(folder, 'beside.jpg'), bytes);
    const { page, faults } = await visit(bench);
    await bench.browser.drop(page, [join(folder, 'album'), join(folder, 'beside.jpg')]);
    await page.getByRole('heading', { name: 'Restore 4 photos' }).waitFor();
    const names = await page.getByRole('list', { name: 'Photos' }).getByRole('listitem').allTextContents();
    expect(names.map((text) => /[\w.]+\.jpe?g/i.exec(text)?.[0])).toEqual(['9.JPG', '10.jpg', 'a.jpeg', 'beside.jpg']);
    await rm(folder, { recursive: true });
    expect(faults).toEqual([]);
  });

  test('a photo is erased, here and at the service', async () => {
    const { page, faults } = await visit(bench);
    await pick(page);
    await restoreButton(page).click();
    await comparison(page).waitFor();
    const id = new URL(page.url()).hash.slice(1);
    await button(page, 'New photo').click();
    await page.getByRole('button', { name: 'Erase dog.jpg' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Keep' }).click();
    await page.getByRole('button', { name: 'Erase dog.jpg' }).click();
    await look(page, 'erase');
    await page.getByRole('dialog').getByRole('button', { name: 'Erase' }).click();
    await page.getByRole('heading', { name: 'Earlier photos' }).waitFor({ state: 'detached' });
    const headers = { Authorization: `Bearer ${bench.key}` };
    await expect.poll(async () => (await fetch(`${bench.service.url}/v1/jobs/${id}`, { headers })).status).toBe(410);
    expect(faults).toEqual([]);
  });
});
