import { z } from 'zod';
import { AppError } from '../../shared/error.ts';
import { elementCount } from '../tensor/tensor.ts';
import { type BinaryFile, openBinaryFile } from './binary-file.ts';
import { type Checkpoint, readingOf } from './checkpoint.ts';
import { bytesPerElement, isDtype, toNumbers } from './dtypes.ts';
import { parseJsonObject } from './strict-json.ts';

/** Headers of the largest published models have about 1 MB. Three bytes of JSON may make a value of sixty. */
const MAX_HEADER_BYTES = 2 ** 24;
const MAX_LISTED_ISSUES = 5;
/** Of a name in a message. */
const MAX_SHOWN_CHARACTERS = 200;
const LENGTH_BYTES = 8;

const size = z.int().nonnegative();
const entrySchema = z.object({
  dtype: z
    .string()
    .refine(isDtype, { error: ({ input }) => `the type ${String(input).slice(0, 100)} is not supported` }),
  shape: z.array(size).max(8),
  data_offsets: z.tuple([size, size]),
});
type Entry = z.infer<typeof entrySchema>;

/**
 * Opens a safetensors file: 8 bytes of header length, a JSON header, then the tensors, little-endian, offsets counted
 * from the end of the header (https://github.com/huggingface/safetensors, README, "Format").
 * Throws AppError `engine-failed` for a file that breaks a rule; nothing is allocated that the file does not hold.
 */
export async function openSafetensors(path: string): Promise<Checkpoint> {
  const file = await openBinaryFile(path);
  try {
    const headerBytes = await readHeaderLength(file);
    const dataStart = LENGTH_BYTES + headerBytes;
    const entries = parseHeader(await file.read(LENGTH_BYTES, headerBytes), path);
    checkLayout(entries, file.bytes - dataStart, path);
    return {
      tensors: new Map([...entries].map(([name, { shape, dtype }]) => [name, { shape, dtype }])),
      files: [path],
      ...readingOf(async (name) => {
        const entry = entries.get(name);
        if (!entry) throw new AppError('engine-failed', `${path} has no tensor ${name}.`);
        const [start, end] = entry.data_offsets;
        return toNumbers(entry.dtype, (await file.read(dataStart + start, end - start)).buffer);
      }),
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    };
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

async function readHeaderLength(file: BinaryFile): Promise<number> {
  if (file.bytes < LENGTH_BYTES) {
    throw broken(file.path, `it has ${file.bytes} bytes; its length field alone has ${LENGTH_BYTES}`);
  }
  const length = new DataView((await file.read(0, LENGTH_BYTES)).buffer).getBigUint64(0, true);
  const most = Math.min(MAX_HEADER_BYTES, file.bytes - LENGTH_BYTES);
  if (length > most) throw broken(file.path, `its header claims ${length} bytes, at most ${most} are possible`);
  return Number(length);
}

function parseHeader(bytes: Uint8Array, path: string): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const [name, value] of Object.entries(parseObject(bytes, path))) {
    if (name === '__metadata__') continue;
    const parsed = entrySchema.safeParse(value);
    if (!parsed.success) {
      const rules = parsed.error.issues
        .slice(0, MAX_LISTED_ISSUES)
        .map((issue) => `${issue.path.join('.')}: ${issue.message}`);
      throw broken(path, `the entry of ${shown(name)} is not valid (${rules.join(', ')})`);
    }
    entries.set(name, parsed.data);
  }
  return entries;
}

function parseObject(bytes: Uint8Array, path: string): Record<string, unknown> {
  try {
    return parseJsonObject(bytes);
  } catch (error) {
    throw broken(path, `its header is not JSON as it should be (${(error as Error).message})`);
  }
}

/** The tensors lie one after the other and fill the file: no overlaps, no gaps, nothing outside. */
function checkLayout(entries: ReadonlyMap<string, Entry>, dataBytes: number, path: string): void {
  const inFileOrder = [...entries].sort(([, a], [, b]) => {
    return a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1];
  });
  let position = 0;
  for (const [name, { dtype, shape, data_offsets }] of inFileOrder) {
    const [start, end] = data_offsets;
    const bytes = elementCount(shape) * bytesPerElement(dtype);
    if (start !== position)
      throw broken(path, `${shown(name)} starts at ${start}, the tensor before it ends at ${position}`);
    if (end - start !== bytes) {
      throw broken(path, `${shown(name)} has ${end - start} bytes, ${dtype} [${shape}] needs ${bytes}`);
    }
    position = end;
  }
  if (position !== dataBytes) throw broken(path, `its tensors need ${position} bytes, it holds ${dataBytes}`);
}

function shown(name: string): string {
  return name.slice(0, MAX_SHOWN_CHARACTERS);
}

function broken(path: string, reason: string): AppError {
  return new AppError('engine-failed', `${path} is not a valid safetensors file: ${reason}.`);
}
