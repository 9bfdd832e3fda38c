import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BrowserContextOptions, chromium, firefox, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';
import { type BrowserTools, createChromiumTools } from './browser-tools.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { createFirefoxTools, FIREFOX_OPTIONS } from './firefox-tools.ts';
import { PATIENCE_MILLISECONDS } from './patience.ts';
import { type ServiceProcess, startServiceProcess } from './service-process.ts';

const PICTURES = fileURLToPath(new URL('../../test-results/', import.meta.url));
/** Chromium, and the Firefox of the distribution, which Playwright drives by WebDriver BiDi. */
export const BROWSERS = ['chromium', 'firefox'] as const;
export type BrowserName = (typeof BROWSERS)[number];

const PROGRAMS: Record<BrowserName, (string | undefined)[]> = {
  chromium: [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'],
  firefox: [process.env.FIREFOX, '/usr/bin/firefox-esr', '/usr/bin/firefox'],
};
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface TestBrowser extends BrowserTools {
  /** A fresh window of a fresh profile, light unless it is asked for otherwise. It is closed with the test. */
  open(options?: BrowserContextOptions): Promise<Page>;
  close(): Promise<void>;
}

export async function launchBrowser(name: BrowserName): Promise<TestBrowser> {
  const executablePath = PROGRAMS[name].find((path) => path && existsSync(path));
  const hint = { chromium: 'apt-get install chromium', firefox: 'apt-get install firefox-esr' }[name];
  if (!executablePath) throw new Error(`There is no ${name}: \`${hint}\`, or name it in ${name.toUpperCase()}.`);
  const browser = await (name === 'chromium'
    ? chromium.launch({ executablePath, args: FLAGS })
    : firefox.launch({ executablePath, channel: 'moz-firefox', ...FIREFOX_OPTIONS }));
  const tools = name === 'chromium' ? createChromiumTools() : await createFirefoxTools(browser);
  return {
    ...tools,
    async open({ colorScheme, forcedColors, ...options } = {}) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
      onTestFinished(() => context.close());
      context.setDefaultTimeout(PATIENCE_MILLISECONDS);
      const page = await context.newPage();
      const isDark = colorScheme === 'dark';
      const isForced = forcedColors === 'active';
      await tools.setColors(page, {
        colorScheme: isDark ? 'dark' : 'light',
        forcedColors: isForced ? 'active' : 'none',
      });
      return page;
    },
    close: () => browser.close(),
  };
}

export interface BrowserBench {
  service: ServiceProcess;
  /** Where the page is: the service, through the proxy that breaks requests on the way. */
  url: string;
  proxy: FaultProxy;
  key: string;
  /** DATA_DIR of the service. */
  directory: string;
  browser: TestBrowser;
  open: TestBrowser['open'];
  close(): Promise<void>;
}

/** Before the page's scripts: tries follow one another without the pauses that luck decides about. */
const HURRY = 'Math.random = () => 0.001;';

/** The whole product in a process of its own, and a browser that looks at it. */
export async function startBrowserBench(
  name: BrowserName,
  environment: Record<string, string> = {},
): Promise<BrowserBench> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-browser-'));
  const [browser, service] = await Promise.all([launchBrowser(name), startServiceProcess(directory, environment)]);
  const proxy = await startFaultProxy(service.url);
  return {
    service,
    url: proxy.url,
    proxy,
    key: service.firstKey!,
    directory,
    browser,
    async open(options) {
      const page = await browser.open(options);
      for (const script of [HURRY, TELL_VIOLATIONS]) await page.context().addInitScript(script);
      return page;
    },
    async close() {
      await browser.close();
      proxy.close();
      await service.kill('SIGTERM');
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const VIOLATION = 'Content-Security-Policy';
const TELL_VIOLATIONS = `addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
  console.error('${VIOLATION}', violatedDirective, blockedURI));`;

/** From now on: scripts that threw, rules of the Content-Security-Policy that were broken. */
export function faultsOf(page: Page): string[] {
  const faults: string[] = [];
  page.on('pageerror', ({ message }) => faults.push(message));
  page.on('console', (message) => message.text().startsWith(VIOLATION) && faults.push(message.text()));
  return faults;
}

/**
 * Keeps how the page looks now as `test-results/NAME.png`; of a very long one, its beginning. In Chromium alone: in Firefox
 * the driver would put a style into the page, which its Content-Security-Policy refuses.
 */
export async function picture(page: Page, name: string): Promise<void> {
  if (page.context().browser()?.browserType().name() !== 'chromium') return;
  await mkdir(PICTURES, { recursive: true });
  const fullPage = (await page.evaluate<number>('document.documentElement.scrollHeight')) < LONG_PIXELS;
  await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage, animations: 'disabled' });
}

/** Chromium takes half a minute for a picture of 150,000 pixels. */
const LONG_PIXELS = 20_000;
