import { AppError } from '../../shared/error.ts';

/** A file of named tensors, whatever its format. Opening it reads only the table of contents. */
export interface Checkpoint extends AsyncDisposable {
  /** Shapes by tensor name, in the order of the file. */
  shapes: ReadonlyMap<string, readonly number[]>;
  /** One tensor, read now and converted to fp32. Throws AppError `engine-failed`. */
  read(name: string): Promise<Float32Array<ArrayBuffer>>;
}

/**
 * A network and a checkpoint must agree exactly: every expected tensor is there with its shape, and every tensor there
 * is expected. Otherwise throws one `engine-failed` that lists all differences.
 */
export function checkShapes(
  expected: ReadonlyMap<string, readonly number[]>,
  found: ReadonlyMap<string, readonly number[]>,
  source: string,
): void {
  const differences: string[] = [];
  for (const [name, shape] of expected) {
    const actual = found.get(name);
    if (!actual) differences.push(`missing ${name} [${shape}]`);
    else if (`${actual}` !== `${shape}`) differences.push(`${name} is [${actual}] and should be [${shape}]`);
  }
  for (const [name, shape] of found) {
    if (!expected.has(name)) differences.push(`unexpected ${name} [${shape}]`);
  }
  if (differences.length > 0) {
    throw new AppError('engine-failed', `${source} does not fit its network: ${differences.join('; ')}.`);
  }
}
