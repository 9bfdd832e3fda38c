import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BrowserContextOptions, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StudyResult } from '../../evaluation/study/results.ts';
import { expectAccessible } from '../support/accessibility.ts';
import { BROWSERS, launchBrowser, picture, type TestBrowser } from '../support/browser.ts';
import { PHONE } from '../support/visitor.ts';

/** The study: simulated voters with known rates, and the facts that a participant could find out. */

const PROGRAM = fileURLToPath(new URL('../../evaluation/study/main.ts', import.meta.url));
const PHOTO = fileURLToPath(new URL('../fixtures/photos/08_animal_dog.png', import.meta.url));
const MODELS = ['red', 'green', 'blue'];
const PICTURES = 6;
const VOTERS = 12;
/** How often a voter takes a model for the truth, and for the best. */
const RATES = { truth: [0.5, 0.7, 0.1], best: [0.2, 0.7, 0.1] };

/** In the page: knows whose a picture is by its tint alone. `seed`: of the voter's moods. */
const VOTER = `
  const createVoter = (seed, rates) => {
    let state = seed;
    const random = () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
    const context = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const modelOf = (image) => {
      context.drawImage(image, 0, 0, 1, 1);
      const levels = [...context.getImageData(0, 0, 1, 1).data.subarray(0, 3)];
      const most = Math.max(...levels);
      return most - Math.min(...levels) < 12 ? -1 : levels.indexOf(most);
    };
    return (images) => {
      const models = images.map(modelOf);
      const restored = models.find((model) => model !== -1);
      let rest = random();
      const chosen = !models.includes(-1)
        ? rates.best.findIndex((rate) => (rest -= rate) < 0)
        : rest < rates.truth[restored] ? restored : -1;
      return models.indexOf(chosen);
    };
  };`;

/** Looks at the page and presses keys until no question is left. */
const AT_THE_PAGE = `(async (seed, rates) => {
  ${VOTER}
  const choose = createVoter(seed, rates);
  const press = (key) => dispatchEvent(new KeyboardEvent('keydown', { key, cancelable: true }));
  const until = async (found) => {
    while (!found()) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  const isOver = () => document.querySelector('h1').textContent === 'Thank you';
  for (let at = 0; ; at++) {
    const isThere = () => document.querySelector('progress')?.value === at && document.querySelector('[aria-busy=false]');
    await until(() => isOver() || isThere());
    if (isOver()) return at;
    press(String(choose([...document.querySelectorAll('.choice img')]) + 1));
    await until(() => !document.querySelector('.primary').disabled);
    press(' ');
  }
})`;

/** Makes the requests of the page, without its rests. */
const BY_REQUESTS = `(async (seed, rates, path) => {
  ${VOTER}
  const choose = createVoter(seed, rates);
    const { questions } = await (await fetch(path, { method: 'PUT' })).json();
  for (const [at, { places }] of questions.entries()) {
    const images = Array.from({ length: places }, async (_, place) =>
      createImageBitmap(await (await fetch(path + '/pictures/' + at + '/' + place)).blob()),
    );
    const body = JSON.stringify({ place: choose(await Promise.all(images)) });
    await fetch(path + '/votes/' + at, { method: 'PUT', body });
  }
  return questions.length;
})`;

describe.each(BROWSERS)('in %s', (name) => {
  let folder: string;
  let browser: TestBrowser;
  let server: { process: ChildProcess; url: string };

  /** The truth is grey and its models tinted, which is how a voter knows them; files differ in kind, as those of models may. */
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'seesr-study-'));
    for (const name of ['hr', 'lr', ...MODELS]) await mkdir(join(folder, name));
    for (let index = 0; index < PICTURES; index++) {
      const truth = sharp(PHOTO)
        .extract({ left: 40 * index, top: 150, width: 96, height: 64 })
        .greyscale();
      const grey = await truth.png().toBuffer();
      await sharp(grey)
        .withExif({ IFD0: { Artist: 'truth' } })
        .toFile(join(folder, 'hr', `dog ${index}.png`));
      await sharp(grey)
        .resize(24, 16)
        .jpeg()
        .toFile(join(folder, 'lr', `dog ${index}.jpg`));
      for (const [model, name] of MODELS.entries()) {
        const file = join(folder, name, `dog ${index}.${['webp', 'png', 'jpg'][model]}`);
        const tint = [0, 1, 2].map((channel) => (channel === model ? 1 : 0.5)) as [number, number, number];
        await sharp(grey).toColourspace('srgb').linear(tint, [0, 0, 0]).toFile(file);
      }
    }
    [browser, server] = await Promise.all([launchBrowser(name), start()]);
  });
  afterAll(async () => {
    await browser?.close();
    server?.process.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  async function start(port = '0') {
    const restored = MODELS.flatMap((name) => ['--restored', `${name}=${join(folder, name)}`]);
    const places = [
      '--hr',
      join(folder, 'hr'),
      '--lr',
      join(folder, 'lr'),
      '--out',
      join(folder, 'out'),
      '--port',
      port,
    ];
    const child = spawn(process.execPath, [PROGRAM, ...places, ...restored], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    for await (const chunk of child.stdout) {
      output += chunk;
      const url = /is at (http:\S+?)\/\./.exec(output)?.[1];
      if (url) return { process: child, url };
    }
    throw new Error(`The study ended: ${output}`);
  }

  async function open(options: BrowserContextOptions = {}): Promise<Page> {
    const page = await browser.open(options);
    await page.goto(server.url);
    return page;
  }

  const begin = (page: Page) => page.getByRole('button', { name: 'Begin' }).click();
  const question = (page: Page, number: number) => page.getByText(new RegExp(`Question ${number} of`)).waitFor();
  const answered = (page: Page) => page.locator('.pictures[aria-busy=false]').waitFor();

  const pathOf = (voter: number) => `/participants/${String(voter).padStart(22, '0')}`;

  test('the rates of simulated voters lie in the intervals that are printed', async () => {
    const pages = await Promise.all([open(), open()]);
    await begin(pages[0]!);
    await question(pages[0]!, 1);
    // In their order, so that the same voter has the same plan in every run.
    for (let voter = 1; voter < VOTERS; voter++) await fetch(server.url + pathOf(voter), { method: 'PUT' });
    const counts = await Promise.all(
      Array.from({ length: VOTERS }, (_, voter) => {
        const [page, program] = voter === 0 ? [pages[0]!, AT_THE_PAGE] : [pages[1]!, BY_REQUESTS];
        return page.evaluate(`${program}(${voter + 1}, ${JSON.stringify(RATES)}, '${pathOf(voter)}')`);
      }),
    );
    expect(counts).toEqual(Array(VOTERS).fill(2 * PICTURES));
    for (const page of pages) await page.context().close();

    const { stdout } = await promisify(execFile)(process.execPath, [
      PROGRAM,
      '--out',
      join(folder, 'out'),
      '--results',
    ]);
    const result = JSON.parse(await readFile(join(folder, 'out', 'results.json'), 'utf8')) as StudyResult;
    expect(result.participants).toEqual({ began: VOTERS, voted: VOTERS, finished: VOTERS });
    for (const { task, models, unanswered } of result.tasks) {
      expect(unanswered).toBe(0);
      for (const [index, { model, votes, bootstrap, wilson }] of models.entries()) {
        const rate = RATES[task][index]!;
        expect(votes).toBe((VOTERS * PICTURES) / (task === 'truth' ? MODELS.length : 1));
        for (const { low, high } of [bootstrap!, wilson!]) {
          expect.soft(low, `${task} ${model}`).toBeLessThanOrEqual(rate);
          expect.soft(high, `${task} ${model}`).toBeGreaterThanOrEqual(rate);
          expect(stdout).toContain(`${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)} %`);
        }
      }
    }
    expect((await readFile(join(folder, 'out', 'votes.csv'), 'utf8')).trim().split('\n')).toHaveLength(
      1 + VOTERS * 2 * PICTURES,
    );
  });

  test('nothing but pixels tells which picture is whose', async () => {
    const page = await open();
    const arrived: { url: string; headers: string; bytes: Buffer }[] = [];
    const texts: string[] = [];
    page.on('response', async (response) => {
      const isPicture = response.url().includes('/pictures/');
      if (!isPicture) return void texts.push(`${response.url()} ${await response.text()}`);
      const { date, ...headers } = await response.allHeaders();
      arrived.push({ url: response.url(), headers: JSON.stringify(headers), bytes: await response.body() });
    });
    await begin(page);
    await answered(page);
    await expect.poll(() => arrived.length).toBeGreaterThanOrEqual(6);
    texts.push(await page.content());

    const id = new URL(page.url()).hash.slice(1);
    const choices = arrived.filter(({ url }) =>
      new RegExp(`^/participants/${id}/pictures/\\d+/\\d$`).test(new URL(url).pathname),
    );
    expect(choices.length).toBeGreaterThanOrEqual(4);
    for (const at of [0, 1]) {
      const both = choices.filter(({ url }) => url.includes(`/pictures/${at}/`));
      expect(new Set(both.map(({ url }) => url)).size).toBe(2);
      // Content-Length among them.
      expect(new Set(both.map(({ headers }) => headers)).size).toBe(1);
      const facts = await Promise.all(both.map(({ bytes }) => sharp(bytes).metadata()));
      expect(facts[0]).toEqual(facts[1]);
      expect(facts[0]).toMatchObject({ format: 'png', width: 96, height: 64, space: 'srgb', channels: 3 });
      expect(facts[0]).not.toHaveProperty('exif');
    }
    const told = texts.filter((text) => !/\.(js|css|svg) /.test(text)).join();
    expect(told).toContain('"places":2');
    expect(told).not.toMatch(/dog|\bred\b|green|blue|\.webp|\.jpg/);
  });

  test('a participant who leaves resumes there, after kill -9 too; an answer counts once and can be taken back', async () => {
    const page = await open(PHONE);
    await picture(page, 'study-welcome-phone');
    await begin(page);
    await answered(page);
    await picture(page, 'study-truth-phone');
    await expectAccessible(page);
    expect(await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
    await page.getByLabel('Picture 2').check();
    const sent = page.waitForRequest((request) => request.method() === 'PUT');
    await page.getByRole('button', { name: 'Next' }).click();
    await question(page, 2);
    const vote = (place: number) => fetch(sentUrl, { method: 'PUT', body: JSON.stringify({ place }) });
    const sentUrl = (await sent).url();
    expect([(await vote(1)).status, (await vote(0)).status]).toEqual([200, 409]);

    server.process.kill('SIGKILL');
    await once(server.process, 'exit');
    server = await start(new URL(server.url).port);
    await page.reload();
    await page.getByRole('button', { name: 'Go on' }).click();
    await question(page, 2);
    await page.getByRole('button', { name: 'Undo last' }).click();
    await question(page, 1);
    await answered(page);
    expect(await page.getByRole('radio', { checked: true }).count()).toBe(0);
  });

  test('all pictures zoom and move as one, by keys and by pointer', async () => {
    const page = await open({ colorScheme: 'dark' });
    await begin(page);
    await answered(page);
    const transforms = () =>
      page.evaluate<string[]>(`[...document.querySelectorAll('.frame img')].map((image) => image.style.transform)`);
    await page.keyboard.press('+');
    await page.keyboard.press('ArrowRight');
    await expect.poll(async () => new Set(await transforms())).toEqual(new Set(['translate(-35%, -25%) scale(1.5)']));
    const frame = (await page.locator('.choice .frame').first().boundingBox())!;
    // In whole pixels: Firefox knows no others.
    const [x, y] = [frame.x + frame.width / 2, frame.y + frame.height / 2].map(Math.round) as [number, number];
    const right = Math.round(frame.width / 10);
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x + right, y, { steps: 2 });
    await page.mouse.up();
    const left = -35 + (100 * right) / frame.width;
    await expect
      .poll(async () => Number.parseFloat((await transforms())[0]!.slice('translate('.length)))
      .toBeCloseTo(left, 1);
    expect(new Set(await transforms()).size).toBe(1);
    expect(await page.getByRole('radio', { checked: true }).count()).toBe(0);
    await page.mouse.click(frame.x + 5, frame.y + 5);
    expect(await page.getByLabel('Picture 1').isChecked()).toBe(true);
    await picture(page, 'study-truth-dark');
    await expectAccessible(page);
  });
});
