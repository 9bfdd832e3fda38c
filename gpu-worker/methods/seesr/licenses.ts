import { relative, sep } from 'node:path';
import type { LicensedFile } from '../../model-store/licenses.ts';
import type { openSeesrCheckpoints } from './checkpoints.ts';

type Sources = Parameters<typeof openSeesrCheckpoints>[0];

const SEESR = 'Apache-2.0 (SeeSR, github.com/cswry/SeeSR)';
const RAM = 'Apache-2.0 (Recognize Anything, github.com/xinyu1205/recognize-anything)';
const STABLE_DIFFUSION = 'CreativeML Open RAIL++-M (Stable Diffusion 2, Stability AI): it restricts some uses';
const TURBO =
  "Stability AI's license of SD-Turbo, as in your copy (Community License, or Non-Commercial Research Community License)";
const OWN = 'your own (trained from SeeSR, Apache-2.0, and on top of Stable Diffusion 2)';
const CLIP = 'MIT (vocabulary of CLIP, OpenAI)';

/** Every source with the license under which it is published. */
export function licensesOf(
  paths: readonly string[],
  { seesr, sd, sdTurbo, dape, denoiserLora }: Sources,
): LicensedFile[] {
  return paths.map((path) => {
    const license = () => {
      if (path === denoiserLora) return OWN;
      if (isInside(path, seesr) || path === dape) return SEESR;
      if (/[\\/]tokenizer[\\/][^\\/]*$/.test(path)) return CLIP;
      if (sdTurbo !== undefined && isInside(path, sdTurbo)) return TURBO;
      return sd !== undefined && isInside(path, sd) ? STABLE_DIFFUSION : RAM;
    };
    return { path, license: license() };
  });
}

function isInside(path: string, directory: string): boolean {
  const way = relative(directory, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`);
}
