import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openInstalled } from '../../../gpu-worker/model-store/installed.ts';
import { SHIPPED_IDS } from '../../../shared/methods/registry.ts';

/** Parts from others: where from, and on which terms (docs/dependencies.md). */

interface LockedPackage {
  license?: string;
  version: string;
  integrity?: string;
  resolved?: string;
  link?: boolean;
  dev?: boolean;
}

const ROOT = new URL('../../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8');

const lock: { packages: Record<string, LockedPackage> } = JSON.parse(read('package-lock.json'));
const PACKAGES = Object.entries(lock.packages)
  .filter(([path]) => path !== '')
  .map(([path, locked]) => ({ name: path.split('node_modules/').at(-1)!, ...locked }));

/** SPDX ids; all of them allow use, change and sale, and ask for no more than their notice. */
const ACCEPTED = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'CC0-1.0', 'ISC', 'MIT', 'Unlicense', 'Zlib'];
/** Copyleft of files or libraries, each with its reason in docs/dependencies.md. */
const EXCEPTIONS = [
  { names: /^@img\/sharp-/, licenses: ['LGPL-3.0-or-later'] },
  { names: /^(axe-core|lightningcss(-.+)?)$/, licenses: ['MPL-2.0'], devOnly: true },
  { names: /^libheif-js$/, licenses: ['LGPL-3.0'], devOnly: true },
];

/** An SPDX expression without nested parentheses. */
function isAccepted(expression: string, accepted: readonly string[]): boolean {
  const choices = expression.replace(/^\((.*)\)$/, '$1').split(' OR ');
  return choices.some((choice) => choice.split(' AND ').every((id) => accepted.includes(id)));
}

function acceptedFor({ name, dev }: { name: string; dev?: boolean }): string[] {
  const exceptions = EXCEPTIONS.filter(({ names, devOnly }) => names.test(name) && (dev || !devOnly));
  return [...ACCEPTED, ...exceptions.flatMap(({ licenses }) => licenses)];
}

describe('licenses', () => {
  it('of every package are accepted', () => {
    const refused = PACKAGES.filter((each) => !isAccepted(each.license ?? 'none', acceptedFor(each)));
    expect(refused.map(({ name, license }) => `${name}: ${license}`)).toEqual([]);
    expect(PACKAGES.length).toBeGreaterThan(100);
  });

  it.each([
    ['GPL-3.0', false],
    ['MIT AND GPL-3.0', false],
    ['(MIT OR GPL-3.0)', true],
    ['none', false],
  ])('%s: %s', (expression, accepted) => {
    expect(isAccepted(expression, ACCEPTED)).toBe(accepted);
  });

  it.each(['gpu-worker/methods/seesr/weights', 'evaluation/weights'])('of the files in %s are accepted', (folder) => {
    const { files }: { files: { file: string; license: string }[] } = JSON.parse(read(`${folder}/manifest.json`));
    expect(files.filter(({ license }) => !ACCEPTED.includes(license))).toEqual([]);
    const named = [...files.map(({ file }) => file), 'LICENSE', 'manifest.json'];
    expect(readdirSync(new URL(folder, ROOT)).sort()).toEqual(named.sort());
  });

  it.each(SHIPPED_IDS)('of the weights of %s are accepted, and lie beside them', async (model) => {
    const { directory, manifest } = await openInstalled('', model);
    expect(manifest.sources.length).toBeGreaterThan(0);
    expect(manifest.sources.filter(({ license }) => !ACCEPTED.includes(license))).toEqual([]);
    expect(manifest.files.map(({ file }) => file)).toContain('LICENSE');
    expect(readdirSync(directory).sort()).toEqual([...manifest.files.map(({ file }) => file), 'manifest.json'].sort());
  });
});

describe('an install', () => {
  it('takes everything from the registry, checked by its hash, in one version', () => {
    // A `resolved` would be another place: .npmrc leaves out those that are of the registry.
    const others = PACKAGES.filter(({ integrity, resolved, link }) => !integrity || resolved || link);
    expect(others).toEqual([]);
    const { dependencies, devDependencies, optionalDependencies } = JSON.parse(read('package.json'));
    const versions = Object.values<string>({ ...dependencies, ...devDependencies, ...optionalDependencies });
    expect(versions.filter((version) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
  });

  it('runs no script of a package', () => {
    expect(read('.npmrc').split('\n')).toContain('ignore-scripts=true');
  });
});
