import { AppError } from '../../shared/error.ts';
import type { Dtype, Numbers } from './dtypes.ts';

export interface TensorEntry {
  readonly shape: readonly number[];
  /** As stored; reading converts. */
  readonly dtype: Dtype;
}

/** Named tensors, out of one file or several, as they are or merged. Opening it reads only the tables of contents. */
export interface Checkpoint extends AsyncDisposable {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** Paths of all files that the tensors come from. */
  readonly files: readonly string[];
  /**
   * Of a pickle: its nested dictionaries, and how many entries each has, tensors or not. Names are joined as those of
   * tensors are; '' is the outermost.
   */
  readonly dictionaries?: ReadonlyMap<string, number>;
  /** One tensor, read now, as fp32: exact, or rounded to the nearest. Throws AppError `engine-failed`. */
  read(name: string): Promise<Float32Array<ArrayBuffer>>;
  /** One tensor, read now, exactly: integers up to 2^53. Throws AppError `engine-failed`. */
  readValues(name: string): Promise<Float64Array<ArrayBuffer>>;
}

/** Both ways of reading, out of a function that gives exact numbers; these are not used again. */
export function readingOf(numbersOf: (name: string) => Promise<Numbers>): Pick<Checkpoint, 'read' | 'readValues'> {
  return {
    async read(name) {
      const numbers = await numbersOf(name);
      return numbers instanceof Float32Array ? numbers : new Float32Array(numbers);
    },
    async readValues(name) {
      const numbers = await numbersOf(name);
      return numbers instanceof Float64Array ? numbers : new Float64Array(numbers);
    },
  };
}

/** Of each kind of difference: a file of another network has thousands. */
const MAX_LISTED = 10;

/**
 * A network and a checkpoint must agree exactly: every expected tensor is there with its shape, and every tensor there
 * is expected. Otherwise throws one `engine-failed` that lists the differences.
 */
export function checkShapes(
  expected: ReadonlyMap<string, readonly number[]>,
  found: ReadonlyMap<string, Pick<TensorEntry, 'shape'>>,
  source: string,
): void {
  const missing: string[] = [];
  const wrong: string[] = [];
  for (const [name, shape] of expected) {
    const actual = found.get(name)?.shape;
    if (!actual) missing.push(`missing ${name} [${shape}]`);
    else if (`${actual}` !== `${shape}`) wrong.push(`${name} is [${actual}] and should be [${shape}]`);
  }
  const unexpected = [...found].filter(([name]) => !expected.has(name));
  const differences = [missing, wrong, unexpected.map(([name, { shape }]) => `unexpected ${name} [${shape}]`)];
  if (differences.every(({ length }) => length === 0)) return;
  throw new AppError('engine-failed', `${source} does not fit its network: ${differences.flatMap(listed).join('; ')}.`);
}

function listed(differences: string[]): string[] {
  const more = differences.length - MAX_LISTED;
  return more > 0 ? [...differences.slice(0, MAX_LISTED), `and ${more} more such`] : differences;
}
