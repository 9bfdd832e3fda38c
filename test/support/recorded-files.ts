import { globSync } from 'node:fs';
import { join } from 'node:path';
import { engineOf } from '../../gpu-worker/methods/engines.ts';
import type { MethodId } from '../../shared/methods/registry.ts';
import { recordedSources } from './recorded-models.ts';
import { fixture } from './sample-images.ts';

/** Files of the published names with small networks, out of the recorded sets: paths by the options of `models build`. */
export async function recordedFiles(id: MethodId): Promise<Record<string, string | undefined>> {
  const { build } = await engineOf(id);
  const { sdTurbo, ramConfig, ...others } = recordedSources('seesr-turbo');
  const seesr: Record<string, string | undefined> = { ...others, 'sd-turbo': sdTurbo, 'ram-config': ramConfig };
  /** Version 2.1 of DiffBIR has files of the others in the place of its own: see the README of the set. */
  const instead: Record<string, string> = {
    'diffbir-v21': 'v2.pth',
    'swinir-v21': 'general_swinir_v1.ckpt',
    'sd21-zsnr': 'v2-1_512-ema-pruned.ckpt',
  };
  /** Of a folder what is said begins with its name. */
  const published = (about: string) => found(`*/checkpoints/{,*/}${about.split(':')[0]}`);
  /** Of a set with files of one method: its sizes, for `NAME-config`. */
  const sizes = (option: string) => found(`${option.replace(/-config$/, '')}/checkpoints/config.json`);
  return Object.fromEntries(
    (build?.sources ?? []).map(({ option, about }) => [
      option,
      seesr[option] ?? published(instead[option] ?? about) ?? sizes(option),
    ]),
  );
}

const FIXTURES = fixture('');
const found = (pattern: string): string | undefined =>
  globSync(pattern, { cwd: FIXTURES }).map((path) => join(FIXTURES, path))[0];
