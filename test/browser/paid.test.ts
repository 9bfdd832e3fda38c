import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { BROWSERS, type BrowserBench, startBrowserBench } from '../support/browser.ts';
import {
  alert,
  ask,
  button,
  comparison,
  enter,
  LEAST,
  look,
  PHONE,
  photo,
  pick,
  restoreButton,
  topUp,
  visit,
} from '../support/visitor.ts';

/** The page of a service that has a price, few requests to spare, and may fetch from this machine. */

const photoPath = (name: string) => fileURLToPath(new URL(`../fixtures/photos/${name}.lr144.jpg`, import.meta.url));
const PHOTOS = ['07_face_girl', '08_animal_dog', '09_building_city_night'].map(photoPath);
const PHOTO = PHOTOS[0]!;
const PREVIEWS = 2;

describe.each(BROWSERS)('in %s', (browser) => {
  let bench: BrowserBench;
  let elsewhere: Server;
  let elsewhereUrl: string;
  beforeAll(async () => {
    elsewhere = createServer(async (request, response) => {
      if (request.url !== '/album/girl.jpg') return response.writeHead(404).end();
      return response.writeHead(200, { 'Content-Type': 'image/jpeg' }).end(await readFile(PHOTO));
    }).listen(0, '127.0.0.1');
    await once(elsewhere, 'listening');
    const host = `127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
    elsewhereUrl = `http://${host}`;
    bench = await startBrowserBench(browser, {
      PRICES: 'standard',
      RATE_LIMITS: JSON.stringify({
        burst: { quota: 1000, window_seconds: 10 },
        poll: { quota: 100, window_seconds: 10 },
        previews: { quota: PREVIEWS, window_seconds: 600 },
      }),
      ALLOW_HTTP_FETCH: 'true',
      FETCH_ALLOW_HOSTS: host,
    });
  });
  afterAll(async () => {
    await bench?.close();
    elsewhere?.close();
  });

  let faults: string[] = [];
  afterEach(() => expect(faults).toEqual([]));

  async function come(options: Parameters<BrowserBench['open']>[0] = {}): Promise<Page> {
    const visitor = await visit(bench, options);
    faults = visitor.faults;
    return visitor.page;
  }

  test('the price, too little credit, the credit left, and the receipt of the payment', async () => {
    const page = await come();
    await page.getByText('Balance: nothing').waitFor();
    await pick(page);
    await page.getByText('0.001 credits, about').waitFor();
    await restoreButton(page).click();
    expect(await alert(page).textContent()).toMatch(/not enough credit.*costs 0.001 credits.*Nothing was charged/);
    await look(page, 'no-credit');

    await topUp(bench, 10 * LEAST);
    await restoreButton(page).click();
    await page.getByRole('heading', { name: 'Receipt' }).waitFor();
    await page.getByText('Paid 0.001 credits').waitFor();
    await page.locator('dd', { hasText: 'Gentle, quick (Real-ESRGAN)' }).waitFor();
    await page.getByText('Balance: 0.009 credits').waitFor();
    await page.getByText('Signed by this service, and for exactly this file').waitFor();
    const { bytes } = await bench.browser.downloadBy(page, () => button(page, 'Download receipt').click());
    expect(JSON.parse(bytes.toString())).toMatchObject({ receipt: { price: LEAST }, signature: { alg: 'EdDSA' } });
    await look(page, 'paid');
  });

  test('a part is restored for nothing before the whole, by keyboard, until that is used up', async () => {
    const page = await come(PHONE);
    await pick(page);
    await button(page, 'Try a part first, free').click();
    const left = page.getByRole('slider', { name: 'Part to try, from the left' });
    await left.focus();
    for (let i = 0; i < 5; i++) await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowUp');
    await expect.poll(() => left.getAttribute('aria-valuetext')).toBe('40 %');
    await look(page, 'part-chosen');
    await button(page, 'Restore this part, free').click();
    const after = page.getByAltText('After');
    await after.waitFor();
    const order = bench.proxy.bodies.findLast(({ line }) => line === 'POST /v1/jobs');
    expect(order?.json).toMatchObject({ preview: { x: 22, y: 33, width: 72, height: 72 } });
    expect(await after.evaluate((image) => (image as { naturalWidth?: number }).naturalWidth)).toBe(4 * 72);
    await page.getByLabel('Size').selectOption('2');
    await page.getByText('made with other settings').waitFor();
    await look(page, 'part-restored');

    await button(page, 'Restore this part, free').click();
    await page.getByText('made with other settings').waitFor({ state: 'detached' });
    await button(page, 'Restore this part, free').click();
    expect(await alert(page).textContent()).toMatch(
      /free looks at a part are used up.*try again in \d+ (seconds|minutes)/,
    );
    await look(page, 'parts-used-up');
  });

  test('a photo from an address; an address that leads to none, or where the service does not go', async () => {
    await topUp(bench, LEAST);
    const page = await come();
    const fetchFrom = async (url: string) => {
      await page.getByLabel('Or the address of a photo').fill(url);
      await button(page, 'Fetch').click();
    };
    await fetchFrom(`${elsewhereUrl}/nothing.jpg`);
    await alert(page).getByText('cannot be fetched from this address').waitFor();
    await look(page, 'address-without-photo');
    await fetchFrom('http://169.254.169.254/latest');
    await alert(page).getByText('169.254.169.254').waitFor();
    await fetchFrom(`${elsewhereUrl}/album/girl.jpg`);
    await page.getByText('girl.jpg, 144 × 144').waitFor();
    await page.getByLabel('Method').selectOption('real-esrgan-fast');
    const erased = page.waitForResponse((response) => response.request().method() === 'DELETE');
    await restoreButton(page).click();
    await comparison(page).waitFor();
    // The job that only fetched it.
    expect((await erased).status()).toBe(204);
  });

  test('several photos, each with its own state, and back to them after a reload', async () => {
    await topUp(bench, PHOTOS.length * LEAST);
    const page = await come();
    const photos = PHOTOS.map(async (path) => photo(basename(path), await readFile(path)));
    await pick(page, [...(await Promise.all(photos)), photo('letter.jpg', Buffer.from('Dear aunt'))]);
    await page.getByText('0.003 credits in all, without 1 of unknown size').waitFor();
    await look(page, 'several-chosen');
    await page.getByRole('button', { name: 'Restore 4 photos' }).click();
    await page.getByRole('heading', { name: '3 of 4 done' }).waitFor();
    const refused = page.getByRole('listitem', { name: 'letter.jpg' });
    expect(await refused.textContent()).toMatch(/Not sent.*not supported.*Nothing was charged/);
    await look(page, 'several');
    const download = page.getByRole('button', { name: 'Download 08_animal_dog' });
    const { name } = await bench.browser.downloadBy(page, () => download.click());
    expect(name).toBe('08_animal_dog.lr144-4x.png');
    await page.getByRole('button', { name: 'Open 08_animal_dog' }).click();
    await comparison(page).waitFor();
    await button(page, 'All photos').click();
    await page.reload();
    // The refused photo is still there, and can be sent or left.
    await page.getByRole('heading', { name: '3 of 4 done' }).waitFor();
    await page.getByRole('button', { name: 'Send letter.jpg' }).waitFor();
  });

  test('the progress, as it happens: place, time left, the result so far; without a network it waits', async () => {
    await topUp(bench, 1000 * LEAST);
    const page = await come();
    // Narrow: the first of its many rows of tiles is soon done.
    const buffer = await sharp(PHOTO).resize(380, 8000, { fit: 'fill' }).jpeg().toBuffer();
    await pick(page, photo('tall.jpg', buffer));
    const listens = page.waitForRequest((request) => /\/events\?token=/.test(request.url()));
    await restoreButton(page).click();
    await listens;
    await page.getByText(/tile \d+ of \d+ · about \d+ \w+ left/).waitFor();
    await page.getByAltText('The work so far').waitFor();
    expect(await page.title()).toMatch(/^\d+ %/);
    await look(page, 'live');
    await page.context().setOffline(true);
    await page.getByText('You are offline').first().waitFor();
    await look(page, 'offline');
    await page.context().setOffline(false);
    await page.getByText('You are offline').waitFor({ state: 'detached' });
    await button(page, 'Cancel').click();
    await page.getByText('Canceled. Nothing was charged.').waitFor();
  });

  test('a key that has spent all that it may is told so', async () => {
    const page = await come();
    const { key } = await ask<{ key: string }>(bench, '/v1/keys', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name: 'page', spend_cap: LEAST - 1 }),
    });
    await enter(bench, page, key);
    await pick(page);
    await restoreButton(page).click();
    expect(await alert(page).textContent()).toMatch(/spent all that it may.*Nothing was charged/);
  });

  test('of a photo that the browser cannot read the price is told before it is restored', async () => {
    const page = await come();
    const buffer = await sharp(PHOTO).tiff().toBuffer();
    await page.locator('input[type=file]').setInputFiles(photo('scan.tiff', buffer, 'image/tiff'));
    await page.getByText('This browser cannot show the file').waitFor();
    await page.getByLabel('Method').selectOption('real-esrgan-fast');
    await button(page, 'Send, and see the price').click();
    await page.getByText('0.001 credits, about').waitFor();
    await restoreButton(page).waitFor();
  });
});
