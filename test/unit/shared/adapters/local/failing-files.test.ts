import { readdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileObjectStore, UNFINISHED } from '../../../../../shared/adapters/local/file-object-store.ts';
import { boundStores } from '../../../../../shared/bounded-stores.ts';
import { as, noting } from '../../../../support/asked.ts';
import { harmFiles } from '../../../../support/harmful-files.ts';
import { makeDirectory, openLocalStores } from '../../../../support/local-stores.ts';

/** The store of objects on a file system of which single calls fail. */

const PNG = { contentType: 'image/png' };
const KEY = 'in/acc_one/upl_one';
const BOUNDS = { answerMilliseconds: 50, writeMilliseconds: 50 };

let directory: string;
let remove: () => Promise<void>;
let files: ReturnType<typeof harmFiles>;
beforeEach(async () => {
  ({ directory, remove } = await makeDirectory());
  files = harmFiles();
});
afterEach(async () => {
  files.close();
  await remove();
});

const openStore = () => {
  const store = createFileObjectStore({ directory, secret: 'a secret', now: Date.now });
  return noting(store, { all: new Set(), used: new Set() });
};
const bodyOf = (text: string) => new Blob([text]).stream();
const asked = <Result>(work: () => Promise<Result>) => as('test', work);
/** The first call of this kind, or later ones. Returns how many were. */
function refuse(command: string): () => number {
  let count = 0;
  files.doHarm((call) => {
    if (call.asked.command !== command) return undefined;
    count++;
    return { code: 'EIO' };
  });
  return () => count;
}

describe('a file of which', () => {
  it.each(['stat 1', 'read 1', 'close 1'])('%s fails does not stay open', async (command) => {
    const store = openStore();
    await asked(() => store.put(KEY, bodyOf('photo'), PNG));
    refuse(command);
    const open = async (): Promise<unknown> => (await store.open(KEY))?.close();
    const head = async (): Promise<unknown> => store.head(KEY);
    for (const look of [head, open]) await expect(asked(look)).rejects.toMatchObject({ code: 'EIO' });
    expect(files.openCount()).toBe(0);
  });

  it.each(['get', 'open'] as const)('nobody waits any more is closed when it comes (%s)', async (verb) => {
    const { state, queue, deadLetters, database } = openLocalStores(directory);
    const objects = openStore();
    const bounded = boundStores({ state, queue, deadLetters, objects }, BOUNDS);
    await asked(() => objects.put(KEY, bodyOf('photo'), PNG)); // takes as long as the disk does
    const { promise: until, resolve: goOn } = Promise.withResolvers<void>();
    files.doHarm(({ asked: { command } }) => (command === 'stat 1' ? { until } : undefined));
    const ask = (): Promise<unknown> => bounded.objects[verb](KEY);
    await expect(asked(ask)).rejects.toMatchObject({ code: 'unavailable' });
    await expect.poll(() => files.openCount()).toBe(1);
    goOn();
    await files.end();
    await expect.poll(() => files.openCount()).toBe(0);
    database.close();
  });
});

describe('a put', () => {
  it.each(['write 1', 'sync 1', 'link 1', 'open r 2', 'sync 2', 'close 2', 'rm 1'])(
    'of which %s fails can be repeated: the object is there once, or not yet',
    async (command) => {
      const store = openStore();
      const put = (text: string) => asked(() => store.put(KEY, bodyOf(text), PNG));
      const refused = refuse(command);
      await put('photo').catch((error: unknown) => expect(error).toMatchObject({ code: 'EIO' }));
      expect(refused()).toBeGreaterThan(0);
      files.doHarm();
      expect(await put('photo')).toEqual({ bytes: 5 });
      await expect(put('other')).rejects.toMatchObject({ code: 'already-exists' });
      expect(await readdir(directory)).toEqual([UNFINISHED, 'in']);
      expect(await readdir(`${directory}/${UNFINISHED}`)).toEqual([]);
    },
  );
});

it('an upload that could not be removed goes with the next object', async () => {
  const store = openStore();
  const upload = { key: KEY, contentType: 'image/png', bytes: 5 };
  const refused = refuse('rm 1');
  await asked(() => store.receive(upload, bodyOf('photo'), 0));
  expect(refused()).toBe(1);
  expect(await readdir(`${directory}/${UNFINISHED}`)).toHaveLength(1);
  files.doHarm();
  await asked(() => store.put('another', bodyOf('photo'), PNG));
  expect(await readdir(`${directory}/${UNFINISHED}`)).toEqual([]);
});

describe('folders', () => {
  it.each([
    ['mkdir 2', 'ENOENT'],
    ['mkdir 2', 'ENOTDIR'],
    ['link 1', 'ENOENT'],
    ['link 1', 'ENOTDIR'],
  ])('that vanish while an object enters them are made again (%s: %s)', async (command, code) => {
    const store = openStore();
    let count = 0;
    files.doHarm((call) => (call.asked.command === command && count++ === 0 ? { code } : undefined));
    expect(await asked(() => store.put(KEY, bodyOf('photo'), PNG))).toEqual({ bytes: 5 });
    expect(count).toBeGreaterThan(0);
    expect(await asked(() => store.head(KEY))).toMatchObject({ bytes: 5 });
  });

  it.each([
    ['a put that failed', 'put', 'link 1'],
    ['a delete that failed', 'delete', 'sync 1'],
    ['a folder that could not be removed', 'delete', 'rmdir 2'],
  ] as const)('go with the next delete after %s', async (_, verb, command) => {
    const store = openStore();
    const put = () => asked(() => store.put(KEY, bodyOf('photo'), PNG));
    if (verb === 'delete') await put();
    const refused = refuse(command);
    await (verb === 'put' ? put() : asked(() => store.delete(KEY))).catch(() => {});
    expect(refused()).toBe(1);
    expect(await readdir(directory)).toContain('in');
    files.doHarm();
    await asked(() => store.delete(KEY));
    expect(await readdir(directory)).toEqual([UNFINISHED]);
  });
});
