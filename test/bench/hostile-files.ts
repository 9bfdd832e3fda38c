import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { install, run } from '../support/aws-servers.ts';
import { mutate } from '../support/mutations.ts';
import { makeSources } from '../support/mutations-sources.ts';
import { createRandom } from '../support/random.ts';
import type { HostileFile } from './hostile-run.ts';

interface MutatedOptions {
  seed: number;
  count: number;
  /** Photos as cameras make them are among the files that are mutated. */
  large: boolean;
}

/** The same ones for the same options, of every format and mutation in turn. */
export async function mutatedFiles({ seed, count, large }: MutatedOptions): Promise<Iterable<HostileFile>> {
  const files = mutate(await makeSources({ large }), createRandom(seed)).take(count);
  return files.map(({ format, mutation, bytes }) => ({ format, kind: mutation, bytes }));
}

const PILLOW = '12.0.0'; // MIT-CMU, PyPI
const PILLOW_SHA256 = '87d4f8125c9988bfbed67af47dd7a953e2fc7b0cc1e7800ec6d2080d490bb353';
/** Files that once crashed a decoder, ate its memory or its time. */
const NOTORIOUS = /^(crash|oom|timeout)-/;
const ACCEPTED = ['.jpg', '.jpeg', '.mpo', '.png', '.webp', '.avif', '.heif', '.gif', '.tif', '.tiff'];

/**
 * All files of the tests of Pillow, in any format: the pictures with which the holes of a decoder were reported, and
 * others that are rare or broken. Rejects where PyPI is out of reach and they were not fetched before.
 */
export async function publishedFiles(): Promise<Iterable<HostileFile>> {
  const folder = await install(`pillow-tests-${PILLOW}`, fetchPillow);
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map(({ parentPath, name }) => join(parentPath, name)).sort();
  return paths.values().map((path) => {
    const format = extname(path).toLowerCase();
    const notorious = NOTORIOUS.exec(basename(path))?.[1];
    const kind = notorious ? `${notorious}-*` : ACCEPTED.includes(format) ? format : 'other extensions';
    return { format, kind, bytes: readFileSync(path) };
  });
}

/** pip compares the hash before anything in the archive is looked at. */
async function fetchPillow(folder: string): Promise<void> {
  const requirements = join(folder, 'requirements.txt');
  const archive = join(folder, `pillow-${PILLOW}.tar.gz`);
  await writeFile(requirements, `pillow==${PILLOW} --hash=sha256:${PILLOW_SHA256}\n`);
  const options = ['--quiet', '--disable-pip-version-check', '--require-hashes', '--no-deps', '--no-binary', 'pillow'];
  await run('python3', ['-m', 'pip', 'download', ...options, '--dest', folder, '--requirement', requirements]);
  const images = `pillow-${PILLOW}/Tests/images`;
  await run('tar', ['-xzf', archive, '-C', folder, '--strip-components', '3', images]);
  await run('rm', [requirements, archive]);
}
