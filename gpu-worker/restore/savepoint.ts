import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { canonicalJson } from '../../shared/canonical-json.ts';
import { SOFTWARE } from '../software.ts';
import type { Savepoint, Savepoints } from './restorer.ts';

/** A savepoint that has been written. */
export interface SavepointFile {
  path: string;
  step: number;
}

interface OpenOptions {
  /** Where new ones are written. */
  directory: string;
  /** Of the savepoint of an earlier attempt. */
  path?: string;
  /** Everything beside the program that the numbers depend on. */
  dependsOn: Record<string, unknown>;
  onSaved: (file: SavepointFile) => void;
  /** The savepoint at `path` is of no use. */
  onRefused: (reason: string) => void;
}

/** Rises when the program gives other numbers, or writes them in another way. */
const SAVEPOINT_FORMAT = 2;

const headerSchema = z.object({
  fingerprint: z.string(),
  step: z.int().positive(),
  /** Values of the sample, and of each array of the sampler's memory after it. */
  length: z.int().positive(),
  /** Arrays of the memory. */
  remembers: z.int().nonnegative(),
});

/**
 * The savepoints of one run: a line of JSON, then float32 numbers as the processor writes them (little-endian on all
 * that ONNX Runtime knows). One that does not fit the run exactly is refused, so that a result never mixes two.
 */
export function openSavepoints({ directory, path, dependsOn, onSaved, onRefused }: OpenOptions): Savepoints {
  const identity = canonicalJson({ format: SAVEPOINT_FORMAT, software: SOFTWARE, ...dependsOn });
  const fingerprint = createHash('sha256').update(identity).digest('hex');
  const from = path === undefined ? undefined : readSavepoint(path, fingerprint);
  if (typeof from === 'string') onRefused(from);
  return {
    ...(typeof from === 'object' && { from }),
    save(savepoint) {
      const file = { path: join(directory, `savepoint-${savepoint.step}`), step: savepoint.step };
      try {
        writeSavepoint(file.path, fingerprint, savepoint);
        onSaved(file);
      } catch {
        // The next may fare better.
      }
    },
  };
}

/** At once: from then on the process may be killed. */
function writeSavepoint(path: string, fingerprint: string, { step, state }: Savepoint): void {
  const { sample, memory = [] } = state;
  const header = { fingerprint, step, length: sample.length, remembers: memory.length };
  const parts = [sample, ...memory].map(bytesOf);
  writeFileSync(`${path}.new`, Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), ...parts]));
  renameSync(`${path}.new`, path);
}

/** Or why it is of no use. */
function readSavepoint(path: string, fingerprint: string): Savepoint | string {
  try {
    const file = readFileSync(path);
    const end = file.indexOf('\n');
    const header = headerSchema.parse(JSON.parse(file.toString('utf8', 0, end)));
    if (header.fingerprint !== fingerprint) return 'It is of another run.';
    const numbers = file.subarray(end + 1);
    const { step, length, remembers } = header;
    const expectedBytes = (1 + remembers) * length * Float32Array.BYTES_PER_ELEMENT;
    if (numbers.length !== expectedBytes) return `It has ${numbers.length} bytes of numbers, not ${expectedBytes}.`;
    // A copy begins where floats may.
    const values = new Float32Array(new Uint8Array(numbers).buffer);
    if (!values.every(Number.isFinite)) return 'It has numbers that are not finite.';
    const arrays = Array.from({ length: 1 + remembers }, (_, at) => values.slice(at * length, (at + 1) * length));
    const [sample, ...memory] = arrays as [Float32Array, ...Float32Array[]];
    return { step, state: { sample, ...(remembers > 0 && { memory }) } };
  } catch (error) {
    return `It cannot be read: ${(error as Error).message}`;
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
