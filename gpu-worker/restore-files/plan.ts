import { AppError } from '../../shared/error.ts';
import type { Parameters } from '../../shared/job.ts';
import type { InstalledModel } from '../../shared/methods/model-facts.ts';
import { defaultOutputFormat, type OutputFormat } from '../../shared/output-format.ts';
import { completeParameters } from '../../shared/parameters.ts';
import { type Destination, STANDARD_OUTPUT } from './destination.ts';
import type { FoundPhotos, Photo } from './find-photos.ts';
import { identityOf } from './identity.ts';
import type { RequestedParameters } from './parameter-options.ts';
import { formatOfName, resultPath } from './result-names.ts';
import { statIfThere } from './result-place.ts';
import { isEndingOf } from './walk-folder.ts';

/** One photo, and its result. */
export interface Task {
  photo: Photo;
  outputPath: string;
  parameters: Parameters;
}

interface PlanOptions {
  destination: Destination;
  requested: RequestedParameters;
  installed: readonly InstalledModel[];
  /** Results of an earlier run may lie among the photos. */
  skipExisting: boolean;
}

/**
 * Throws `invalid` for a result that would take the place of a photo, and `conflict` for two of one name; and the
 * errors of `formatOfName` and `completeParameters`.
 */
export async function planTasks({ photos, leftOut }: FoundPhotos, options: PlanOptions): Promise<Task[]> {
  const format = formatOfDestination(options.destination, options.requested.format);
  const tasks = photos.map((photo) => taskFor(photo, format, options));
  checkNames(tasks);
  const earlierResults = await findResultsAmongPhotos(tasks, options.skipExisting);
  leftOut.results += earlierResults.size;
  return tasks.filter(({ photo }) => !earlierResults.has(photo.identity));
}

function taskFor(photo: Photo, format: OutputFormat | undefined, options: PlanOptions): Task {
  const { destination, requested, installed } = options;
  const input = isEndingOf('heic', photo.ending) ? 'heic' : undefined;
  const settled = format ?? defaultOutputFormat(input, requested.bit_depth);
  const parameters = completeParameters({ ...requested, format: settled }, installed);
  const outputPath =
    'file' in destination ? destination.file : resultPath(destination.folder, destination.pattern, photo, parameters);
  return { photo, outputPath, parameters };
}

/** Undefined where it depends on the photo. Throws `invalid`. */
function formatOfDestination(destination: Destination, asked: OutputFormat | undefined): OutputFormat | undefined {
  if (!('file' in destination)) return formatOfName('--name', destination.pattern, asked);
  return destination.file === STANDARD_OUTPUT ? asked : formatOfName('OUT', destination.file, asked);
}

function checkNames(tasks: readonly Task[]): void {
  const first = new Map<string, Task>();
  for (const task of tasks) {
    const other = first.get(task.outputPath);
    if (other) {
      throw new AppError(
        'conflict',
        `${other.photo.shown} and ${task.photo.shown} would both become ${task.outputPath}. With --recursive and the name of a folder the results keep their folders.`,
      );
    }
    first.set(task.outputPath, task);
  }
}

/** Where photos and results share a folder. */
async function findResultsAmongPhotos(tasks: readonly Task[], skipExisting: boolean): Promise<Set<string>> {
  const photos = new Map(tasks.map(({ photo }) => [photo.identity, photo]));
  const results = new Set<string>();
  for (const { photo, outputPath } of tasks) {
    if (outputPath === STANDARD_OUTPUT) continue;
    const standing = await statIfThere(outputPath).catch(() => undefined); // is said when it is its turn
    const inTheWay = standing && photos.get(identityOf(standing));
    if (!inTheWay) continue;
    if (inTheWay.identity === photo.identity) {
      throw new AppError('invalid', `IN and OUT are the same file: ${photo.shown} and ${outputPath}.`);
    }
    if (!skipExisting) {
      throw new AppError(
        'invalid',
        `The result of ${photo.shown} would take the place of ${inTheWay.shown}, which is one of the photos. If it is a result of an earlier run, --skip-existing keeps it.`,
      );
    }
    results.add(inTheWay.identity);
  }
  return results;
}
