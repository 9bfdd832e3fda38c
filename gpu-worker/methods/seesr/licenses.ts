import { relative, sep } from 'node:path';
import type { DiffusionModelId } from '../../shared/models.ts';
import type { openSeesrCheckpoints } from '../weights/seesr-checkpoints.ts';

type Sources = Parameters<typeof openSeesrCheckpoints>[0];

export interface LicensedFile {
  path: string;
  license: string;
}

const SEESR = 'Apache-2.0 (SeeSR, github.com/cswry/SeeSR)';
const RAM = 'Apache-2.0 (Recognize Anything, github.com/xinyu1205/recognize-anything)';
const STABLE_DIFFUSION = 'CreativeML Open RAIL++-M (Stable Diffusion 2, Stability AI): it restricts some uses';
const TURBO =
  "Stability AI's license of SD-Turbo, as in your copy (Community License, or Non-Commercial Research Community License)";
const CLIP = 'MIT (vocabulary of CLIP, OpenAI)';

/** Every source with the license under which it is published. */
export function licensesOf(paths: readonly string[], { seesr, sd, sdTurbo, dape }: Sources): LicensedFile[] {
  return paths.map((path) => {
    const license = () => {
      if (isInside(path, seesr) || path === dape) return SEESR;
      if (/[\\/]tokenizer[\\/][^\\/]*$/.test(path)) return CLIP;
      if (sdTurbo !== undefined && isInside(path, sdTurbo)) return TURBO;
      return sd !== undefined && isInside(path, sd) ? STABLE_DIFFUSION : RAM;
    };
    return { path, license: license() };
  });
}

/** `LICENSES.md` of a built model. */
export function licenseNotice(model: DiffusionModelId, sources: readonly LicensedFile[]): string {
  const byLicense = Map.groupBy(sources, ({ license }) => license);
  const parts = [...byLicense].map(([license, files]) => {
    return [`## ${license}`, '', ...files.map(({ path }) => `- ${path}`), ''].join('\n');
  });
  return `# Whose weights these are

The files in this folder were made from the files below, on this machine, for whoever built ${model}. Their numbers are
the work of the people who trained them and stay under their licenses, which you accepted when you took the files. Read
them before you pass this folder on or offer a service with it.

${parts.join('\n')}`;
}

function isInside(path: string, directory: string): boolean {
  const way = relative(directory, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`);
}
