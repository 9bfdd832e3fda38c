import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dtype } from '../../gpu-worker/weights/dtypes.ts';
import { openCheckpoint } from '../../gpu-worker/weights/open-checkpoint.ts';
import { AppError } from '../../shared/error.ts';
import { SAFETENSORS_MUTATIONS } from '../support/mutations-safetensors.ts';
import { TORCH_LEGACY_MUTATIONS, TORCH_MUTATIONS } from '../support/mutations-torch.ts';
import type { Expected } from '../support/mutations-weights.ts';
import { createRandom } from '../support/random.ts';
import { SAFETENSORS_VALUES } from '../support/safetensors-sample.ts';
import { TORCH_VALUES } from '../support/torch-sample.ts';

const FORMATS = {
  safetensors: { mutations: SAFETENSORS_MUTATIONS, values: SAFETENSORS_VALUES },
  pth: { mutations: TORCH_MUTATIONS, values: TORCH_VALUES },
  'pth before 1.6': { mutations: TORCH_LEGACY_MUTATIONS, values: TORCH_VALUES },
};

/** The outcome of reading one file. */
export interface Reading {
  format: keyof typeof FORMATS;
  mutation: string;
  expected: Expected;
  outcome: 'same' | 'other' | 'refused';
  /** Of processors. */
  milliseconds: number;
  /** Allocated while it was opened, or while one of its tensors was read, whichever is more. */
  allocatedBytes: number;
}

export interface WeightsReport {
  readings: Reading[];
  /** Everything that ought not to be, in words. */
  faults: string[];
}

/** A value of a pickle takes 300 bytes and may come of one; two such values may exist at a time. */
const MAX_ALLOCATED_PER_BYTE = 600;
/** Enough for reading the smallest file, and for a view that repeats one number 2^16 times, both with room. */
const MAX_ALLOCATED_BYTES = 4 * 2 ** 20;
const MAX_MESSAGE_CHARACTERS = 3_000;
/** Of all tensors of one file, beside the file's own bytes. */
const MAX_REPEATED_ELEMENTS = 2 ** 16;

/** Weight files with every mutation in turn: the same ones for the same `random`. Never empty. */
function* mutateWeights(random: () => number) {
  for (;;) {
    for (const format of Object.keys(FORMATS) as (keyof typeof FORMATS)[]) {
      const { mutations, values } = FORMATS[format];
      for (const [mutation, { expected, make }] of Object.entries(mutations)) {
        yield { format, mutation, expected, bytes: make(random), values };
      }
    }
  }
}

/** Reads mutated weight files one after the other, as a build reads them, and compares the outcomes. */
export async function readHostileWeights(directory: string, seed: number, count: number): Promise<WeightsReport> {
  const path = join(directory, 'weights');
  const readings: Reading[] = [];
  const faults: string[] = [];
  for (const { format, mutation, expected, bytes, values } of mutateWeights(createRandom(seed)).take(count)) {
    await writeFile(path, bytes);
    const started = process.cpuUsage();
    const { outcome, allocatedBytes, fault } = await read(path, bytes, values);
    const { user, system } = process.cpuUsage(started);
    const tell = (what: string) => faults.push(`File ${readings.length} (${format}, ${mutation}): ${what}`);
    if (fault) tell(fault);
    else if (expected !== 'either' && outcome !== expected) tell(`${outcome}, and should be ${expected}.`);
    if (allocatedBytes > MAX_ALLOCATED_BYTES + MAX_ALLOCATED_PER_BYTE * bytes.length) {
      tell(`${allocatedBytes} bytes were allocated for ${bytes.length}.`);
    }
    const milliseconds = (user + system) / 1000;
    readings.push({ format, mutation, expected, outcome, milliseconds, allocatedBytes });
  }
  await rm(path, { force: true });
  return { readings, faults };
}

async function read(path: string, bytes: Buffer, values: ReadonlyMap<string, readonly number[]>) {
  const meter = meterAllocation();
  let isSame = true;
  let outcome: Reading['outcome'] = 'refused';
  let fault: string | undefined;
  try {
    await using checkpoint = await openCheckpoint(path);
    meter.look();
    isSame = checkpoint.tensors.size === values.size;
    for (const [name, { dtype, shape }] of checkpoint.tensors) {
      const numbers = await checkpoint.readValues(name);
      meter.look();
      const elements = shape.reduce((product, size) => product * size, 1);
      if (numbers.length !== elements) fault = `${name} has ${numbers.length} numbers for [${shape}].`;
      if (numbers.length > Math.max(bytes.length, MAX_REPEATED_ELEMENTS))
        fault = `${name} has ${numbers.length} numbers.`;
      const were = values.get(name);
      if (were?.length === numbers.length && were.every((value, index) => Object.is(value, numbers[index]))) continue;
      isSame = false;
      const stray = strayNumber(numbers, dtype, bytes);
      if (stray !== undefined) fault = `${name} has the number ${stray}, which is not in the file.`;
    }
    outcome = isSame ? 'same' : 'other';
  } catch (error) {
    meter.look();
    if (!(error instanceof AppError) || error.code !== 'engine-failed') fault = `it ended in ${String(error)}`;
    else if (error.message.length > MAX_MESSAGE_CHARACTERS)
      fault = `its refusal has ${error.message.length} characters.`;
  }
  return { outcome, allocatedBytes: meter.most(), fault };
}

/** The most that came to be between two looks; less where memory was reclaimed in between. */
function meterAllocation() {
  const used = () => {
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  let before = used();
  let most = 0;
  return {
    look() {
      const now = used();
      most = Math.max(most, now - before);
      before = now;
    },
    most: () => most,
  };
}

const DECODERS: Record<Dtype, { bytes: number; at: (view: DataView, at: number) => number }> = {
  F64: { bytes: 8, at: (view, at) => view.getFloat64(at, true) },
  F32: { bytes: 4, at: (view, at) => view.getFloat32(at, true) },
  F16: { bytes: 2, at: (view, at) => view.getFloat16(at, true) },
  BF16: { bytes: 2, at: (view, at) => floatOf(view.getUint16(at, true)) },
  I64: { bytes: 8, at: (view, at) => Number(view.getBigInt64(at, true)) },
  I32: { bytes: 4, at: (view, at) => view.getInt32(at, true) },
  I16: { bytes: 2, at: (view, at) => view.getInt16(at, true) },
  I8: { bytes: 1, at: (view, at) => view.getInt8(at) },
  U64: { bytes: 8, at: (view, at) => Number(view.getBigUint64(at, true)) },
  U32: { bytes: 4, at: (view, at) => view.getUint32(at, true) },
  U16: { bytes: 2, at: (view, at) => view.getUint16(at, true) },
  U8: { bytes: 1, at: (view, at) => view.getUint8(at) },
  BOOL: { bytes: 1, at: (view, at) => Math.min(1, view.getUint8(at)) },
};

/** A number that stands nowhere in the file, read at every byte; undefined if there is none. */
function strayNumber(numbers: Float64Array, dtype: Dtype, file: Buffer): number | undefined {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const { bytes, at } = DECODERS[dtype];
  const present = new Set<number>();
  for (let position = 0; position + bytes <= file.length; position++) present.add(at(view, position));
  return numbers.find((number) => !present.has(number));
}

/** A bfloat16 is the upper half of a float. */
function floatOf(upper: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint16(2, upper, true);
  return view.getFloat32(0, true);
}
