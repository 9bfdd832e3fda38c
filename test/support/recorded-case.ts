import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Pixels } from '../../gpu-worker/images/image.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';

/** The set in this repository; its README documents the layout that this file reads. */
export const RECORDED_SET = fileURLToPath(new URL('../fixtures/seesr/', import.meta.url));

const shape = z.array(z.int().nonnegative());
/** As in Python: start, end (both may be null or count from the end), step. */
const slice = z.union([z.array(z.int().nullable()).min(2).max(3), z.null()]);
const selectSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('flat'), step: z.int().positive(), count: z.int(), of_shape: shape }),
  /** One slice an axis, of the last axes if there are fewer. */
  z.object({ kind: z.literal('crop'), slices: z.array(slice), of_shape: shape }),
  z.object({ kind: z.literal('at'), indices: z.array(z.int().nonnegative()), of_shape: shape }),
]);
const inputSchema = z.object({ file: z.string(), tensor: z.string(), shape, dtype: z.string() });
const outputSchema = inputSchema.extend({
  select: selectSchema.optional(),
  mean: z.number().optional(),
  std: z.number().optional(),
  atol: z.number().optional(),
  rtol: z.number().optional(),
  exact: z.boolean().optional(),
  levels: z.number().optional(),
  /** Beside `levels`: how many of the values may differ at all. */
  share: z.number().optional(),
});
const fileSchema = z.object({ file: z.string() });
const caseSchema = z.object({
  id: z.string(),
  title: z.string(),
  exercises: z.string(),
  parameters: z.record(z.string(), z.unknown()),
  inputs: z.record(z.string(), z.union([inputSchema, fileSchema])),
  outputs: z.record(z.string(), z.union([outputSchema, fileSchema])),
});
/** Format 1 is that of the SeeSR set, whose cases do not say their kind. */
const setSchema = z.discriminatedUnion('format', [
  z.object({ format: z.literal(1), system: z.literal('seesr').default('seesr'), cases: z.array(caseSchema) }),
  z.object({ format: z.literal(2), system: z.string(), cases: z.array(caseSchema.extend({ kind: z.string() })) }),
]);

type Entry = z.infer<typeof inputSchema>;
type RecordedOutput = z.infer<typeof outputSchema>;

/** Numbers of any recorded type, row by row; integers as doubles. */
interface Recorded {
  data: Float32Array | Float64Array | Uint8Array;
  shape: readonly number[];
}

/** The result of a comparison. `worst` is the largest ratio of difference and allowed difference: at most 1 passes. */
interface Comparison {
  passes: boolean;
  largestDifference: number;
  /** |a − b| / |b| where |b| is at least a thousandth of the largest value: tiny values say nothing. */
  largestRelative: number;
  worst: number;
  /** The allowed difference, in words. */
  rule: string;
  /** The rule, and the worst place. */
  message: string;
}

export interface RecordedCase {
  id: string;
  /** Of the set: its `checkpoints` are beside the cases. */
  folder: string;
  title: string;
  exercises: string;
  /** The kind of its computation; undefined in format 1. */
  kind: string | undefined;
  parameters: Record<string, unknown>;
  inputNames: string[];
  outputNames: string[];
  /** Path in the folder. */
  inputFile(input: string): string;
  /** Under PyTorch's name. */
  inputType(input: string): string;
  /** fp32 input as a tensor; int64 ids and 8-bit values are converted. */
  tensor(input: string): Promise<Tensor>;
  /** 8-bit input picture, height × width × 3, or × 1 for a grey one. */
  image(input: string): Promise<Pixels>;
  /** The record of an output, selected values only where `select` says so. */
  recorded(output: string): Promise<Recorded>;
  /** Shape of the whole output, before any selection. */
  shape(output: string): readonly number[];
  /** Text of the file of an output that is not a tensor. */
  text(output: string): Promise<string>;
  /** Compares a whole output (any selection is made here) by its recorded rule. Throws where the sizes differ. */
  compare(output: string, actual: ArrayLike<number>): Promise<Comparison>;
  /** Throws, with the rule and the worst place, where `compare` does not pass. */
  expectClose(output: string, actual: ArrayLike<number>): Promise<void>;
}

/** All cases of a set in the documented layout, by id, in the set's order, and the system that it records. */
export async function readSet(folder: string): Promise<{ system: string; cases: Map<string, RecordedCase> }> {
  const { system, cases } = setSchema.parse(JSON.parse(await readFile(join(folder, 'cases.json'), 'utf8')));
  return { system, cases: new Map(cases.map((recorded) => [recorded.id, createCase(recorded, folder)])) };
}

export async function openSet(folder: string = RECORDED_SET): Promise<Map<string, RecordedCase>> {
  return (await readSet(folder)).cases;
}

export async function openCase(id: string, folder: string = RECORDED_SET): Promise<RecordedCase> {
  const found = (await openSet(folder)).get(id);
  if (!found) throw new Error(`The set ${folder} has no case ${id}.`);
  return found;
}

type CaseEntry = z.infer<typeof caseSchema> & { kind?: string };

function createCase({ inputs, outputs, kind, ...about }: CaseEntry, folder: string): RecordedCase {
  const read = (entry: Entry) => readTensor(join(folder, entry.file), entry.tensor);
  const input = (name: string) => read(tensorEntry(inputs[name], `${about.id}: input ${name}`));
  const output = (name: string) => tensorEntry(outputs[name], `${about.id}: output ${name}`);
  const compare = async (name: string, actual: ArrayLike<number>) =>
    compareRecorded(`${about.id}: ${name}`, actual, await read(output(name)), output(name));
  return {
    ...about,
    kind,
    folder,
    inputNames: Object.keys(inputs),
    outputNames: Object.keys(outputs),
    inputFile: (name) => inputs[name]!.file,
    inputType: (name) => tensorEntry(inputs[name], `${about.id}: input ${name}`).dtype,
    async tensor(name) {
      const { data, shape } = await input(name);
      return { data: Float32Array.from(data), shape };
    },
    async image(name) {
      const { data, shape } = await input(name);
      const channels = shape[2];
      if (!(data instanceof Uint8Array) || shape.length !== 3 || (channels !== 1 && channels !== 3))
        throw new Error(`${about.id}: ${name} is no 8-bit picture but [${shape}].`);
      return { width: shape[1]!, height: shape[0]!, channels, data };
    },
    recorded: (name) => read(output(name)),
    shape: (name) => output(name).select?.of_shape ?? output(name).shape,
    text: (name) => readFile(join(folder, outputs[name]!.file), 'utf8'),
    compare,
    async expectClose(name, actual) {
      const { passes, message } = await compare(name, actual);
      if (!passes) throw new Error(message);
    },
  };
}

function tensorEntry<T extends Entry>(entry: T | { file: string } | undefined, what: string): T {
  if (!entry || !('tensor' in entry)) throw new Error(`${what} is not a recorded tensor.`);
  return entry;
}

/** One tensor of a safetensors file, read without the product's own reader: that one is under test as well. */
async function readTensor(path: string, name: string): Promise<Recorded> {
  await using file = await open(path, 'r');
  const length = new DataView((await readBytes(8, 0)).buffer).getBigUint64(0, true);
  const header = JSON.parse(new TextDecoder().decode(await readBytes(Number(length), 8)));
  const { dtype, shape, data_offsets: offsets } = header[name];
  const { buffer } = await readBytes(offsets[1] - offsets[0], 8 + Number(length) + offsets[0]);
  if (dtype === 'F32') return { data: new Float32Array(buffer), shape };
  if (dtype === 'F64') return { data: new Float64Array(buffer), shape };
  if (dtype === 'I32') return { data: Float64Array.from(new Int32Array(buffer)), shape };
  if (dtype === 'F16') return { data: Float32Array.from(new Float16Array(buffer)), shape };
  if (dtype === 'U8' || dtype === 'BOOL') return { data: new Uint8Array(buffer), shape };
  if (dtype === 'I8') return { data: Float64Array.from(new Int8Array(buffer)), shape };
  if (dtype === 'I64') return { data: Float64Array.from(new BigInt64Array(buffer), Number), shape };
  throw new Error(`${path}: ${name} has the type ${dtype}, which no case needs so far.`);

  async function readBytes(bytes: number, position: number) {
    return (await file.read(new Uint8Array(bytes), 0, bytes, position)).buffer;
  }
}

function compareRecorded(
  what: string,
  whole: ArrayLike<number>,
  expected: Recorded,
  output: RecordedOutput,
): Comparison {
  const actual = select(what, whole, output);
  const { exact, levels, share } = output;
  if (!exact && levels === undefined && output.atol === undefined) throw new Error(`${what} has no tolerance.`);
  const [atol, rtol] = exact ? [0, 0] : levels === undefined ? [output.atol!, output.rtol ?? 0] : [levels, 0];
  const inLevels = `within ${levels} levels${share === undefined ? '' : `, ${100 * share} % of the values`}`;
  const rule = exact ? 'to the bit' : levels === undefined ? `within ${atol} + ${rtol}·|b|` : inLevels;
  const found = differences(actual, expected.data, (value) => atol + rtol * Math.abs(value));
  const moments = checkMoments(whole, output, atol, rtol);
  const isRare = share === undefined || found.different <= share * expected.data.length;
  const place = `at ${found.place} of ${actual.length}: ${actual[found.place]} instead of ${expected.data[found.place]}`;
  return {
    passes: found.worst <= 1 && isRare && moments === '',
    largestDifference: found.largestDifference,
    largestRelative: found.largestRelative,
    worst: found.worst,
    rule,
    message: `${what} should agree ${rule}; ${found.different} values differ, largest difference ${found.largestDifference}, worst ${place}.${moments}`,
  };
}

function differences(actual: ArrayLike<number>, expected: ArrayLike<number>, allowed: (value: number) => number) {
  let most = 0;
  for (let index = 0; index < expected.length; index++) most = Math.max(most, Math.abs(expected[index]!));
  const result = { largestDifference: 0, largestRelative: 0, different: 0, worst: 0, place: 0 };
  for (let index = 0; index < expected.length; index++) {
    const value = expected[index]!;
    const distance = Math.abs(actual[index]! - value);
    // Also NaN is a difference, and an infinite one.
    const difference = Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance;
    const ratio = difference === 0 ? 0 : difference / allowed(value);
    if (ratio > result.worst) Object.assign(result, { worst: ratio, place: index });
    if (difference > 0) result.different++;
    result.largestDifference = Math.max(result.largestDifference, difference);
    if (Math.abs(value) >= most / 1000 && value !== 0)
      result.largestRelative = Math.max(result.largestRelative, difference / Math.abs(value));
  }
  return result;
}

/** The part of a whole tensor that is recorded. */
function select(what: string, whole: ArrayLike<number>, { select: selection, shape }: RecordedOutput) {
  const expectedShape = selection?.of_shape ?? shape;
  const count = expectedShape.reduce((product, size) => product * size, 1);
  if (whole.length !== count) throw new Error(`${what} has ${whole.length} values, [${expectedShape}] is ${count}.`);
  if (!selection) return whole;
  if (selection.kind === 'flat')
    return Array.from({ length: selection.count }, (_, index) => whole[index * selection.step]!);
  if (selection.kind === 'at') return selection.indices.map((index) => whole[index]!);
  const slices = [...expectedShape.slice(selection.slices.length).map(() => null), ...selection.slices];
  let positions = [0];
  for (const [axis, size] of expectedShape.entries()) {
    const along = slicePositions(slices[axis] ?? [null, null], size);
    positions = positions.flatMap((position) => along.map((offset) => position * size + offset));
  }
  return positions.map((position) => whole[position]!);
}

function slicePositions([start, end, step]: readonly (number | null | undefined)[], size: number): number[] {
  const absolute = (position: number) => Math.min(size, position < 0 ? position + size : position);
  const [first, last] = [absolute(start ?? 0), absolute(end ?? size)];
  return Array.from({ length: Math.ceil((last - first) / (step ?? 1)) }, (_, index) => first + index * (step ?? 1));
}

/** They are recorded with seven digits. */
const MOMENT_ROUNDING = 5e-7;

/**
 * Mean and standard deviation are of the whole tensor; where every value is within its tolerance, they are too. Values that are
 * kept one by one are those that a tolerance can be told for: nothing is known of the others.
 */
function checkMoments(
  whole: ArrayLike<number>,
  { mean, std, select: selection }: RecordedOutput,
  atol: number,
  rtol: number,
): string {
  if (mean === undefined || std === undefined || selection?.kind === 'at') return '';
  let sum = 0;
  for (let index = 0; index < whole.length; index++) sum += whole[index]!;
  const actualMean = sum / whole.length;
  let squares = 0;
  for (let index = 0; index < whole.length; index++) squares += (whole[index]! - actualMean) ** 2;
  const actualStd = Math.sqrt(squares / whole.length);
  const allowed = atol + rtol * (Math.abs(mean) + std);
  const agrees = (actual: number, recorded: number) =>
    Math.abs(actual - recorded) <= allowed + MOMENT_ROUNDING * Math.abs(recorded);
  if (agrees(actualMean, mean) && agrees(actualStd, std)) return '';
  return ` Mean and deviation of the whole are ${actualMean} and ${actualStd} instead of ${mean} and ${std}.`;
}
