import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { expectAccessible } from '../support/accessibility.ts';
import { type BrowserBench, picture, startBrowserBench } from '../support/browser.ts';

/** What a person does with the page, in Chromium, against the whole product. */

const PHOTO = fileURLToPath(new URL('../fixtures/photos/07_face_girl.lr144.jpg', import.meta.url));
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

let bench: BrowserBench;
/** What the browser complained about: scripts that threw, rules of the Content-Security-Policy that were broken. */
let complaints: string[] = [];
beforeAll(async () => {
  bench = await startBrowserBench();
});
afterAll(() => bench?.close());
beforeEach(() => {
  complaints = [];
});

async function open(options: Parameters<BrowserBench['open']>[0] = {}): Promise<Page> {
  const page = await bench.open(options);
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('console', (message) => {
    if (/Content.Security.Policy/i.test(message.text())) complaints.push(message.text());
  });
  return page;
}

/** The address that the first start prints: the key is in its fragment. */
async function enter(page: Page): Promise<void> {
  await page.goto(`${bench.service.url}/#key=${bench.key}`);
  await page.getByRole('heading', { name: 'Your photo, four times larger' }).waitFor();
}

async function choose(page: Page, photo: string | Photo = PHOTO, model = 'real-esrgan-fast'): Promise<void> {
  await page.locator('input[type=file]').setInputFiles(photo);
  await page.getByLabel('Method').selectOption(model);
}

interface Photo {
  name: string;
  mimeType: string;
  buffer: Buffer;
}

async function largePhoto(): Promise<Photo> {
  const buffer = await sharp(PHOTO).resize(1000, 1000).jpeg().toBuffer();
  return { name: 'large.jpg', mimeType: 'image/jpeg', buffer };
}

const restoreButton = (page: Page) => page.getByRole('button', { name: 'Restore', exact: true });
const comparison = (page: Page) => page.getByRole('group', { name: /Comparison/ });

async function look(page: Page, name: string): Promise<void> {
  await picture(page, name);
  await expectAccessible(page);
}

test('asks for a key, says why it refuses one, and keeps the right one', async () => {
  const page = await open();
  await page.goto(bench.service.url);
  await look(page, 'key');
  await page.getByLabel('API key').fill('sr_live_wrong');
  await page.getByRole('button', { name: 'Continue' }).click();
  expect(await page.getByRole('alert').textContent()).toContain('checksum');
  await look(page, 'key-refused');
  await page.getByLabel('API key').fill(bench.key);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText('Choose photos').waitFor();
  await page.reload();
  await page.getByText('Choose photos').waitFor();
  await page.getByRole('button', { name: 'Forget key' }).click();
  await page.getByLabel('API key').waitFor();
  expect(complaints).toEqual([]);
});

describe.each([
  { name: 'desktop', options: {} },
  { name: 'desktop-dark', options: { colorScheme: 'dark' } },
  { name: 'phone', options: PHONE },
  { name: 'phone-dark', options: { ...PHONE, colorScheme: 'dark' } },
] as const)('at $name', ({ name, options }) => {
  test('from the photo to the result, and back to it after a reload', async () => {
    const page = await open(options);
    await enter(page);
    expect(page.url()).not.toContain('key');
    await look(page, `${name}-choose`);
    await choose(page);
    await page.getByText(/^Free, about/).waitFor();
    await look(page, `${name}-prepare`);
    await restoreButton(page).click();
    await page.getByRole('progressbar').waitFor();
    await look(page, `${name}-progress`);

    await comparison(page).waitFor();
    const width = await page
      .getByAltText('After')
      .evaluate((image) => (image as { naturalWidth?: number }).naturalWidth);
    expect(width).toBe(576);
    await look(page, `${name}-result`);
    const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
    expect(overflow).toBeLessThanOrEqual(0);

    await page.reload();
    await comparison(page).waitFor();
    await page.getByRole('button', { name: 'New photo' }).click();
    await page.getByRole('button', { name: 'Open 07_face_girl.lr144.jpg' }).waitFor();
    await look(page, `${name}-album`);
    await page.getByRole('button', { name: 'Open 07_face_girl.lr144.jpg' }).click();
    await comparison(page).waitFor();
    expect(complaints).toEqual([]);
  });
});

test('the slider and the zoom work by keyboard and by pointer, both pictures as one', async () => {
  const page = await open();
  await enter(page);
  await choose(page);
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
  await expect.poll(async () => (await transforms())[0]).toMatch(/scale\(1\.8\d*\) translate\(-\d/);
  const [before, after] = await transforms();
  expect(after).toBe(before);
  await picture(page, 'zoomed');
  await page.getByRole('button', { name: 'Whole picture' }).click();
  await expect.poll(async () => (await transforms())[0]).toMatch(/^scale\(1\)/);
  expect(complaints).toEqual([]);
});

test('what was added is told, and shown over the result', async () => {
  const page = await open();
  await enter(page);
  await choose(page);
  await page.getByRole('slider', { name: 'Fidelity' }).fill('0.4');
  await page.getByText(/^Free, about/).waitFor();
  await look(page, 'dial');
  await restoreButton(page).click();
  await page.getByRole('heading', { name: 'How true is it?' }).waitFor();
  await page.getByLabel('Show what was added').check();
  await page.getByAltText('Where detail was added').waitFor();
  await look(page, 'what-was-added');
  const id = new URL(page.url()).hash.slice(1);
  const response = await fetch(`${bench.service.url}/v1/jobs/${id}`, { headers: { 'X-Api-Key': bench.key } });
  expect(await response.json()).toMatchObject({ parameters: { fidelity: 0.4 } });
});

test('the result is downloaded under a good name', async () => {
  const page = await open();
  await enter(page);
  await choose(page);
  await page.getByLabel('Size').selectOption('2');
  await page.getByText('More settings').click();
  const kind = page.getByLabel('Kind of file');
  expect(await kind.inputValue()).toBe(''); // of a HEIC photo it is JPEG
  await kind.selectOption('webp');
  await look(page, 'settings');
  await restoreButton(page).click();
  const arrives = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download' }).click();
  const download = await arrives;
  expect(download.suggestedFilename()).toBe('07_face_girl.lr144-2x.webp');
  const { width, format } = await sharp(await download.path()).metadata();
  expect([width, format]).toEqual([288, 'webp']);
});

test('a running job is canceled, and costs nothing', async () => {
  const page = await open();
  await enter(page);
  await choose(page, await largePhoto(), 'real-esrgan');
  await restoreButton(page).click();
  await page.getByText(/tile \d+ of/).waitFor();
  await picture(page, 'running');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('Canceled. Nothing was charged.').waitFor();
  await look(page, 'canceled');
  await page.getByRole('button', { name: 'Other settings' }).click();
  expect(await page.getByLabel('Method').inputValue()).toBe('real-esrgan');
});

test('a file that is no photo, a size that is too large, a service that is gone: all in words', async () => {
  const page = await open();
  await enter(page);
  await choose(page, { name: 'letter.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('Dear aunt') });
  await page.getByText('This browser cannot show the file').waitFor();
  await restoreButton(page).click();
  const alert = page.getByRole('alert');
  expect(await alert.textContent()).toMatch(/not supported.*Nothing was charged/);
  await look(page, 'not-a-photo');

  await page.getByRole('button', { name: 'Back' }).click();
  const wide = await sharp({ create: { width: 10_000, height: 2_000, channels: 3, background: '#888' } })
    .jpeg()
    .toBuffer();
  await choose(page, { name: 'wide.jpg', mimeType: 'image/jpeg', buffer: wide });
  expect(await alert.textContent()).toContain('16777216');
  await look(page, 'too-large');

  await page.getByRole('button', { name: 'Back' }).click();
  await choose(page);
  await page.route('**/v1/uploads', (route) => route.abort());
  await restoreButton(page).click();
  expect(await alert.textContent()).toContain('cannot be reached');
  await page.unroute('**/v1/uploads');
  await restoreButton(page).click();
  await comparison(page).waitFor();
});

test('a photo is dropped or pasted as well', async () => {
  const page = await open();
  const bytes = (await readFile(PHOTO)).toString('base64');
  for (const kind of ['drop', 'paste']) {
    await enter(page);
    await page.evaluate(`(() => {
      const blob = new Blob([Uint8Array.from(atob('${bytes}'), (c) => c.charCodeAt(0))]);
      const data = new DataTransfer();
      data.items.add(new File([blob], '${kind}.jpg', { type: 'image/jpeg' }));
      const event = '${kind}' === 'drop'
        ? new DragEvent('drop', { dataTransfer: data, bubbles: true })
        : new ClipboardEvent('paste', { clipboardData: data, bubbles: true });
      document.body.dispatchEvent(event);
    })()`);
    await page.getByText(`${kind}.jpg, 144 × 144`).waitFor();
  }
});

test('a photo is erased, here and at the service', async () => {
  const page = await open();
  await enter(page);
  await choose(page);
  await restoreButton(page).click();
  await comparison(page).waitFor();
  const id = new URL(page.url()).hash.slice(1);
  await page.getByRole('button', { name: 'New photo' }).click();
  await page.getByRole('button', { name: 'Erase 07_face_girl.lr144.jpg' }).click();
  await page.getByRole('heading', { name: 'Earlier photos' }).waitFor({ state: 'detached' });
  const headers = { Authorization: `Bearer ${bench.key}` };
  await expect.poll(async () => (await fetch(`${bench.service.url}/v1/jobs/${id}`, { headers })).status).toBe(410);
});

test('the reference shows every operation, with its example', async () => {
  for (const [name, options] of [
    ['reference', {}],
    ['reference-phone-dark', { ...PHONE, colorScheme: 'dark' }],
  ] as const) {
    const page = await open(options);
    await page.goto(`${bench.service.url}/docs`);
    await page.getByRole('heading', { name: 'Ask for a larger, restored photo' }).waitFor();
    const document = (await (await fetch(`${bench.service.url}/openapi.json`)).json()) as {
      paths: Record<string, object>;
    };
    const operations = Object.values(document.paths).flatMap((item) => Object.keys(item));
    expect(await page.locator('article').count()).toBe(operations.length);
    await look(page, name);
  }
  expect(complaints).toEqual([]);
});

test('the client works in a browser as it does in Node', async () => {
  const page = await open();
  await enter(page);
  const photo = (await readFile(PHOTO)).toString('base64');
  const done = await page.evaluate(`(async () => {
    const { createClient } = await import('/web/client.js');
    const client = createClient({ baseUrl: location.origin, key: '${bench.key}' });
    const photo = new Blob([Uint8Array.from(atob('${photo}'), (c) => c.charCodeAt(0))], { type: 'image/jpeg' });
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
});
