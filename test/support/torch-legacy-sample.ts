import { pickle } from './weight-files.ts';

/** The number with which such a file begins: LONG1, ten bytes. */
const MAGIC = Buffer.from('8a0a6cfc9c46f9206aa85019', 'hex');

export interface LegacyStorage {
  key: string;
  content: Buffer;
  /** As the file says before the content. */
  elements: number;
}

export interface LegacyFile {
  /** Pickles; sound ones by default. */
  magic?: Buffer;
  version?: Buffer;
  system?: Buffer;
  /** The pickle of the tensors. */
  data: Buffer;
  /** In the order in which they lie. */
  storages: readonly LegacyStorage[];
  /** A pickle; the keys of the storages by default. */
  keys?: Buffer;
}

export const legacyMagic = pickle.file(MAGIC);

export function legacyVersion(version = 1001): Buffer {
  return pickle.file(pickle.integer(version));
}

export function legacySystem({ version = 1001, little = Buffer.from([0x88]) } = {}): Buffer {
  const sizes = pickle.dictionary({ short: pickle.integer(2), int: pickle.integer(4), long: pickle.integer(8) });
  const about = { protocol_version: pickle.integer(version), little_endian: little, type_sizes: sizes };
  return pickle.file(pickle.dictionary(about));
}

export function legacyKeys(keys: readonly string[]): Buffer {
  return pickle.file(Buffer.concat([Buffer.from(']('), ...keys.map(pickle.text), Buffer.from('e')]));
}

/** A file as `torch.save` wrote it before version 1.6. */
export function legacyBytes({ magic, version, system, data, storages, keys }: LegacyFile): Buffer {
  return Buffer.concat([
    magic ?? legacyMagic,
    version ?? legacyVersion(),
    system ?? legacySystem(),
    data,
    keys ?? legacyKeys(storages.map(({ key }) => key)),
    ...storages.flatMap(({ content, elements }) => {
      const count = Buffer.alloc(8);
      count.writeBigInt64LE(BigInt(elements));
      return [count, content];
    }),
  ]);
}
