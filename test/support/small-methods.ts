import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sharp } from 'sharp';
import type { MethodId } from '../../shared/methods/registry.ts';
import { buildMethod } from './build-method.ts';
import { writeDasrFiles } from './dasr-files.ts';
import { writeFaithfulFemasr } from './faithful-femasr.ts';
import { faithfulFile } from './faithful-models.ts';
import { esrganShapes } from './network-files.ts';
import { recordedFiles } from './recorded-files.ts';

type Paths = Record<string, string | undefined>;

/** Of methods without a color fix: the gate would refuse what the random networks of their recorded sets make. */
const FAITHFUL: Partial<Record<MethodId, (folder: string) => Promise<Paths>>> = {
  bsrgan: (folder) => writeFaithfulEsrgan(folder, 'bsrgan', 'RRDB_trunk'),
  ldl: (folder) => writeFaithfulEsrgan(folder, 'ldl', 'Real-ESRGAN'),
  dasr: (folder) => writeDasrFiles(folder),
  async femasr(folder) {
    const femasr = join(folder, 'femasr.safetensors');
    await writeFaithfulFemasr(femasr);
    return { femasr };
  },
};

/** Installs a small network of the method, which makes results out of hazy photos. `folder`: for its files. */
export async function buildSmall(id: MethodId, modelsDirectory: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await buildMethod(id, await (FAITHFUL[id] ?? (() => recordedFiles(id)))(folder), modelsDirectory);
}

/** Of so little contrast that pictures of its colors, whatever is in them, are near enough to it for the gate. */
export function hazy(photo: Sharp): Sharp {
  return photo.linear(0.35, 83);
}

async function writeFaithfulEsrgan(folder: string, id: MethodId, naming: string): Promise<Paths> {
  const path = join(folder, `${id}.safetensors`);
  await writeFile(path, faithfulFile(esrganShapes(naming)));
  return { [id]: path };
}
