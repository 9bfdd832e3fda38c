import { deflateRawSync } from 'node:zlib';
import { pick } from './mutations-metadata.ts';
import { below, EDGES, type WeightMutations } from './mutations-weights.ts';

/** A member of a zip file; nothing is compressed for it, and nothing checked. */
export interface Member {
  name: string;
  content: Buffer;
  method?: number;
  flags?: number;
  /** Default: that of the content. */
  unpackedBytes?: number;
  /** In the directory, and in front of the content. */
  extra?: Buffer;
  localExtra?: Buffer;
}

/** Where the parts of a zip file begin. */
interface Places {
  locals: number[];
  entries: number[];
  end: number;
}

const LOCAL = { signature: 0x04034b50, bytes: 30, flags: 6, packed: 18, unpacked: 22, name: 26, extra: 28 };
const ENTRY = { signature: 0x02014b50, bytes: 46, flags: 8, packed: 20, unpacked: 24, name: 28, extra: 30 };
const ENTRY_COMMENT = 32;
const ENTRY_AT = 42;
const END = { signature: 0x06054b50, bytes: 22, count: 10, size: 12, at: 16, comment: 20 };
const DEFLATED = 8;
const ENCRYPTED = 1;
const IN_ZIP64_FIELD = 0xffff_ffff;

/** A zip file (APPNOTE.TXT 6.3.10, section 4.3) of any members. */
export function zipOf(
  members: readonly Member[],
  comment: Buffer = Buffer.alloc(0),
): { bytes: Buffer; places: Places } {
  const places: Places = { locals: [], entries: [], end: 0 };
  const pieces: Buffer[] = [];
  let position = 0;
  const put = (...some: Buffer[]) => {
    pieces.push(...some);
    for (const { length } of some) position += length;
  };
  for (const member of members) {
    places.locals.push(position);
    put(recordOf(LOCAL, member, member.localExtra), member.content);
  }
  const directoryAt = position;
  for (const [index, member] of members.entries()) {
    places.entries.push(position);
    const entry = recordOf(ENTRY, member, member.extra);
    entry.writeUInt32LE(member.extra ? IN_ZIP64_FIELD : places.locals[index]!, ENTRY_AT);
    put(entry);
  }
  places.end = position;
  const end = Buffer.alloc(END.bytes);
  end.writeUInt32LE(END.signature, 0);
  end.writeUInt16LE(members.length, END.count - 2);
  end.writeUInt16LE(members.length, END.count);
  end.writeUInt32LE(position - directoryAt, END.size);
  end.writeUInt32LE(directoryAt, END.at);
  end.writeUInt16LE(comment.length, END.comment);
  put(end, comment);
  return { bytes: Buffer.concat(pieces), places };
}

function recordOf(layout: typeof LOCAL, member: Member, extra: Buffer = Buffer.alloc(0)): Buffer {
  const name = Buffer.from(member.name);
  const head = Buffer.alloc(layout.bytes);
  head.writeUInt32LE(layout.signature, 0);
  head.writeUInt16LE(member.flags ?? 0, layout.flags);
  head.writeUInt16LE(member.method ?? 0, layout.flags + 2);
  head.writeUInt32LE(member.content.length, layout.packed);
  head.writeUInt32LE(member.unpackedBytes ?? member.content.length, layout.unpacked);
  head.writeUInt16LE(name.length, layout.name);
  head.writeUInt16LE(extra.length, layout.extra);
  return Buffer.concat([head, name, extra]);
}

/** APPNOTE.TXT 4.5.3: only the position did not fit into its usual place. */
function zip64Field(position: bigint): Buffer {
  const field = Buffer.alloc(12);
  field.writeUInt16LE(0x0001, 0);
  field.writeUInt16LE(8, 2);
  field.writeBigUInt64LE(position, 4);
  return field;
}

const BOMB_BYTES = 2 ** 24;
let bombContent: Buffer | undefined;
/** Sixteen megabytes in sixteen kilobytes. */
function bombOf(name: string): Member {
  bombContent ??= deflateRawSync(Buffer.alloc(BOMB_BYTES));
  return { name, content: bombContent, method: DEFLATED, unpackedBytes: BOMB_BYTES };
}

function packed(member: Member, random: () => number): Member {
  const unpackedBytes = pick([member.content.length, ...EDGES], random);
  return { ...member, content: deflateRawSync(member.content), method: DEFLATED, unpackedBytes };
}

const ODD_NAMES = [
  '../../../etc/passwd',
  '/etc/passwd',
  'a/../data.pkl/',
  'C:\\a',
  '',
  '\0',
  'a/data/../../x',
  'a/.data/0',
  '__proto__',
  'n'.repeat(60_000),
];

/** Of a sound archive, whose members are all needed. */
export function zipMutations(sound: () => Member[]): WeightMutations {
  /** One member is another one. */
  const withMember = (random: () => number, change: (member: Member) => Member): Buffer => {
    const members = sound();
    const index = below(members.length, random);
    members[index] = change(members[index]!);
    return zipOf(members).bytes;
  };
  /** A number in a record says something else. */
  const withField = (random: () => number, part: keyof Places, offsets: readonly number[], bytes: 2 | 4): Buffer => {
    const { bytes: file, places } = zipOf(sound());
    const start = part === 'end' ? places.end : pick(places[part], random);
    const at = start + pick(offsets, random);
    const near = Math.max(0, file.readUIntLE(at, bytes) + below(81, random) - 40);
    const value = random() < 0.5 ? near : pick([...EDGES, ...places.locals, ...places.entries], random);
    file.writeUIntLE(value % 2 ** (8 * bytes), at, bytes);
    return file;
  };
  return {
    'zip: members in another order': {
      expected: 'same',
      make: (random) => zipOf(sound().sort(() => random() - 0.5)).bytes,
    },
    'zip: a comment, room between': {
      expected: 'same',
      make(random) {
        const members = sound().map((member) => ({ ...member, localExtra: Buffer.alloc(below(100, random)) }));
        return zipOf(members, Buffer.alloc(below(3_000, random), 'PK\x05\x06')).bytes;
      },
    },
    'zip: strange members beside': {
      expected: 'same',
      make(random) {
        const name = pick(ODD_NAMES, random);
        const locked = { name, content: Buffer.from('x'), flags: ENCRYPTED };
        const strange = pick([bombOf(name), locked, { name, content: Buffer.alloc(0) }], random);
        return zipOf([...sound(), strange].sort(() => random() - 0.5)).bytes;
      },
    },
    'zip: positions in ZIP64 fields': {
      expected: 'same',
      make() {
        const members = sound();
        const { locals } = zipOf(members).places;
        return zipOf(members.map((member, index) => ({ ...member, extra: zip64Field(BigInt(locals[index]!)) }))).bytes;
      },
    },
    'zip: ZIP64 fields that lie': {
      expected: 'refused',
      make(random) {
        const field = zip64Field(pick([2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n], random));
        const cut = zip64Field(0n).subarray(0, 4 + below(8, random));
        return withMember(random, (member) => ({ ...member, extra: random() < 0.5 ? field : cut }));
      },
    },
    'zip: member missing': {
      expected: 'refused',
      make(random) {
        const members = sound();
        members.splice(below(members.length, random), 1);
        return zipOf(members).bytes;
      },
    },
    'zip: member twice': {
      expected: 'refused',
      make(random) {
        const members = sound();
        const { name, content } = pick(members, random);
        const twin = { name, content: random() < 0.5 ? content : Buffer.from('other') };
        members.splice(below(members.length + 1, random), 0, twin);
        return zipOf(members).bytes;
      },
    },
    'zip: two archives in one': {
      expected: 'refused',
      make(random) {
        const name = `${pick(['b', '..', '__proto__'], random)}/data.pkl`;
        return zipOf([...sound(), { name, content: Buffer.alloc(9) }]).bytes;
      },
    },
    'zip: name that lies': {
      expected: 'refused',
      make: (random) => withMember(random, (member) => ({ ...member, name: pick(ODD_NAMES, random) })),
    },
    'zip: long name of the folder': {
      expected: 'refused',
      make(random) {
        const folder = 'n'.repeat(1_000 + below(60_000, random));
        return zipOf(
          sound().map((member) => ({ ...member, name: member.name.replace(/^a\/(?=data.pkl)/, `${folder}/`) })),
        ).bytes;
      },
    },
    'zip: compressed': {
      expected: 'refused',
      make: (random) => withMember(random, (member) => packed(member, random)),
    },
    'zip: bomb': { expected: 'refused', make: (random) => withMember(random, ({ name }) => bombOf(name)) },
    'zip: encrypted': {
      expected: 'refused',
      make: (random) => withMember(random, (member) => ({ ...member, flags: ENCRYPTED | below(0x1_0000, random) })),
    },
    'zip: sizes and positions of the directory lie': {
      expected: 'either',
      make: (random) => withField(random, 'entries', [ENTRY.packed, ENTRY.unpacked, ENTRY_AT], 4),
    },
    'zip: other numbers of the directory lie': {
      expected: 'either',
      make(random) {
        const offsets = [ENTRY.flags, ENTRY.flags + 2, ENTRY.name, ENTRY.extra, ENTRY_COMMENT];
        return withField(random, 'entries', offsets, 2);
      },
    },
    'zip: numbers before a member lie': {
      expected: 'either',
      make: (random) => withField(random, 'locals', [LOCAL.flags, LOCAL.packed, LOCAL.name, LOCAL.extra], 2),
    },
    'zip: the end lies': {
      expected: 'either',
      make(random) {
        if (random() < 0.5) return withField(random, 'end', [END.size, END.at], 4);
        return withField(random, 'end', [END.count, END.comment], 2);
      },
    },
    'zip: members on top of each other': {
      expected: 'either',
      make(random) {
        const { bytes, places } = zipOf(sound());
        bytes.writeUInt32LE(pick(places.locals, random), pick(places.entries, random) + ENTRY_AT);
        return bytes;
      },
    },
    'zip: cut off': {
      expected: 'refused',
      make(random) {
        const { bytes } = zipOf(sound());
        return bytes.subarray(0, below(bytes.length, random));
      },
    },
    'zip: bytes before or behind': {
      expected: 'either',
      make(random) {
        const more = Buffer.alloc(1 + below(300, random), 'PK\x03\x04');
        const { bytes } = zipOf(sound());
        return Buffer.concat(random() < 0.5 ? [more, bytes] : [bytes, more]);
      },
    },
  };
}
