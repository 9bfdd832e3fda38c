import type { InputFormat } from '../../shared/image-format.ts';
import { hostileMetadata, pick } from './mutations-metadata.ts';
import { type Part, partsOf, readField, sizeFields, withCheckSums, writeField } from './mutations-parts.ts';
import type { Source } from './mutations-sources.ts';

interface HostileFile {
  /** Of the file that it was. */
  format: InputFormat;
  mutation: MutationName;
  bytes: Buffer;
}

/** The material of a mutation. `file` is its own. */
interface Given {
  format: InputFormat;
  file: Buffer;
  /** Of `file`. */
  parts: Part[];
  others: readonly Source[];
  random: () => number;
}

/** Numbers at which sizes overflow, wrap, or become negative. */
const EDGES = [
  0, 1, 2, 7, 8, 9, 255, 0x4000, 0x7fff, 0xffff, 0x10000, 0xff_ffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
];

const MUTATIONS = {
  'wrong length': (given) => {
    const part = pick(given.parts, given.random);
    if (!part.length) return bits(given, part.body, part.end);
    const near = readField(given.file, part.length) + between(given, -4, 4);
    writeField(given.file, part.length, given.random() < 0.4 ? Math.max(0, near) : edge(given));
    return given.file;
  },
  'wrong size': (given) => {
    const fields = sizeFields(given.format, given.file);
    if (fields.length === 0) return bits(given, 0, given.file.length);
    for (const field of given.random() < 0.5 ? fields : [pick(fields, given.random)]) {
      const near = readField(given.file, field) + between(given, -3, 3);
      writeField(given.file, field, given.random() < 0.4 ? Math.max(0, near) : edge(given));
    }
    return given.file;
  },
  'wrong number': (given) => {
    const { body, end } = pick(given.parts, given.random);
    const bytes = pick([1, 2, 4] as const, given.random);
    const at = body + Math.floor((given.random() * (end - body)) / bytes) * bytes;
    writeField(given.file, { at, bytes, littleEndian: given.random() < 0.5 }, edge(given));
    return given.file;
  },
  'wrong name': (given) => {
    const [one, other] = [pick(given.parts, given.random), pick(given.parts, given.random)];
    const [from, to] = [nameOffset(given.format, other), nameOffset(given.format, one)];
    return Buffer.from(given.file.copyWithin(to, from, from + nameBytes(given.format)));
  },
  'part missing': (given) => splice(given, pick(given.parts, given.random)),
  'part twice': (given) => {
    const part = pick(given.parts, given.random);
    const copies = Array(pick([1, 2, 40], given.random)).fill(given.file.subarray(part.start, part.end));
    return splice(given, { start: part.end, end: part.end }, Buffer.concat(copies));
  },
  'part elsewhere': (given) => {
    const [part, place] = [pick(given.parts, given.random), pick(given.parts, given.random)];
    return splice(given, { start: place.start, end: place.start }, given.file.subarray(part.start, part.end));
  },
  'part of another': (given) => {
    const other = pick(
      given.others.filter(({ format }) => format === given.format),
      given.random,
    );
    const { start, end } = pick(partsOf(given.format, other.file), given.random);
    const place = pick(given.parts, given.random);
    const removed = given.random() < 0.5 ? place.end : place.start;
    return splice(given, { start: place.start, end: removed }, other.file.subarray(start, end));
  },
  'part cut': (given) => {
    const { body, end } = pick(given.parts, given.random);
    const start = body + Math.floor(given.random() * (end - body));
    return splice(given, { start, end });
  },
  'garbage inside': (given) => {
    const { body, end } = pick(given.parts, given.random);
    const start = body + Math.floor(given.random() * (end - body));
    for (let at = start; at < Math.min(end, start + 4096); at++) given.file[at] = given.random() * 256;
    return given.file;
  },
  'bits inside': (given) => {
    const { body, end } = pick(given.parts, given.random);
    return bits(given, body, end);
  },
  metadata: (given) => {
    const block = hostileMetadata(given.format, given.random);
    if (!block) return bits(given, 0, given.file.length);
    const first = given.parts[0]!;
    // PNG begins with IHDR, an extended WebP with VP8X; a JPEG segment can come first.
    const start = { png: first.end, webp: 12 + riffHead(given.file) }[given.format as 'png'] ?? first.start;
    return splice(given, { start, end: start }, block);
  },
  'cut off': (given) => {
    const at = pick(given.parts, given.random).end;
    return given.file.subarray(0, given.random() < 0.3 ? at : Math.ceil(given.random() * given.file.length));
  },
  'bits anywhere': (given) => bits(given, 0, given.file.length),
  'more behind': (given) => {
    const tail = given.random() < 0.5 ? pick(given.others, given.random).file : Buffer.alloc(5_000, 'tail ');
    return Buffer.concat([given.file, tail]);
  },
  'bytes of another': (given) => {
    const { file } = pick(given.others, given.random);
    const from = Math.floor(given.random() * file.length);
    const at = 12 + Math.floor(given.random() * given.file.length);
    const piece = file.subarray(from, from + 1 + Math.floor(given.random() * 200));
    return Buffer.concat([given.file.subarray(0, at), piece, given.file.subarray(at)]);
  },
} satisfies Record<string, (given: Given) => Buffer>;

type MutationName = keyof typeof MUTATIONS;
/** Photos as cameras make them come rarely: the result of one that is still sound takes seconds. Shares no divisor with 16. */
const LARGE_EVERY = 9;
const LARGE_BYTES = 20_000;
const NAMES = Object.keys(MUTATIONS) as MutationName[];

/** One file after another, of every format and mutation in turn: the same ones for the same `random`. Never empty. */
export function* mutate(sources: readonly Source[], random: () => number): Generator<HostileFile, never> {
  const formats = [...new Set(sources.map(({ format }) => format))];
  for (let round = 0; ; round++) {
    for (const format of formats) {
      const ofFormat = sources.filter((each) => each.format === format);
      const isLarge = round % LARGE_EVERY === 0 && ofFormat.some(({ file }) => file.length > LARGE_BYTES);
      const source = pick(
        ofFormat.filter(({ file }) => file.length > LARGE_BYTES === isLarge),
        random,
      );
      const mutation = NAMES[round % NAMES.length]!;
      let file: Buffer = Buffer.from(source.file);
      // More than one at times: the first hit of a single one may hide the rest.
      for (let times = random() < 0.25 ? 3 : 1; times > 0; times--) {
        file = apply(times === 1 ? mutation : pick(NAMES, random), { format, file, others: sources, random });
      }
      yield { format, mutation, bytes: file.length > 0 ? file : Buffer.from([0]) };
    }
  }
}

/** The mutations that need to know nothing of the format. */
const OF_ANY = ['wrong number', 'part cut', 'garbage inside', 'bits anywhere', 'cut off', 'bytes of another'] as const;

/** A mutated copy of a file of any format; bytes of `other` may come into it. */
export function mutateBytes(file: Buffer, other: Buffer, random: () => number): Buffer {
  const parts = [{ name: 'file', start: 0, body: 0, end: file.length }];
  const format = 'gif'; // has no check sums
  return MUTATIONS[pick(OF_ANY, random)]({
    format,
    file: Buffer.from(file),
    parts,
    others: [{ format, file: other }],
    random,
  });
}

function apply(name: MutationName, given: Omit<Given, 'parts'>): Buffer {
  const changed = MUTATIONS[name]({ ...given, parts: partsOf(given.format, given.file) });
  // One in four keeps its wrong sums.
  return given.random() < 0.75 ? withCheckSums(given.format, changed) : changed;
}

/** Replaces the bytes from `start` to `end`; the parts around it say their new length. */
function splice(
  { file, parts }: Given,
  { start, end }: { start: number; end: number },
  put: Buffer = Buffer.alloc(0),
): Buffer {
  const around = parts.filter((part) => part.length?.bytes === 4 && part.body <= start && end <= part.end);
  const longer = put.length - (end - start);
  const grown = Buffer.from(file);
  for (const { length } of around) {
    if (length && length.at < start) writeField(grown, length, Math.max(0, readField(grown, length) + longer));
  }
  return Buffer.concat([grown.subarray(0, start), put, grown.subarray(end)]);
}

function bits({ file, random }: Given, from: number, to: number): Buffer {
  for (let flips = 1 + Math.floor(random() * 12); flips > 0 && to > from; flips--) {
    const at = from + Math.floor(random() * (to - from));
    file[at] = file[at]! ^ (1 << Math.floor(random() * 8));
  }
  return file;
}

function between({ random }: Given, least: number, most: number): number {
  return least + Math.floor(random() * (most - least + 1));
}

function edge({ random }: Given): number {
  return pick(EDGES, random);
}

function nameOffset(format: InputFormat, { start }: Part): number {
  return format === 'png' || format === 'avif' || format === 'heic' ? start + 4 : start;
}

function nameBytes(format: InputFormat): number {
  return format === 'jpeg' || format === 'tiff' || format === 'gif' ? 2 : 4;
}

/** Bytes of VP8X with its header, where the file has it. */
function riffHead(file: Buffer): number {
  return file.toString('latin1', 12, 16) === 'VP8X' ? 18 : 0;
}
