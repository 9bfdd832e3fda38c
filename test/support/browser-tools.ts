import { readFile } from 'node:fs/promises';
import type { CDPSession, Page } from 'playwright-core';

/** Tasks that each browser does in its own way. */
export interface BrowserTools {
  /** How a page is shown; in Firefox all of them are. */
  setColors(page: Page, colors: Colors): Promise<void>;
  /** Lets files and folders of this machine fall onto the page. */
  drop(page: Page, paths: readonly string[]): Promise<void>;
  /** The file that `act` makes the browser save. */
  downloadBy(page: Page, act: () => Promise<void>): Promise<{ name: string; bytes: Buffer }>;
  /** The memory of a page when garbage has been collected. `nodes`: of the document and those that were left behind. */
  weigh(page: Page): Promise<{ heap: number; nodes: number }>;
  /** The manifest of a page as the browser takes it. Throws for faults that it finds. */
  manifestOf(page: Page): Promise<Record<string, unknown>>;
}

interface Colors {
  colorScheme: 'light' | 'dark';
  forcedColors: 'none' | 'active';
}

export function createChromiumTools(): BrowserTools {
  const sessions = new WeakMap<Page, CDPSession>();
  async function sessionOf(page: Page): Promise<CDPSession> {
    const session = sessions.get(page) ?? (await page.context().newCDPSession(page));
    sessions.set(page, session);
    return session;
  }
  return {
    setColors: (page, colors) => page.emulateMedia(colors),
    async drop(page, paths) {
      const session = await sessionOf(page);
      const data = { items: [], files: [...paths], dragOperationsMask: 1 };
      for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
        await session.send('Input.dispatchDragEvent', { type, x: 300, y: 300, data });
      }
    },
    async downloadBy(page, act) {
      const [download] = await Promise.all([page.waitForEvent('download'), act()]);
      return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
    },
    async weigh(page) {
      const session = await sessionOf(page);
      await session.send('Performance.enable');
      await session.send('HeapProfiler.collectGarbage');
      const { metrics } = await session.send('Performance.getMetrics');
      const value = (name: string) => metrics.find((metric) => metric.name === name)!.value;
      return { heap: value('JSHeapUsedSize'), nodes: value('Nodes') };
    },
    async manifestOf(page) {
      const session = await sessionOf(page);
      const { errors, data } = await session.send('Page.getAppManifest');
      if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join());
      return JSON.parse(data ?? '{}');
    },
  };
}
