import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Parity } from './parity.ts';

const FOLDER = fileURLToPath(new URL('./systems', import.meta.url));

/** By the name that a set gives in `cases.json`: a file each in `systems/`. */
export const SYSTEMS: ReadonlyMap<string, () => Promise<{ parity: Parity }>> = new Map(
  readdirSync(FOLDER).map((file) => [file.replace(/\.ts$/, ''), () => import(`./systems/${file}`)]),
);
