import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BROWSERS, type BrowserBench, startBrowserBench } from '../support/browser.ts';
import { button, photo, restore, topUp, visit } from '../support/visitor.ts';

/** The page as an app: installed, small, and lasting. */

describe.each(BROWSERS)('in %s', (browser) => {
  let bench: BrowserBench;
  beforeAll(async () => {
    bench = await startBrowserBench(browser, { PRICES: 'standard' });
    await topUp(bench, 10_000_000);
  });
  afterAll(() => bench?.close());

  describe('as an app', () => {
    test('it can be installed: a manifest with icons that are there', async () => {
      const { page } = await visit(bench);
      const url = await page.evaluate<string>(`document.querySelector('link[rel=manifest]').href`);
      const manifest = (await (await fetch(url)).json()) as Record<string, unknown> & {
        icons: { src: string; sizes: string }[];
      };
      expect(manifest).toMatchObject({ display: 'standalone', share_target: { method: 'POST' } });
      const { name, display, icons } = manifest;
      const taken = { name, display, icons: icons.map(({ sizes }) => expect.objectContaining({ sizes })) };
      expect(await bench.browser.manifestOf(page)).toMatchObject(taken);
      for (const { src, sizes } of manifest.icons) {
        const { width, height } = await sharp(
          Buffer.from(await (await fetch(new URL(src, url))).arrayBuffer()),
        ).metadata();
        if (sizes !== 'any') expect(`${width}x${height}`).toBe(sizes);
      }
      expect(new URL(String(manifest.start_url), url).href).toBe(`${bench.url}/`);
    });

    test('photos that another app shares start an order; nothing of them is kept', async () => {
      const { page, faults } = await visit(bench);
      await page.evaluate('navigator.serviceWorker.ready');
      await page.reload();
      await page.getByText('Choose photos').waitFor();
      await page.evaluate(share(['shared.jpg', 'second.jpg']));
      await page.getByRole('heading', { name: 'Restore 2 photos' }).waitFor();
      await page.getByText('shared.jpg').first().waitFor();
      expect(await page.evaluate<string[]>('caches.keys()')).toEqual([]);
      expect(faults).toEqual([]);
    });

    test('where there is no service worker yet, the page asks for the photo', async () => {
      const response = await fetch(`${bench.url}/share`, { method: 'POST', body: new FormData(), redirect: 'manual' });
      expect([response.status, response.headers.get('Location')]).toEqual([303, './#shared']);
      const { page } = await visit(bench);
      await page.goto('about:blank');
      await page.goto(`${bench.url}/#shared`);
      await page.getByText('The photo that was shared has not arrived. Choose it here.').waitFor();
    });

    test('it comes compressed, and is known again', async () => {
      const files = ['', 'docs', 'web/page.js', 'web/page.css', 'client.js', 'service-worker.js'];
      let bytes = 0;
      for (const file of files) {
        const response = await fetch(`${bench.url}/${file}`, {
          headers: { Accept: 'text/html', 'Accept-Encoding': 'gzip' },
        });
        bytes += (await response.arrayBuffer()).byteLength;
        expect([file, response.headers.get('Content-Encoding')]).toEqual([file, 'gzip']);
        const again = await fetch(`${bench.url}/${file}`, {
          headers: { Accept: 'text/html', 'Accept-Encoding': 'gzip', 'If-None-Match': response.headers.get('ETag')! },
        });
        expect([file, again.status]).toEqual([file, 304]);
      }
      expect(bytes).toBeLessThan(250_000);
    });
  });

  test('a hundred photos in one page leave no more behind than twenty', async () => {
    const { page } = await visit(bench);
    const tiny = await sharp(photo().buffer).resize(8, 8).jpeg().toBuffer();
    const weights: { heap: number; nodes: number }[] = [];
    for (let round = 0; round < 5; round++) {
      await page.evaluate(restoreTwenty(tiny, round));
      weights.push(await bench.browser.weigh(page));
    }
    const [first, last] = [weights[1]!, weights.at(-1)!];
    expect(last.nodes).toBeLessThan(1.3 * first.nodes);
    expect(last.heap).toBeLessThan(1.3 * first.heap + 1e6);
  });

  test('the album keeps so much and no more, newest first', async () => {
    const { page } = await visit(bench);
    await restore(page, photo('newest.jpg'));
    await page.evaluate(FILL_ALBUM);
    await page.reload();
    await button(page, 'New photo').click();
    await page.getByRole('button', { name: /^Show all/ }).click();
    await expect.poll(() => page.locator('.gallery li').count()).toBe(60);
    await page.getByRole('button', { name: 'Open newest.jpg' }).waitFor();
    expect(await page.evaluate<number>(COUNT_ALBUM)).toBe(60);
  });
});

/** As the system does it: a form is sent to the address of the manifest. A form of the page itself may not be. */
const share = (names: string[]) => `(async () => {
  const form = new FormData();
  const bytes = Uint8Array.from(atob('${photo().buffer.toString('base64')}'), (c) => c.charCodeAt(0));
  for (const name of ${JSON.stringify(names)}) form.append('photos', new File([bytes], name, { type: 'image/jpeg' }));
  await fetch('share', { method: 'POST', body: form, redirect: 'manual' });
  location.hash = 'shared';
})()`;

/** Of the owner that is there: a hundred more. */
const FILL_ALBUM = `new Promise((done) => {
  const request = indexedDB.open('seesr-orders');
  request.onsuccess = () => {
    const store = request.result.transaction('orders', 'readwrite').objectStore('orders');
    store.getAll().onsuccess = ({ target }) => {
      const [order] = target.result;
      for (let index = 0; index < 100; index++) {
        const key = 'ord_' + String(index).padStart(22, '0');
        store.put({ ...order, key, name: index + '.jpg', addedAt: order.addedAt - 1000 * (index + 1) }, key);
      }
      store.transaction.oncomplete = () => done();
    };
  };
})`;
const COUNT_ALBUM = `new Promise((done) => {
  const request = indexedDB.open('seesr-orders');
  request.onsuccess = () => {
    request.result.transaction('orders').objectStore('orders').count().onsuccess = ({ target }) => done(target.result);
  };
})`;

/** By nothing but scripts of the page: of an element that it has used the driver keeps a handle, and with it the screen. */
const restoreTwenty = (file: Buffer, round: number) => `(async () => {
  const until = async (find) => {
    for (;;) {
      const found = find();
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const choose = (selector, value, type) => {
    const element = document.querySelector(selector);
    element.value = value;
    element.dispatchEvent(new Event(type, { bubbles: true }));
  };
  const bytes = Uint8Array.from(atob('${file.toString('base64')}'), (c) => c.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  for (let index = 0; index < 20; index++) dataTransfer.items.add(new File([bytes], '${round}-' + index + '.jpg'));
  document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
  await until(() => document.querySelector('#model'));
  choose('#model', 'real-esrgan-fast', 'change');
  await until(() => document.querySelector('#fidelity'));
  choose('#fidelity', '1', 'input');
  choose('#scale', '1', 'change');
  await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  (await until(() => document.querySelector('button[type=submit][aria-disabled=false]'))).click();
  await until(() => document.querySelector('h1')?.textContent === '20 of 20 done');
  [...document.querySelectorAll('button')].find(({ textContent }) => textContent === 'New photo').click();
  await until(() => document.querySelector('input[type=file]'));
})()`;
