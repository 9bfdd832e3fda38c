import { extname, join } from 'node:path';
import { AppError } from '../../shared/error.ts';
import type { Parameters } from '../../shared/job.ts';
import { FORMAT_NAMES, fileEnding, formatNamed, type OutputFormat } from '../../shared/output-format.ts';
import type { Photo } from './find-photos.ts';

/** Names of results, and the formats that these mean. */

const FORMAT_OF_ENDING = new Map<string, OutputFormat>(FORMAT_NAMES.map((name) => [name, formatNamed(name)]));

export const DEFAULT_PATTERN = '{name}-{size}';
const PLACEHOLDERS: readonly string[] = ['name', 'size', 'scale', 'model'];

/**
 * Of a result that is called so; undefined where neither the ending nor `asked` says. Throws `malformed` for an ending that
 * is no output format, and for one that is another than `asked`. `what`: OUT or --name.
 */
export function formatOfName(what: string, name: string, asked: OutputFormat | undefined): OutputFormat | undefined {
  const ending = extname(name).slice(1).toLowerCase();
  if (ending === '') return asked;
  const format = FORMAT_OF_ENDING.get(ending);
  if (!format) {
    const endings = [...FORMAT_OF_ENDING.keys()].map((known) => `.${known}`);
    throw new AppError('malformed', `${what} ends in .${ending}, which is no output format: ${endings.join(', ')}.`);
  }
  if (asked && asked !== format)
    throw new AppError('malformed', `${what} ends in .${ending}, but --format is ${asked}.`);
  return format;
}

/** Throws `malformed`. */
export function checkPattern(pattern: string): void {
  if (pattern === '' || /[\\/\0]/.test(pattern)) {
    throw new AppError('malformed', `--name "${pattern}" must be the name of a file, without a folder.`);
  }
  const unknown = [...pattern.matchAll(/\{(.*?)\}/g)].find(([, key]) => !PLACEHOLDERS.includes(key!));
  if (!unknown) return;
  const known = PLACEHOLDERS.map((key) => `{${key}}`).join(', ');
  throw new AppError('malformed', `--name ${pattern}: there is no ${unknown[0]}; there is ${known}.`);
}

/** `pattern`: the ending may be left out. Throws `malformed` for a scale that was not asked for. */
export function resultPath(folder: string, pattern: string, photo: Photo, parameters: Parameters): string {
  const { model, scale, format } = parameters;
  if (scale === undefined && pattern.includes('{scale}')) {
    throw new AppError(
      'malformed',
      `--name ${pattern}: there is no scale with --target; {size} is the requested size.`,
    );
  }
  const values: Record<string, string> = { name: photo.name, size: sizeOf(parameters), scale: String(scale), model };
  const name = pattern.replace(/\{(\w+)\}/g, (_, key: string) => values[key]!);
  const ending = extname(pattern).length > 1 ? '' : `.${fileEnding(format)}`;
  return join(folder, photo.subfolder, `${name}${ending}`);
}

/** `4x`, or the target as `--target` takes it. */
function sizeOf({ scale, target }: Parameters): string {
  if (!target) return `${scale}x`;
  const { width = '', height = '', megapixels } = target;
  return megapixels === undefined ? `${width}x${height}` : `${megapixels}MP`;
}
