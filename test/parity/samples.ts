import { access, readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { openCheckpoint } from '../../gpu-worker/weights/open-checkpoint.ts';
import { AppError } from '../../shared/error.ts';
import type { Verdict } from './verdict.ts';

interface Expected {
  /** File → tensor → its values, row by row. */
  readable: Record<string, Record<string, { dtype: string; shape: number[]; values: number[] }>>;
  /** File → why. */
  refused: Record<string, string>;
}

const DTYPES: Record<string, string> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint8: 'U8',
  bool: 'BOOL',
};
/** In the reason of a file that need not be refused; it may be followed by the file that it then equals. */
const OPTIONAL = /may also be read(?:, then it equals (\S+))?/;
/** The file that a careless reader of pickles would make. */
const TRACE = 'SHOULD_NOT_EXIST';

/** Reads every sample file of a set: each readable one equal value by value, every other one refused. */
export async function readSamples(folder: string): Promise<Verdict[]> {
  const samples = join(folder, 'samples');
  const list = join(samples, 'expected.json');
  if (
    await access(list).then(
      () => false,
      () => true,
    )
  )
    return [];
  const { readable, refused } = JSON.parse(await readFile(list, 'utf8')) as Expected;
  const verdicts: Verdict[] = [];
  for (const [file, tensors] of Object.entries(readable)) {
    const message = await differences(join(samples, file), tensors).catch((error: unknown) => `${error}`);
    verdicts.push(verdict(file, message));
  }
  for (const [file, reason] of Object.entries(refused)) {
    verdicts.push(verdict(file, await refusal(join(samples, file), reason, readable)));
  }
  const found = [process.cwd(), folder, samples, join(samples, 'pickle')].map((place) =>
    readdir(place).catch((): string[] => []),
  );
  const executed = (await Promise.all(found)).some((names) => names.includes(TRACE));
  return [...verdicts, verdict('nothing was executed', executed ? `There is a file ${TRACE}.` : '')];
}

function verdict(output: string, message: string): Verdict {
  return { id: 'samples', output, passes: message === '', tolerance: 'equal', ...(message && { message }) };
}

/** Empty when all is as it should be. */
async function differences(path: string, tensors: Expected['readable'][string]): Promise<string> {
  await using checkpoint = await openCheckpoint(path);
  const names = [...checkpoint.tensors.keys()].toSorted();
  if (!isDeepStrictEqual(names, Object.keys(tensors).toSorted())) return `It holds ${names.join(', ')}.`;
  for (const [name, { dtype, shape, values }] of Object.entries(tensors)) {
    const entry = checkpoint.tensors.get(name)!;
    if (entry.dtype !== DTYPES[dtype] || `${entry.shape}` !== `${shape}`) return `${name}: ${JSON.stringify(entry)}.`;
    const actual = Array.from(await checkpoint.readValues(name));
    if (!isDeepStrictEqual(actual, values)) return `${name} holds ${actual.slice(0, 8)}…`;
  }
  return '';
}

async function refusal(path: string, reason: string, readable: Expected['readable']): Promise<string> {
  try {
    await using checkpoint = await openCheckpoint(path);
    for (const name of checkpoint.tensors.keys()) await checkpoint.readValues(name);
  } catch (error) {
    return error instanceof AppError ? '' : `It fails with ${error}.`;
  }
  const optional = OPTIONAL.exec(reason);
  if (!optional) return `It is read, and should be refused: ${reason}.`;
  const twin = Object.keys(readable).find((file) => basename(file) === optional[1]);
  return twin === undefined ? '' : await differences(path, readable[twin]!);
}
