import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { METHOD_IDS } from '../../shared/methods/registry.ts';
import { RECORDED_SET, readSet } from '../support/recorded-case.ts';
import { runSet } from './run-set.ts';
import { SYSTEMS } from './systems.ts';
import type { Verdict } from './verdict.ts';

const opened = await Promise.all([...SYSTEMS].map(async ([name, load]) => ({ name, parity: (await load()).parity })));
const WHOLE = opened.filter(({ parity }) => !parity.isLong).map(({ name }) => name);

const folderOf = (system: string) => join(dirname(RECORDED_SET), system);

test('every method has a set', () => {
  const recorded = opened.flatMap(({ parity }) => parity.methods ?? []);
  expect(recorded.toSorted()).toEqual(METHOD_IDS.toSorted());
});

test('every system has a set, and every case of each set a kind that is computed', async () => {
  for (const { name: system, parity } of opened) {
    const { system: name, cases } = await readSet(folderOf(system));
    expect(name).toBe(system);
    await using computing = parity.open(folderOf(system));
    for (const recorded of cases.values()) {
      expect(Object.keys(computing.kinds), recorded.id).toContain(recorded.kind ?? parity.kindOf?.(recorded));
    }
  }
});

describe.each(WHOLE)('the set %s', (system) => {
  test('agrees in every case, and every output', async () => {
    const all: Verdict[] = [];
    await runSet(folderOf(system), (verdicts) => all.push(...verdicts));
    expect(all.filter(({ passes }) => !passes)).toEqual([]);
    const { cases } = await readSet(folderOf(system));
    for (const { id, outputNames } of cases.values()) {
      const compared = all.filter((verdict) => verdict.id === id).map(({ output }) => output);
      expect(compared, id).toEqual(expect.arrayContaining(outputNames));
      expect(compared.length, id).toBeGreaterThan(0);
    }
  });
});

/** Sets of networks that are one file each, which a case names. */
const BY_FILE: string[] = [];
for (const system of WHOLE) {
  const { cases } = await readSet(folderOf(system));
  if ([...cases.values()].some(({ parameters }) => 'file' in parameters)) BY_FILE.push(system);
}

test.each(BY_FILE)('the set %s has a case for every checkpoint', async (system) => {
  const { cases } = await readSet(folderOf(system));
  const files = new Set([...cases.values()].map(({ parameters }) => parameters.file));
  expect(files).toEqual(new Set(await readdir(join(folderOf(system), 'checkpoints'))));
});
