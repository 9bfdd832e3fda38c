import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { PATIENCE_MILLISECONDS } from './patience.ts';
import { type ServiceProcess, startServiceProcess } from './service-process.ts';

const PICTURES = fileURLToPath(new URL('../../test-results/', import.meta.url));
const CANDIDATES = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface BrowserBench {
  service: ServiceProcess;
  key: string;
  /** DATA_DIR of the service. */
  directory: string;
  /** A fresh window of a fresh profile: its storage is empty. */
  open(options?: BrowserContextOptions): Promise<Page>;
  close(): Promise<void>;
}

export async function launchBrowser(): Promise<Browser> {
  const executablePath = CANDIDATES.find((path) => path && existsSync(path));
  if (!executablePath) throw new Error('There is no Chromium: `apt-get install chromium`, or name it in CHROMIUM.');
  return chromium.launch({ executablePath, args: FLAGS });
}

/** The whole product in a process of its own, and a browser that looks at it. */
export async function startBrowserBench(environment: Record<string, string> = {}): Promise<BrowserBench> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-browser-'));
  const browser = await launchBrowser();
  const service = await startServiceProcess(directory, environment);
  return {
    service,
    key: service.firstKey!,
    directory,
    async open(options = {}) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
      context.setDefaultTimeout(PATIENCE_MILLISECONDS);
      return context.newPage();
    },
    async close() {
      await browser.close();
      await service.kill('SIGTERM');
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Keeps how the page looks now as `test-results/NAME.png`. */
export async function picture(page: Page, name: string): Promise<void> {
  await mkdir(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true, animations: 'disabled' });
}
