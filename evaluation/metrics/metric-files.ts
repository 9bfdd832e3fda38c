import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../../shared/error.ts';
import { isOnnx } from './learned.ts';
import { METRICS, type MetricId } from './registry.ts';

/** Those that need files. */
const LEARNED = METRICS.flatMap((metric) => ('needs' in metric ? [metric] : []));

/**
 * Paths of the files of metrics: those given as `ID=FILE,…` (the published ones, or an ONNX file), and ID.onnx of the directory.
 * A metric in neither is not there. Throws AppError `invalid` for an unknown id or another number of files, `not-found`
 * for a given file that is missing.
 */
export async function findMetricFiles(
  given: readonly string[],
  directory: string | undefined,
): Promise<Map<MetricId, string[]>> {
  const found = new Map<MetricId, string[]>();
  const isFile = async (path: string) => (await stat(path).catch(() => undefined))?.isFile() ?? false;
  for (const { id } of LEARNED) {
    const path = directory !== undefined && join(directory, `${id}.onnx`);
    if (path && (await isFile(path))) found.set(id, [path]);
  }
  for (const entry of given) {
    const [id, ...rest] = entry.split('=');
    const paths = rest.join('=').split(',');
    const metric = LEARNED.find((candidate) => candidate.id === id);
    if (!metric) {
      const ids = LEARNED.map((candidate) => candidate.id).join(', ');
      throw new AppError('invalid', `--metric ${entry}: it is ID=FILE,…; the ids are ${ids}.`);
    }
    const { files } = metric.needs;
    if (paths.includes('') || (paths.length !== files.length && !isOnnx(paths))) {
      throw new AppError(
        'invalid',
        `--metric ${entry}: it is ${metric.id}=${files.join(',')}, or ${metric.id}=FILE.onnx.`,
      );
    }
    for (const path of paths) {
      if (!(await isFile(path))) throw new AppError('not-found', `--metric ${metric.id}: there is no file ${path}.`);
    }
    found.set(metric.id, paths);
  }
  return found;
}

/** For people: every metric with what it needs. */
export function describeMetrics(): string {
  return METRICS.map((metric) => {
    if (!('needs' in metric)) return `  ${metric.id}: ${metric.label}, built in`;
    const { files, from, license } = metric.needs;
    return `  ${metric.id}=${files.join(',')}: ${metric.label}\n      files: ${from}\n      license: ${license}`;
  }).join('\n');
}
