import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BROWSERS, type BrowserBench, startBrowserBench } from '../support/browser.ts';
import { startServiceProcess } from '../support/service-process.ts';
import {
  addressOf,
  ask,
  button,
  choose,
  comparison,
  photo,
  restore,
  restoreButton,
  visit,
} from '../support/visitor.ts';

/** Each half shows the picture that it names; a typed value is the requested one. */

const [WIDTH, HEIGHT] = [160, 120];
/** Four fields of color. */
const FIELDS = sharp(
  Buffer.from(
    Array.from({ length: WIDTH * HEIGHT }, (_, at) => {
      const [x, y] = [at % WIDTH, Math.floor(at / WIDTH)];
      return [x < WIDTH / 2 ? 220 : 20, y < HEIGHT / 2 ? 200 : 20, 60];
    }).flat(),
  ),
  { raw: { width: WIDTH, height: HEIGHT, channels: 3 } },
);
const turned = (orientation: number) => FIELDS.clone().withMetadata({ orientation });

/** Mean distance of the two pictures, in levels. */
const DISTANCE = `(() => {
  const [before, after] = ['Before', 'After'].map((alt) => {
    const context = new OffscreenCanvas(32, 32).getContext('2d');
    context.drawImage(document.querySelector('img[alt=' + alt + ']'), 0, 0, 32, 32);
    return [...context.getImageData(0, 0, 32, 32).data];
  });
  return before.reduce((sum, value, at) => sum + Math.abs(value - after[at]), 0) / before.length;
})()`;

describe.each(BROWSERS)('in %s', (browser) => {
  let bench: BrowserBench;
  beforeAll(async () => {
    bench = await startBrowserBench(browser);
  });
  afterAll(() => bench?.close());

  test('a part of a turned photo is that part, in all eight orientations and every kind of file', async () => {
    const { page, faults } = await visit(bench);
    const jpegs = [1, 2, 3, 4, 5, 6, 7, 8].map((orientation) => [orientation, 'jpeg'] as const);
    for (const [orientation, format] of [
      ...jpegs,
      [6, 'webp'],
      [7, 'webp'],
      [6, 'png'],
      [3, 'png'],
      [2, 'png'],
    ] as const) {
      const file = await turned(orientation).toFormat(format, { quality: 95 }).toBuffer();
      await choose(page, photo(`turned-${orientation}.${format}`, file, `image/${format}`));
      await button(page, 'Try a part first, free').click();
      for (const name of ['left', 'top']) await page.getByRole('slider', { name: `the ${name}` }).fill('0.1');
      await button(page, 'Restore this part, free').click();
      await page.getByAltText('After').waitFor();
      await page.waitForFunction(LOADED);
      expect([orientation, format, (await page.evaluate<number>(DISTANCE)) < 10]).toEqual([orientation, format, true]);
      await button(page, 'Back').click();
    }
    expect(faults).toEqual([]);
  });

  test('each half shows one picture, on squares where it is transparent', async () => {
    const { page } = await visit(bench);
    const pixels = Buffer.from(
      Array.from({ length: 96 * 96 }, (_, at) => [200, 30, 30, [255, 128, 0][Math.floor(at / (96 * 32))]!]).flat(),
    );
    const file = await sharp(pixels, { raw: { width: 96, height: 96, channels: 4 } })
      .png()
      .toBuffer();
    await restore(page, photo('shadow.png', file, 'image/png'));
    await page.getByAltText('Before').waitFor();
    await page.waitForFunction(LOADED);
    const shot = sharp(await comparison(page).screenshot()).removeAlpha();
    const { data, info } = await shot.raw().toBuffer({ resolveWithObject: true });
    const at = (x: number, y: number) => {
      const from = (Math.round(y * info.height) * info.width + Math.round(x * info.width)) * 3;
      return [...data.subarray(from, from + 3)];
    };
    for (const y of [0.5, 0.85]) {
      for (const x of [0.13, 0.25, 0.37]) {
        const [before, after] = [at(x, y), at(x + 0.5, y)];
        expect(Math.max(...before.map((value, index) => Math.abs(value - after[index]!)))).toBeLessThan(12);
      }
    }
    expect(at(0.25, 0.5)[0]! - at(0.25, 0.5)[1]!).toBeGreaterThan(60); // and shine through
  });

  test.each([
    ['tall', 100, 3000],
    ['wide', 3000, 100],
    ['tiny', 3, 2],
    ['small', 40, 30],
  ])('a picture that is %s can be seen whole, and pixel by pixel', async (name, width, height) => {
    const { page } = await visit(bench);
    const file = await sharp(photo().buffer).resize(width, height, { fit: 'fill' }).png().toBuffer();
    await page.locator('input[type=file]').setInputFiles(photo(`${name}.png`, file, 'image/png'));
    await page.getByLabel('Size').selectOption('1');
    await page.getByLabel('Method').selectOption('real-esrgan-fast');
    await page.getByRole('slider', { name: 'Fidelity' }).fill('1');
    await restoreButton(page).click();
    await comparison(page).waitFor();
    const frame = (await comparison(page).boundingBox())!;
    expect(Math.min(frame.width, frame.height)).toBeGreaterThan(100);
    const zoom = async () => Number.parseFloat(await page.locator('output').innerText()) / 100;
    await button(page, 'Actual pixels').click();
    await expect.poll(async () => Math.abs(frame.width * (await zoom()) - width)).toBeLessThan(8);
    const box = async () => (await page.getByAltText('After').boundingBox())!;
    await expect.poll(async () => Math.abs((await box()).width - width)).toBeLessThan(2);
    await button(page, 'Whole picture').click();
    await expect
      .poll(async () => (await box()).width <= frame.width + 1 && (await box()).height <= frame.height + 1)
      .toBe(true);
  });

  test('numbers are typed as people type them, emptied, pasted, and refused in words', async () => {
    const { page } = await visit(bench);
    await choose(page);
    await page.getByText('More settings').click();
    const noise = page.getByLabel('Take noise away');
    const quality = page.getByLabel('Quality');
    const asked = async () => {
      const before = page.url();
      await page.getByLabel('Kind of file').selectOption('webp');
      await restoreButton(page).click();
      await comparison(page).waitFor();
      expect(page.url()).not.toBe(before);
      const job = await ask<{ parameters: object }>(bench, `/v1/jobs/${await addressOf(page)}`);
      await page.evaluate('history.back()');
      await page.getByText('More settings').click();
      return job.parameters;
    };
    await noise.click();
    await page.keyboard.press('Control+A');
    await page.keyboard.type('0,3');
    expect(await noise.inputValue()).toBe('0,3');
    await quality.click();
    await page.keyboard.press('End');
    for (let count = 0; count < 2; count++) await page.keyboard.press('Backspace');
    await page.keyboard.type('75');
    expect(await quality.inputValue()).toBe('75');
    expect(await asked()).toMatchObject({ denoise: 0.3, quality: 75 });

    await noise.fill(' .7 ');
    await quality.fill('');
    expect(await asked()).toMatchObject({ denoise: 0.7, quality: 90 });

    for (const [text, words] of [
      ['2', 'At most 1.'],
      ['-1', 'At least 0.'],
      ['a lot', 'This is no number.'],
    ] as const) {
      await noise.fill(text);
      await page.getByText(words).waitFor();
    }
    await quality.fill('75.5');
    await page.getByText('This must be a whole number.').waitFor();
    await page.getByText('More settings').click();
    await restoreButton(page).click();
    await page.getByText('This must be a whole number.').waitFor(); // it is shown where it is hidden
    expect(await addressOf(page)).toMatch(/^again=|^ord_/);
  });

  test('the type that the system gives a photo does not matter: its bytes do', async () => {
    const types = ['image/*', 'text/plain', 'image/svg+xml', '', 'image/jpeg; charset=binary'];
    for (const type of types) {
      const { page } = await visit(bench);
      await restore(page, photo('photo.dat', undefined, type));
      await page.getByAltText('Before').waitFor();
      await page.context().close();
    }
  });

  test('HEIC is offered where it is taken', async () => {
    const other = await startServiceProcess(join(bench.directory, 'heic'), { HEIC: 'on' });
    const page = await bench.open();
    await page.goto(`${other.url}/#key=${other.firstKey}`);
    await expect.poll(() => page.locator('input[type=file]').getAttribute('accept')).toContain('.heic');
    await other.kill('SIGTERM');
  });

  test('a TIFF has a Before, and HEIC is not offered where it is not taken', async () => {
    const { page } = await visit(bench);
    expect(await page.locator('input[type=file]').getAttribute('accept')).not.toMatch(/hei[cf]/);
    await restore(
      page,
      photo('scan.tiff', await FIELDS.clone().tiff({ compression: 'deflate' }).toBuffer(), 'image/tiff'),
    );
    await page.getByAltText('Before').waitFor();
    await page.waitForFunction(LOADED);
    expect(await page.evaluate<number>(DISTANCE)).toBeLessThan(10);
    await button(page, 'New photo').click();
    await page.locator('.gallery img').waitFor(); // made of the result
  });
});

const LOADED = `[...document.images].every((image) => image.complete && image.naturalWidth > 0)`;
