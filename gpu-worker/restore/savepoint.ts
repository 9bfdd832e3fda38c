import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { canonicalJson } from '../../shared/canonical-json.ts';
import type { SamplerState } from '../schedulers/scheduler.ts';
import { SOFTWARE } from '../software.ts';

/** Sampling between two steps: all that the steps to come need of those that are done. */
interface Checkpoint {
  /** How many steps are done. */
  step: number;
  state: SamplerState;
}

/** A checkpoint that has been written. */
export interface CheckpointFile {
  path: string;
  step: number;
}

export interface Checkpoints {
  /** Where an earlier attempt got. */
  from?: Checkpoint;
  /** Called after every step but the last. Never throws: the job does not depend on it. */
  save: (checkpoint: Checkpoint) => void;
}

interface OpenOptions {
  /** Where new ones are written. */
  directory: string;
  /** Of the checkpoint of an earlier attempt. */
  path?: string;
  /** Everything beside the program that the numbers depend on. */
  dependsOn: Record<string, unknown>;
  onSaved: (file: CheckpointFile) => void;
  /** The checkpoint at `path` is of no use. */
  onRefused: (reason: string) => void;
}

/** Rises when the program gives other numbers, or writes them in another way. */
const CHECKPOINT_FORMAT = 1;

const headerSchema = z.object({
  fingerprint: z.string(),
  step: z.int().positive(),
  /** Values of the sample and, where the scheduler remembers them, as many clean latents after it. */
  length: z.int().positive(),
  remembers: z.boolean(),
});

/**
 * The checkpoints of one run: a line of JSON, then float32 numbers as the processor writes them (little-endian on all
 * that ONNX Runtime knows). One that does not fit the run exactly is refused, so that a result never mixes two.
 */
export function openCheckpoints({ directory, path, dependsOn, onSaved, onRefused }: OpenOptions): Checkpoints {
  const identity = canonicalJson({ format: CHECKPOINT_FORMAT, software: SOFTWARE, ...dependsOn });
  const fingerprint = createHash('sha256').update(identity).digest('hex');
  const from = path === undefined ? undefined : readCheckpoint(path, fingerprint);
  if (typeof from === 'string') onRefused(from);
  return {
    ...(typeof from === 'object' && { from }),
    save(checkpoint) {
      const file = { path: join(directory, `checkpoint-${checkpoint.step}`), step: checkpoint.step };
      try {
        writeCheckpoint(file.path, fingerprint, checkpoint);
        onSaved(file);
      } catch {
        // The next may fare better.
      }
    },
  };
}

/** At once: from then on the process may be killed. */
function writeCheckpoint(path: string, fingerprint: string, { step, state }: Checkpoint): void {
  const { sample, previousClean } = state;
  const header = { fingerprint, step, length: sample.length, remembers: previousClean !== undefined };
  const parts = [bytesOf(sample), ...(previousClean ? [bytesOf(previousClean)] : [])];
  writeFileSync(`${path}.new`, Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), ...parts]));
  renameSync(`${path}.new`, path);
}

/** Or why it is of no use. */
function readCheckpoint(path: string, fingerprint: string): Checkpoint | string {
  try {
    const file = readFileSync(path);
    const end = file.indexOf('\n');
    const header = headerSchema.parse(JSON.parse(file.toString('utf8', 0, end)));
    if (header.fingerprint !== fingerprint) return 'It is of another run.';
    const numbers = file.subarray(end + 1);
    const { step, length, remembers } = header;
    const expectedBytes = (remembers ? 2 : 1) * length * Float32Array.BYTES_PER_ELEMENT;
    if (numbers.length !== expectedBytes) return `It has ${numbers.length} bytes of numbers, not ${expectedBytes}.`;
    // A copy begins where floats may.
    const values = new Float32Array(new Uint8Array(numbers).buffer);
    if (!values.every(Number.isFinite)) return 'It has numbers that are not finite.';
    const state = { sample: values.slice(0, length), ...(remembers && { previousClean: values.slice(length) }) };
    return { step, state };
  } catch (error) {
    return `It cannot be read: ${(error as Error).message}`;
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
