import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';
import type { JobView } from '../../shared/api.ts';
import type { Problem } from '../../shared/error.ts';
import { expectAccessible } from './accessibility.ts';
import { type BrowserBench, faultsOf, picture } from './browser.ts';

/** The actions of a person on the page, and the service's knowledge of them. */

const run = promisify(execFile);
const program = (name: string) => fileURLToPath(new URL(`../../local/${name}.ts`, import.meta.url));
const DOG = fileURLToPath(new URL('../../local/demo-photo/dog.jpg', import.meta.url));

/** The least that `PRICES=standard` asks, in micro-units. */
export const LEAST = 1_000;

export interface PhotoFile {
  name: string;
  mimeType: string;
  buffer: Buffer;
}

const dog = await readFile(DOG);

export function photo(name = 'dog.jpg', buffer: Buffer = dog, mimeType = 'image/jpeg'): PhotoFile {
  return { name, mimeType, buffer };
}

export interface Visitor {
  page: Page;
  faults: string[];
}

/** A fresh profile, at the first screen. `before`: a script that runs before those of the page. */
export async function visit(
  bench: BrowserBench,
  { key = bench.key, before = '', ...options }: BrowserContextOptions & { key?: string; before?: string } = {},
): Promise<Visitor> {
  const page = await bench.open(options);
  await page.addInitScript(before);
  const visitor: Visitor = { page, faults: faultsOf(page) };
  page.on('dialog', (dialog) => dialog.accept()); // leave
  await enter(bench, page, key);
  return visitor;
}

/** As by the address that the first start prints. */
export async function enter(bench: BrowserBench, page: Page, key: string): Promise<void> {
  await page.goto('about:blank'); // else the fragment alone would change
  await page.goto(`${bench.url}/#key=${key}`);
  await page.getByText('Choose photos').waitFor();
}

/** Chosen, with a method. */
export async function pick(page: Page, photos: PhotoFile | PhotoFile[] = photo(), method = 'real-esrgan-fast') {
  await page.locator('input[type=file]').setInputFiles(photos);
  await page.getByLabel('Method').selectOption(method);
  await drawn(page);
}

/** No network runs: the making of pictures is not tested. */
export async function choose(page: Page, photos?: PhotoFile | PhotoFile[]): Promise<void> {
  await pick(page, photos);
  await page.getByRole('slider', { name: 'Fidelity' }).fill('1');
  await drawn(page);
  await page.locator('button[type=submit][aria-disabled=false]').waitFor();
}

/** A change is drawn with the next frame, and has no price until the service has told it. */
async function drawn(page: Page): Promise<void> {
  await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))');
}

export const restoreButton = (page: Page) => page.getByRole('button', { name: /^Restore/ });
export const comparison = (page: Page) => page.getByRole('group', { name: /Comparison/ });
export const alert = (page: Page) => page.getByRole('alert');
export const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });

/** From the first screen to the result. */
export async function restore(page: Page, photos?: PhotoFile): Promise<void> {
  await choose(page, photos);
  await restoreButton(page).click();
  await comparison(page).waitFor();
}

/** Firefox takes the size of it alone. */
export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

/** Keeps how the page looks, which axe finds nothing wrong with. Nothing has to be scrolled sideways. */
export async function look(page: Page, name: string): Promise<void> {
  await picture(page, name);
  await expectAccessible(page);
  const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
  expect(overflow).toBeLessThanOrEqual(0);
}

/** As the page itself knows it: drivers learn of steps back and forward late. */
export const addressOf = (page: Page) => page.evaluate<string>('location.hash.slice(1)');

export async function topUp({ directory }: BrowserBench, amount: number): Promise<void> {
  await run(process.execPath, [program('accounts'), 'top-up', String(amount)], {
    env: { ...process.env, DATA_DIR: directory },
  });
}

/** The key of a new account. */
export async function anotherAccount({ directory }: BrowserBench, name: string): Promise<string> {
  const env = { ...process.env, DATA_DIR: directory };
  const created = await run(process.execPath, [program('accounts'), 'create', '--name', name, '--json'], { env });
  const { id } = JSON.parse(created.stdout) as { id: string };
  const { stdout } = await run(process.execPath, [program('keys'), 'create', '--account', id], { env });
  return /sr_live_\w+/.exec(stdout)![0];
}

/** The answer of the API. Asked again as clients do; throws where it is refused for good. */
export async function ask<Body>(
  bench: BrowserBench,
  path: string,
  init: RequestInit = {},
  key = bench.key,
): Promise<Body> {
  const response = await fetch(bench.service.url + path, { ...init, headers: { 'X-Api-Key': key, ...init.headers } });
  const body = (response.status === 204 ? undefined : await response.json()) as Body & Problem;
  if (response.ok) return body;
  if (!body.retryable) throw new Error(`${init.method ?? 'GET'} ${path}: ${response.status} ${body.detail}`);
  await setTimeout(1000 * Number(response.headers.get('Retry-After') ?? 1));
  return await ask(bench, path, init, key);
}

/** Newest first. */
export async function jobsOf(bench: BrowserBench, key = bench.key): Promise<JobView[]> {
  return (await ask<{ data: JobView[] }>(bench, '/v1/jobs?limit=100', {}, key)).data;
}

/** Those that were added by `work`. */
export async function jobsBy(bench: BrowserBench, work: () => Promise<unknown>): Promise<JobView[]> {
  const before = new Set((await jobsOf(bench)).map(({ id }) => id));
  await work();
  return (await jobsOf(bench)).filter(({ id }) => !before.has(id));
}

/** Whether the browser would ask: the question itself is its own. */
export function asksBeforeLeaving(page: Page): Promise<boolean> {
  return page.evaluate<boolean>(`!dispatchEvent(new Event('beforeunload', { cancelable: true }))`);
}
