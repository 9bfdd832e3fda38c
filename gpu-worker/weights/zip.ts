import { AppError } from '../../shared/error.ts';
import type { BinaryFile } from './binary-file.ts';

interface ZipMember {
  /** Of the content as it lies in the file. */
  bytes: number;
  method: number;
  encrypted: boolean;
  headerAt: number;
}

export interface ZipArchive {
  readonly names: readonly string[];
  /** Where the content of a member lies. Throws AppError `engine-failed` if it is not there, compressed or cut. */
  locate(name: string): Promise<{ position: number; bytes: number }>;
}

interface Directory {
  position: number;
  bytes: number;
  count: number;
}

const END_BYTES = 22;
const LONGEST_COMMENT = 0xffff;
const LOCATOR_BYTES = 20;
const END64_BYTES = 56;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;
const SIGNATURE = { end: 0x06054b50, locator: 0x07064b50, end64: 0x06064b50, entry: 0x02014b50, local: 0x04034b50 };
const MAX_DIRECTORY_BYTES = 100_000_000;
const STORED = 0;
const ENCRYPTED_FLAG = 1;
const ZIP64_FIELD = 0x0001;
const IN_ZIP64_FIELD = 0xffffffff;
/** Of a name in a message; it may have 65,535. */
const MAX_SHOWN_CHARACTERS = 200;

/**
 * Reads the directory at the end of a zip file, ZIP64 included (APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3); members
 * are neither read nor unpacked. Throws AppError `engine-failed` for a file that breaks a rule.
 */
export async function openZip(file: BinaryFile): Promise<ZipArchive> {
  const directory = await findDirectory(file);
  const members = await readDirectory(file, directory);
  return {
    names: [...members.keys()],
    async locate(name) {
      const member = members.get(name);
      if (!member) throw broken(file, `it has no member ${shown(name)}`);
      if (member.encrypted) throw broken(file, `its member ${shown(name)} is encrypted`);
      if (member.method !== STORED)
        throw broken(file, `its member ${shown(name)} is compressed; PyTorch does not do that`);
      const header = await view(file, member.headerAt, LOCAL_BYTES);
      if (header.getUint32(0, true) !== SIGNATURE.local)
        throw broken(file, `${shown(name)} is not where its directory says`);
      const position = member.headerAt + LOCAL_BYTES + header.getUint16(26, true) + header.getUint16(28, true);
      if (position + member.bytes > directory.position)
        throw broken(file, `its member ${shown(name)} overlaps the directory`);
      return { position, bytes: member.bytes };
    },
  };
}

async function findDirectory(file: BinaryFile): Promise<Directory> {
  const tailBytes = Math.min(file.bytes, END_BYTES + LONGEST_COMMENT);
  const tailAt = file.bytes - tailBytes;
  const tail = await view(file, tailAt, tailBytes);
  let at = tailBytes - END_BYTES;
  while (at >= 0 && !isEnd(tail, at)) at--;
  if (at < 0) throw broken(file, 'its directory at the end is missing, as if the file were cut');
  const found = await findDirectory64(file, tailAt + at);
  const directory = found ?? {
    count: tail.getUint16(at + 10, true),
    bytes: tail.getUint32(at + 12, true),
    position: tail.getUint32(at + 16, true),
  };
  if (directory.position + directory.bytes > tailAt + at) {
    throw broken(file, `its directory of ${directory.bytes} bytes at ${directory.position} is beyond the end`);
  }
  if (directory.bytes > MAX_DIRECTORY_BYTES) throw broken(file, `its directory has ${directory.bytes} bytes`);
  return directory;
}

function isEnd(tail: DataView, at: number): boolean {
  return (
    tail.getUint32(at, true) === SIGNATURE.end && at + END_BYTES + tail.getUint16(at + 20, true) === tail.byteLength
  );
}

/** Undefined in a file without ZIP64 records. */
async function findDirectory64(file: BinaryFile, endAt: number): Promise<Directory | undefined> {
  if (endAt < LOCATOR_BYTES) return undefined;
  const locator = await view(file, endAt - LOCATOR_BYTES, LOCATOR_BYTES);
  if (locator.getUint32(0, true) !== SIGNATURE.locator) return undefined;
  const end64 = await view(file, uint64(file, locator, 8), END64_BYTES);
  if (end64.getUint32(0, true) !== SIGNATURE.end64) throw broken(file, 'its ZIP64 record is not where it should be');
  return { count: uint64(file, end64, 32), bytes: uint64(file, end64, 40), position: uint64(file, end64, 48) };
}

async function readDirectory(file: BinaryFile, directory: Directory): Promise<Map<string, ZipMember>> {
  const table = await view(file, directory.position, directory.bytes);
  const members = new Map<string, ZipMember>();
  let at = 0;
  while (at < directory.bytes) {
    if (at + ENTRY_BYTES > directory.bytes || table.getUint32(at, true) !== SIGNATURE.entry) {
      throw broken(file, `entry ${members.size} of its directory is damaged`);
    }
    const nameBytes = table.getUint16(at + 28, true);
    const extraAt = at + ENTRY_BYTES + nameBytes;
    const next = extraAt + table.getUint16(at + 30, true) + table.getUint16(at + 32, true);
    if (next > directory.bytes) throw broken(file, `entry ${members.size} of its directory is cut`);
    const name = new TextDecoder().decode(new Uint8Array(table.buffer, at + ENTRY_BYTES, nameBytes));
    if (members.has(name)) throw broken(file, `its directory names ${shown(name)} twice`);
    members.set(name, readEntry(file, table, at, extraAt));
    at = next;
  }
  if (members.size !== directory.count) {
    throw broken(file, `its directory has ${members.size} entries and announces ${directory.count}`);
  }
  return members;
}

function readEntry(file: BinaryFile, table: DataView, at: number, extraAt: number): ZipMember {
  const unpacked = table.getUint32(at + 24, true);
  let bytes = table.getUint32(at + 20, true);
  let headerAt = table.getUint32(at + 42, true);
  const extraEnd = extraAt + table.getUint16(at + 30, true);
  for (let field = extraAt; field + 4 <= extraEnd; field += 4 + table.getUint16(field + 2, true)) {
    if (table.getUint16(field, true) !== ZIP64_FIELD) continue;
    // It holds only those of the three values that did not fit into their usual places, in this order.
    let value = field + 4;
    const fieldEnd = Math.min(value + table.getUint16(field + 2, true), extraEnd);
    if (unpacked === IN_ZIP64_FIELD) value += 8;
    if (bytes === IN_ZIP64_FIELD) {
      bytes = uint64(file, table, value, fieldEnd);
      value += 8;
    }
    if (headerAt === IN_ZIP64_FIELD) headerAt = uint64(file, table, value, fieldEnd);
    break;
  }
  const encrypted = (table.getUint16(at + 8, true) & ENCRYPTED_FLAG) !== 0;
  return { bytes, method: table.getUint16(at + 10, true), encrypted, headerAt };
}

async function view(file: BinaryFile, position: number, length: number): Promise<DataView<ArrayBuffer>> {
  return new DataView((await file.read(position, length)).buffer);
}

function uint64(file: BinaryFile, source: DataView, at: number, end: number = source.byteLength): number {
  if (at + 8 > end) throw broken(file, 'a ZIP64 field is cut');
  const value = source.getBigUint64(at, true);
  if (value > Number.MAX_SAFE_INTEGER) throw broken(file, `it declares a size or position of ${value} bytes`);
  return Number(value);
}

function shown(name: string): string {
  return name.slice(0, MAX_SHOWN_CHARACTERS);
}

function broken({ path }: BinaryFile, reason: string): AppError {
  return new AppError('engine-failed', `${path} is not a valid zip file: ${reason}.`);
}
