import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { expectAccessible } from '../support/accessibility.ts';
import { type BrowserBench, picture, startBrowserBench } from '../support/browser.ts';

/** The page of a service that has a price, few requests to spare, and may fetch from this machine. */

const run = promisify(execFile);
const ACCOUNTS = fileURLToPath(new URL('../../local/accounts.ts', import.meta.url));
const photoPath = (name: string) => fileURLToPath(new URL(`../fixtures/photos/${name}.lr144.jpg`, import.meta.url));
const PHOTOS = ['07_face_girl', '08_animal_dog', '09_building_city_night'].map(photoPath);
const PHOTO = PHOTOS[0]!;
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
/** Micro-units that `PRICES=standard` asks at least. */
const LEAST = 1_000;
const PREVIEWS = 2;

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
  bench = await startBrowserBench({
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

let complaints: string[] = [];
afterEach(() => {
  expect(complaints).toEqual([]);
});

async function enter(options: Parameters<BrowserBench['open']>[0] = {}): Promise<Page> {
  complaints = [];
  const page = await bench.open(options);
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('console', (message) => {
    if (/Content.Security.Policy/i.test(message.text())) complaints.push(message.text());
  });
  await page.goto(`${bench.service.url}/#key=${bench.key}`);
  return page;
}

async function choose(page: Page, photos: string | string[] = PHOTO): Promise<void> {
  await page.locator('input[type=file]').setInputFiles(photos);
  await page.getByLabel('Method').selectOption('real-esrgan-fast');
}

async function topUp(amount: number): Promise<void> {
  const env = { ...process.env, DATA_DIR: bench.directory };
  await run(process.execPath, [ACCOUNTS, 'top-up', String(amount)], { env });
}

async function look(page: Page, name: string): Promise<void> {
  await picture(page, name);
  await expectAccessible(page);
  const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
  expect(overflow).toBeLessThanOrEqual(0);
}

const alert = (page: Page) => page.getByRole('alert');
const restore = (page: Page) => page.getByRole('button', { name: 'Restore', exact: true }).click();

test('what it costs, that there is not enough, what is left, and the receipt of what was paid', async () => {
  const page = await enter();
  await page.getByText('Balance: nothing').waitFor();
  await choose(page);
  await page.getByText('0.001 credits, about').waitFor();
  await restore(page);
  expect(await alert(page).textContent()).toMatch(/not enough credit.*costs 0.001 credits.*Nothing was charged/);
  await look(page, 'no-credit');

  await topUp(10 * LEAST);
  await restore(page);
  await page.getByRole('heading', { name: 'Receipt' }).waitFor();
  await page.getByText('Paid 0.001 credits').waitFor();
  await page.locator('dd', { hasText: 'Gentle, quick (Real-ESRGAN)' }).waitFor();
  await page.getByText('Balance: 0.009 credits').waitFor();
  await page.getByText('Signed by this service, and for exactly this file').waitFor();
  const arrives = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download receipt' }).click();
  const receipt: unknown = JSON.parse(await readFile(await (await arrives).path(), 'utf8'));
  expect(receipt).toMatchObject({ receipt: { price: LEAST }, signature: { alg: 'EdDSA' } });
  await look(page, 'paid');
});

test('a part is restored for nothing before the whole, by keyboard, until that is used up', async () => {
  const page = await enter(PHONE);
  await choose(page);
  await page.getByRole('button', { name: 'Try a part first, free' }).click();
  const left = page.getByRole('slider', { name: 'Part to try, from the left' });
  await left.focus();
  for (let i = 0; i < 5; i++) await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowUp');
  expect(await left.getAttribute('aria-valuetext')).toBe('40 %');
  await look(page, 'part-chosen');
  const submitted = page.waitForRequest((request) => request.url().endsWith('/v1/jobs') && request.method() === 'POST');
  await page.getByRole('button', { name: 'Restore this part, free' }).click();
  const { preview } = (await submitted).postDataJSON();
  expect(preview).toEqual({ x: 22, y: 33, width: 72, height: 72 });
  const after = page.getByAltText('After');
  await after.waitFor();
  expect(await after.evaluate((image) => (image as { naturalWidth?: number }).naturalWidth)).toBe(4 * 72);
  await page.getByLabel('Size').selectOption('2');
  await page.getByText('made with other settings').waitFor();
  await look(page, 'part-restored');

  await page.getByRole('button', { name: 'Restore this part, free' }).click();
  await page.getByText('made with other settings').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Restore this part, free' }).click();
  expect(await alert(page).textContent()).toMatch(
    /free looks at a part are used up.*try again in \d+ (seconds|minutes)/,
  );
  await look(page, 'parts-used-up');
});

test('a photo from an address; an address that leads to none, or where the service does not go', async () => {
  await topUp(LEAST);
  const page = await enter();
  const fetchFrom = async (url: string) => {
    await page.getByLabel('Or the address of a photo').fill(url);
    await page.getByRole('button', { name: 'Fetch' }).click();
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
  await restore(page);
  await page.getByRole('group', { name: /Comparison/ }).waitFor();
  // The job that only fetched it.
  expect((await erased).status()).toBe(204);
});

test('several photos, each with its own state, and back to them after a reload', async () => {
  await topUp(PHOTOS.length * LEAST);
  const page = await enter();
  const letter = { name: 'letter.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('Dear aunt') };
  const photos = PHOTOS.map(async (path) => ({ ...letter, name: basename(path), buffer: await readFile(path) }));
  await page.locator('input[type=file]').setInputFiles([...(await Promise.all(photos)), letter]);
  await page.getByLabel('Method').selectOption('real-esrgan-fast');
  await page.getByText('0.003 credits in all, without 1 of unknown size').waitFor();
  await look(page, 'several-chosen');
  await page.getByRole('button', { name: 'Restore 4 photos' }).click();
  await page.getByRole('heading', { name: '3 of 4 done' }).waitFor();
  const refused = page.getByRole('listitem', { name: 'letter.jpg' });
  expect(await refused.textContent()).toMatch(/Not sent.*not supported.*Nothing was charged/);
  await look(page, 'several');
  const arrives = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download 08_animal_dog' }).click();
  expect((await arrives).suggestedFilename()).toBe('08_animal_dog.lr144-4x.png');
  await page.getByRole('button', { name: 'Open 08_animal_dog' }).click();
  await page.getByRole('group', { name: /Comparison/ }).waitFor();
  await page.getByRole('button', { name: 'All photos' }).click();
  await page.reload();
  await page.getByRole('heading', { name: '3 of 3 done' }).waitFor();
});

test('how far it is, as it happens: place, time left, what there is so far; without a network it waits', async () => {
  await topUp(100 * LEAST);
  const page = await enter();
  // Narrow: the first of its many rows of tiles is soon done.
  const buffer = await sharp(PHOTO).resize(380, 4000, { fit: 'fill' }).jpeg().toBuffer();
  await page.locator('input[type=file]').setInputFiles({ name: 'tall.jpg', mimeType: 'image/jpeg', buffer });
  await page.getByLabel('Method').selectOption('real-esrgan-fast');
  const listens = page.waitForRequest((request) => /\/events\?token=/.test(request.url()));
  await restore(page);
  await listens;
  await page.getByText(/tile \d+ of \d+ · about \d+ \w+ left/).waitFor();
  await page.getByAltText('What there is so far').waitFor();
  expect(await page.title()).toMatch(/^\d+ %/);
  await look(page, 'live');
  await page.context().setOffline(true);
  await page.getByText('You are offline').first().waitFor();
  await look(page, 'offline');
  await page.context().setOffline(false);
  await page.getByText('You are offline').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('Canceled. Nothing was charged.').waitFor();
});

test('a key that has spent all that it may is told so', async () => {
  const page = await enter();
  const response = await fetch(`${bench.service.url}/v1/keys`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${bench.key}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ name: 'page', spend_cap: LEAST - 1 }),
  });
  const { key } = (await response.json()) as { key: string };
  await page.goto(`${bench.service.url}/#key=${key}`);
  await choose(page);
  await restore(page);
  expect(await alert(page).textContent()).toMatch(/spent all that it may.*Nothing was charged/);
});

test('of a photo that the browser cannot read the price is told before it is restored', async () => {
  const page = await enter();
  const buffer = await sharp(PHOTO).tiff().toBuffer();
  await page.locator('input[type=file]').setInputFiles({ name: 'scan.tiff', mimeType: 'image/tiff', buffer });
  await page.getByText('This browser cannot show the file').waitFor();
  await page.getByLabel('Method').selectOption('real-esrgan-fast');
  await page.getByRole('button', { name: 'Send, and see the price' }).click();
  await page.getByText('0.001 credits, about').waitFor();
  await page.getByRole('button', { name: 'Restore', exact: true }).waitFor();
});
