import { type FileHandle, open } from 'node:fs/promises';
import { z } from 'zod';
import { AppError } from '../../shared/error.ts';
import { bfloat16ToFloat, halfToFloat } from '../tensor/half-floats.ts';
import { elementCount } from '../tensor/tensor.ts';
import type { Checkpoint } from './checkpoint.ts';

/** The limit of the reference reader; headers of the largest published models have about 1 MB. */
const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;
const BYTES_PER_ELEMENT = { F32: 4, F16: 2, BF16: 2 } as const;

const size = z.int().nonnegative();
const entrySchema = z.object({
  dtype: z.enum(['F32', 'F16', 'BF16']),
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
  const file = await open(path, 'r');
  try {
    const { size: fileBytes } = await file.stat();
    const headerBytes = await readHeaderLength(file, fileBytes, path);
    const dataStart = LENGTH_BYTES + headerBytes;
    const entries = parseHeader(await readBytes(file, LENGTH_BYTES, headerBytes, path), path);
    checkLayout(entries, fileBytes - dataStart, path);
    return {
      shapes: new Map([...entries].map(([name, { shape }]) => [name, shape])),
      async read(name) {
        const entry = entries.get(name);
        if (!entry) throw new AppError('engine-failed', `${path} has no tensor ${name}.`);
        const [start, end] = entry.data_offsets;
        return toFloats(entry.dtype, await readBytes(file, dataStart + start, end - start, path));
      },
      [Symbol.asyncDispose]: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readHeaderLength(file: FileHandle, fileBytes: number, path: string): Promise<number> {
  if (fileBytes < LENGTH_BYTES)
    throw broken(path, `it has ${fileBytes} bytes; its length field alone has ${LENGTH_BYTES}`);
  const length = new DataView((await readBytes(file, 0, LENGTH_BYTES, path)).buffer).getBigUint64(0, true);
  const most = Math.min(MAX_HEADER_BYTES, fileBytes - LENGTH_BYTES);
  if (length > most) throw broken(path, `its header claims ${length} bytes, at most ${most} are possible`);
  return Number(length);
}

function parseHeader(bytes: Uint8Array, path: string): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const [name, value] of Object.entries(parseObject(bytes, path))) {
    if (name === '__metadata__') continue;
    const parsed = entrySchema.safeParse(value);
    if (!parsed.success) {
      const rules = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
      throw broken(path, `the entry of ${name} is not valid (${rules.join(', ')})`);
    }
    entries.set(name, parsed.data);
  }
  return entries;
}

function parseObject(bytes: Uint8Array, path: string): object {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw broken(path, `its header is not JSON (${(error as Error).message})`);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw broken(path, 'its header is not a JSON object');
  }
  return header;
}

/** The tensors lie one after the other and fill the file: no overlaps, no gaps, nothing outside. */
function checkLayout(entries: ReadonlyMap<string, Entry>, dataBytes: number, path: string): void {
  const inFileOrder = [...entries].sort(([, a], [, b]) => {
    return a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1];
  });
  let position = 0;
  for (const [name, { dtype, shape, data_offsets }] of inFileOrder) {
    const [start, end] = data_offsets;
    const bytes = elementCount(shape) * BYTES_PER_ELEMENT[dtype];
    if (start !== position) throw broken(path, `${name} starts at ${start}, the tensor before it ends at ${position}`);
    if (end - start !== bytes) {
      throw broken(path, `${name} has ${end - start} bytes, ${dtype} [${shape}] needs ${bytes}`);
    }
    position = end;
  }
  if (position !== dataBytes) throw broken(path, `its tensors need ${position} bytes, it holds ${dataBytes}`);
}

async function readBytes(
  file: FileHandle,
  position: number,
  length: number,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    // One read gives at most 2 GiB on Linux.
    const { bytesRead } = await file.read(bytes, done, Math.min(length - done, 2 ** 30), position + done);
    if (bytesRead === 0) throw broken(path, `it ended at byte ${position + done}, ${length - done} bytes early`);
    done += bytesRead;
  }
  return bytes;
}

function toFloats(dtype: Entry['dtype'], { buffer }: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  if (dtype === 'F32') return new Float32Array(buffer);
  return dtype === 'F16' ? halfToFloat(new Uint16Array(buffer)) : bfloat16ToFloat(new Uint16Array(buffer));
}

function broken(path: string, reason: string): AppError {
  return new AppError('engine-failed', `${path} is not a valid safetensors file: ${reason}.`);
}
