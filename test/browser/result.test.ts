import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BROWSERS, type BrowserBench, picture, startBrowserBench } from '../support/browser.ts';
import { button, comparison, look, photo, pick, restoreButton, visit } from '../support/visitor.ts';

/** A result is looked at, understood and taken home. */

describe.each(BROWSERS)('in %s', (browser) => {
  let bench: BrowserBench;
  beforeAll(async () => {
    bench = await startBrowserBench(browser);
  });
  afterAll(() => bench?.close());

  const downloaded = (page: Page) =>
    bench.browser.downloadBy(page, () => page.getByRole('link', { name: 'Download' }).click());

  test('the slider and the zoom work by keyboard and by pointer, both pictures as one', async () => {
    const { page, faults } = await visit(bench);
    await pick(page);
    await restoreButton(page).click();
    await comparison(page).waitFor();

    const slider = page.getByRole('slider', { name: /Divider/ });
    await slider.focus();
    await page.keyboard.press('Home');
    expect(await slider.getAttribute('aria-valuetext')).toBe('0 % before, 100 % after');
    await page.keyboard.press('End');
    expect(await slider.inputValue()).toBe('100');
    const frame = (await comparison(page).boundingBox())!;
    await page.mouse.move(frame.x + frame.width - 3, frame.y + frame.height / 2);
    await page.mouse.down();
    await page.mouse.move(frame.x + frame.width * 0.3, frame.y + frame.height / 2, { steps: 4 });
    await page.mouse.up();
    expect(Number(await slider.inputValue())).toBeCloseTo(30, -0.5);

    const transforms = () =>
      comparison(page).evaluate((element) =>
        Array.from(
          (
            element as unknown as { querySelectorAll(query: string): { style: { transform: string } }[] }
          ).querySelectorAll('img'),
          ({ style }) => style.transform,
        ),
      );
    // All of it before the next frame is drawn.
    await comparison(page).evaluate((element) => {
      const frame = element as unknown as { dispatchEvent(event: unknown): void };
      const { KeyboardEvent } = globalThis as unknown as { KeyboardEvent: new (type: string, init: object) => unknown };
      for (const key of ['+', '+', 'ArrowRight']) {
        frame.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
      }
    });
    await expect.poll(async () => (await transforms())[0]).toBe('translate(-72.5%, -62.5%) scale(2.25)');
    const [before, after] = await transforms();
    expect(after).toBe(before);
    await picture(page, 'zoomed');
    await button(page, 'Whole picture').click();
    await expect.poll(async () => (await transforms())[0]).toBe('translate(0%, 0%) scale(1)');
    expect(faults).toEqual([]);
  });

  test('the added detail is told, and shown over the result', async () => {
    const { page, faults } = await visit(bench);
    await pick(page);
    await page.getByRole('slider', { name: 'Fidelity' }).fill('0.4');
    await page.getByText(/^Free, about/).waitFor();
    await look(page, 'dial');
    await restoreButton(page).click();
    await page.getByRole('heading', { name: 'How true is it?' }).waitFor();
    await page.getByLabel('Show the additions').check();
    await page.getByAltText('Where detail was added').waitFor();
    await look(page, 'what-was-added');
    const id = new URL(page.url()).hash.slice(1);
    const response = await fetch(`${bench.service.url}/v1/jobs/${id}`, { headers: { 'X-Api-Key': bench.key } });
    expect(await response.json()).toMatchObject({ parameters: { fidelity: 0.4 } });
    expect(faults).toEqual([]);
  });

  test('the result is downloaded under a good name', async () => {
    const { page, faults } = await visit(bench);
    await pick(page);
    await page.getByLabel('Size').selectOption('2');
    await page.getByText('More settings').click();
    const kind = page.getByLabel('Kind of file');
    expect(await kind.inputValue()).toBe(''); // of a HEIC photo it is JPEG
    await kind.selectOption('webp');
    await look(page, 'settings');
    await restoreButton(page).click();
    const { name, bytes } = await downloaded(page);
    expect(name).toBe('dog-2x.webp');
    const { width, format } = await sharp(bytes).metadata();
    expect([width, format]).toEqual([288, 'webp']);
    expect(faults).toEqual([]);
  });

  test('a size of my own, as TIFF', async () => {
    const { page, faults } = await visit(bench);
    await pick(page);
    await page.getByLabel('Size').selectOption('A width of my own');
    const width = page.getByLabel('Width in pixels');
    expect(await width.inputValue()).toBe('288');
    await width.fill('30');
    await page.getByText('More settings').click();
    await page.getByLabel('Kind of file').selectOption('tiff');
    await page.getByLabel('Shades of each color').selectOption('65,536 (16 bits): to go on editing');
    await restoreButton(page).click();
    expect(await width.evaluate((input) => (input as unknown as { checkValidity(): boolean }).checkValidity())).toBe(
      false,
    );
    await width.fill('300');
    await page.getByText('300 × 300 pixels').waitFor();
    await look(page, 'own-size');
    await page.getByText(/^Free, about/).waitFor();
    await restoreButton(page).click();
    await comparison(page).waitFor();
    await look(page, 'tiff');
    const { name, bytes } = await downloaded(page);
    expect(name).toBe('dog-300x300.tif');
    expect(await sharp(bytes).metadata()).toMatchObject({
      width: 300,
      height: 300,
      format: 'tiff',
      depth: 'ushort',
    });
    expect(faults).toEqual([]);
  });

  test('the client works in a browser as it does in Node', async () => {
    const { page, faults } = await visit(bench);
    const done = await page.evaluate(`(async () => {
    const { createClient } = await import('/web/client.js');
    const client = createClient({ baseUrl: location.origin, key: '${bench.key}' });
    const photo = new Blob([Uint8Array.from(atob('${photo().buffer.toString('base64')}'), (c) => c.charCodeAt(0))], { type: 'image/jpeg' });
    const seen = [];
    const { job, result } = await client.restore(photo, { model: 'real-esrgan-fast', scale: 2 }, {
      onProgress: ({ status }) => seen.push(status),
    });
    const refused = await client.restore(photo, { scale: 9 }).catch(({ problem }) => problem.code);
    return { status: job.status, first: seen[0], last: seen.at(-1), bytes: result.size, type: result.type, refused };
  })()`);
    expect(done).toEqual({
      status: 'succeeded',
      first: 'queued',
      last: 'succeeded',
      bytes: expect.any(Number),
      type: 'image/png',
      refused: 'invalid',
    });
    expect(faults).toEqual([]);
  });
});
