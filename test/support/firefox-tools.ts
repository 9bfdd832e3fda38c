import { readFile, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Browser } from 'playwright-core';
import type { BrowserTools } from './browser-tools.ts';

/**
 * Firefox lets its own pages do tasks that WebDriver BiDi has no word for: colors of the system, memory, the manifest,
 * folders. One of these pages is open beside those of the tests.
 */

/** For `launch`. Without the first two, drivers may not look into such pages. */
export const FIREFOX_OPTIONS = {
  args: ['--remote-allow-system-access'],
  firefoxUserPrefs: {
    'security.allow_eval_with_system_principal': true,
    'security.allow_eval_in_parent_process': true,
    // Folders that nobody has chosen in a window of the system are read as well.
    'dom.filesystem.pathcheck.disabled': true,
  },
};

/** To be called before other windows are opened: each takes the focus from the one before. */
export async function createFirefoxTools(browser: Browser): Promise<BrowserTools> {
  const inside = await browser.newPage();
  await inside.evaluate('document.readyState');
  await inside.goto('about:support', { waitUntil: 'commit' }); // nobody tells that it is loaded
  // Until something is done there, nobody tells the driver that it has scripts.
  const isThere = () => inside.evaluate<boolean>(`typeof Services === 'object'`).catch(() => false);
  do await inside.mouse.move(0, 0);
  while (!(await Promise.race([isThere(), setTimeout(1000, false)])));
  return {
    async setColors(page, { colorScheme, forcedColors }) {
      await inside.evaluate(`
        Services.prefs.setIntPref('layout.css.prefers-color-scheme.content-override', ${colorScheme === 'dark' ? 0 : 1});
        Services.prefs.setIntPref('browser.display.document_color_use', ${forcedColors === 'active' ? 2 : 0});`);
      // Firefox calls the scheme of forced colors after these, which are those of a system without a desktop.
      const scheme = forcedColors === 'active' ? '' : `(prefers-color-scheme: ${colorScheme}) and `;
      await page.waitForFunction(`matchMedia('${scheme}(forced-colors: ${forcedColors})').matches`);
    },
    async drop(page, paths) {
      const count = await inside.evaluate<number>(`(async () => {
        const { messageManager } = (${BROWSER_OF})(${JSON.stringify(page.url())});
        const taken = new Promise((resolve) => messageManager.addMessageListener('taken', ({ data }) => resolve(data)));
        messageManager.loadFrameScript('data:application/javascript;charset=utf-8,' + encodeURIComponent(${JSON.stringify(TAKE)}), false);
        messageManager.sendAsyncMessage('take', ${JSON.stringify(paths)});
        return taken;
      })()`);
      if (count !== paths.length) throw new Error(`Of ${paths.join()} there are ${count}.`);
      await page.evaluate(DROP_TAKEN);
    },
    // The driver waits for a number that Firefox does not give to downloads.
    async downloadBy(_page, act) {
      await act();
      const path = await inside.evaluate<string>(NEXT_DOWNLOAD);
      const bytes = await readFile(path);
      await rm(path); // else the next one of this name has another
      return { name: basename(path), bytes };
    },
    weigh: (page) => inside.evaluate(weigh(new URL(page.url()).origin)),
    manifestOf: (page) =>
      inside.evaluate(`(async () => {
      const { ManifestObtainer } = ChromeUtils.importESModule('resource://gre/modules/ManifestObtainer.sys.mjs');
      const browser = (${BROWSER_OF})(${JSON.stringify(page.url())});
      const manifest = await ManifestObtainer.browserObtainManifest(browser, { checkConformance: true });
      if (manifest.moz_validation.length > 0) throw new Error(JSON.stringify(manifest.moz_validation));
      const icons = manifest.icons.map((icon) => ({ ...icon, sizes: icon.sizes.join(' ') }));
      return JSON.parse(JSON.stringify({ ...manifest, icons }));
    })()`),
  };
}

const BROWSER_OF = `(url) => [...Services.wm.getEnumerator('navigator:browser')]
  .map(({ gBrowser }) => gBrowser.selectedBrowser).find(({ currentURI }) => currentURI.spec === url)`;

/** In the process of a page: as if they had fallen onto a field for files, which is where Firefox makes entries of them. */
const TAKE = `addMessageListener('take', async ({ data: paths }) => {
  const { document, Directory, File } = content;
  const input = document.createElement('input');
  input.type = 'file';
  input.id = 'taken';
  input.hidden = true;
  document.body.append(input);
  const files = paths.map((path) => File.createFromFileName(path).catch(() => new Directory(path)));
  input.mozSetDndFilesAndDirectories(await Promise.all(files));
  sendAsyncMessage('taken', input.webkitEntries.length);
})`;

/** In the page. */
const DROP_TAKEN = `(() => {
  const input = document.querySelector('#taken');
  const data = {
    types: ['Files'],
    files: input.files,
    items: input.webkitEntries.map((entry) => ({ kind: 'file', webkitGetAsEntry: () => entry })),
    getData: () => '',
  };
  input.remove();
  for (const type of ['dragenter', 'dragover', 'drop']) {
    const event = new DragEvent(type, { bubbles: true, cancelable: true });
    Object.defineProperty(event, 'dataTransfer', { value: data });
    document.body.dispatchEvent(event);
  }
})()`;

const NEXT_DOWNLOAD = `(async () => {
  const { Downloads } = ChromeUtils.importESModule('resource://gre/modules/Downloads.sys.mjs');
  const list = await Downloads.getList(Downloads.ALL);
  const download = await new Promise((resolve) => {
    const found = (one) => one.succeeded && resolve(one);
    void list.addView({ onDownloadAdded: found, onDownloadChanged: found });
  });
  await list.remove(download);
  return download.target.path;
})()`;

/** Bytes, of all pages of the origin. */
const weigh = (origin: string) => `(async () => {
  for (const what of ['gc', 'cc', 'gc']) Services.obs.notifyObservers(null, 'child-' + what + '-request');
  const manager = Cc['@mozilla.org/memory-reporter-manager;1'].getService(Ci.nsIMemoryReporterManager);
  const sum = { heap: 0, nodes: 0 };
  await new Promise((resolve) => {
    const callback = (process, path, kind, units, amount) => {
      if (!path.startsWith('explicit/window-objects/top(${origin.replaceAll('/', '\\\\')}')) return;
      sum.heap += amount;
      if (/-nodes/.test(path)) sum.nodes += amount;
    };
    globalThis.held = [{ callback }, { callback: resolve }]; // else they are garbage before they are called
    manager.getReports(held[0], null, held[1], null, false);
  });
  return sum;
})()`;
