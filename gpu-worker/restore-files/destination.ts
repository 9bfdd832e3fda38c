import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { AppError } from '../../shared/error.ts';
import type { OptionValues } from './parameter-options.ts';
import { checkPattern, DEFAULT_PATTERN } from './result-names.ts';

/** Where results go: one file (absolute, or STANDARD_OUTPUT), or a folder with a pattern for the names in it. */
export type Destination = { file: string } | { folder: string; pattern: string };

export const STANDARD_OUTPUT = '-';

/**
 * Tells the photos from the place of the results: IN OUT, IN... --out FOLDER, or, as others take it, several IN before
 * a FOLDER that is there. Throws `malformed`, or `invalid` for a folder that is named as a file.
 */
export async function readNames(
  given: readonly string[],
  { out, name, json }: OptionValues,
  here: string,
): Promise<{ names: readonly string[]; destination: Destination }> {
  const last = given.at(-1);
  const folder = typeof out === 'string' ? out : given.length > 2 && (await isFolder(here, last)) ? last : undefined;
  const names = folder === out ? given : given.slice(0, -1);
  if (folder !== undefined) {
    if (names.length === 0) throw new AppError('malformed', 'No photo is named. --help tells how.');
    if (folder === '' || folder === '-') throw new AppError('malformed', `--out "${folder}" must be a folder.`);
    const pattern = typeof name === 'string' ? name : DEFAULT_PATTERN;
    checkPattern(pattern);
    return { names, destination: { folder: resolve(here, folder), pattern } };
  }
  if (name !== undefined) throw new AppError('malformed', '--name is for the results in a folder: --out FOLDER.');
  if (given.length > 2) {
    throw new AppError(
      'malformed',
      `${given.length} names, and ${last} is no folder. Several photos need --out FOLDER.`,
    );
  }
  const [input, output] = given;
  if (input === undefined || output === undefined) {
    throw new AppError('malformed', 'Two files are needed, IN and OUT, or --out FOLDER. --help tells more.');
  }
  if (await isFolder(here, input)) throw new AppError('invalid', `IN is a folder: ${input}. It needs --out FOLDER.`);
  if (output === STANDARD_OUTPUT) {
    checkStandardOutput(json === true, process.env);
    return { names: [input], destination: { file: output } };
  }
  if (/^$|[\\/]$/.test(output)) {
    throw new AppError('invalid', `OUT is a folder: "${output}". Results go into a folder with --out FOLDER.`);
  }
  return { names: [input], destination: { file: resolve(here, output) } };
}

async function isFolder(here: string, name: string | undefined): Promise<boolean> {
  const stats = name ? await stat(resolve(here, name)).catch(() => undefined) : undefined;
  return stats?.isDirectory() ?? false;
}

/** The reader of a picture cannot use anything beside it. */
function checkStandardOutput(json: boolean, environment: NodeJS.ProcessEnv): void {
  if (json) throw new AppError('malformed', 'Standard output takes the picture or --json, not both.');
  if (process.stdout.isTTY)
    throw new AppError('malformed', 'Standard output is a terminal: send it into a file or pipe.');
  const { npm_lifecycle_event, npm_config_user_agent, npm_config_loglevel } = environment;
  const isNpm = npm_lifecycle_event !== undefined && npm_config_user_agent?.startsWith('npm/');
  if (isNpm && npm_config_loglevel !== 'silent') {
    throw new AppError(
      'malformed',
      'npm writes to standard output as well, before the picture: npm run --silent restore.',
    );
  }
}
