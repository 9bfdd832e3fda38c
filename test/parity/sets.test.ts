import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { METHOD_IDS } from '../../shared/methods/registry.ts';
import { RECORDED_SET, readSet } from '../support/recorded-case.ts';
import { runSet } from './run-set.ts';
import { SYSTEMS } from './systems.ts';
import type { Verdict } from './verdict.ts';

const opened = await Promise.all([...SYSTEMS].map(async ([name, load]) => ({ name, parity: (await load()).parity })));
const WHOLE = opened.filter(({ parity }) => !parity.isLong);

const folderOf = ({ name, parity }: (typeof opened)[number]) => join(dirname(RECORDED_SET), parity.place ?? name);

test('every method has a set, which says what its networks are', () => {
  const recorded = opened.flatMap(({ parity }) => (parity.networks ? (parity.methods ?? []) : []));
  expect(recorded.toSorted()).toEqual(METHOD_IDS.toSorted());
});

test('every system has a set, and every case of each set a kind that is computed', async () => {
  for (const one of opened) {
    const { system: name, cases } = await readSet(folderOf(one));
    expect(name).toBe(one.name);
    const { parity } = one;
    await using computing = parity.open(folderOf(one));
    for (const recorded of cases.values()) {
      expect(Object.keys(computing.kinds), recorded.id).toContain(recorded.kind ?? parity.kindOf?.(recorded));
    }
  }
});

describe.each(WHOLE)('the set $name', (one) => {
  const folder = folderOf(one);
  test('agrees in every case, and every output', async () => {
    const all: Verdict[] = [];
    await runSet(folder, (verdicts) => all.push(...verdicts));
    expect(all.filter(({ passes }) => !passes)).toEqual([]);
    const { cases } = await readSet(folder);
    for (const { id, outputNames } of cases.values()) {
      const compared = all.filter((verdict) => verdict.id === id).map(({ output }) => output);
      expect(compared, id).toEqual(expect.arrayContaining(outputNames));
      expect(compared.length, id).toBeGreaterThan(0);
    }
  });
});

/** Sets whose cases, or which themselves, name the files that they use. */
const BY_FILE: typeof WHOLE = [];
for (const one of WHOLE) {
  const { cases } = await readSet(folderOf(one));
  if (one.parity.uses || [...cases.values()].some(({ parameters }) => 'file' in parameters)) BY_FILE.push(one);
}

test.each(BY_FILE)('the set $name has a case for every checkpoint', async (one) => {
  const { cases } = await readSet(folderOf(one));
  const files = [...cases.values()].flatMap(({ parameters: { file } }) => file ?? []);
  const checkpoints = await readdir(join(folderOf(one), 'checkpoints'));
  expect(new Set([...files, ...(one.parity.uses ?? [])])).toEqual(new Set(checkpoints));
});
