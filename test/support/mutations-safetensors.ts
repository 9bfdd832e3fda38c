import { mutateBytes } from './mutations.ts';
import { pick } from './mutations-metadata.ts';
import { below, EDGES, type WeightMutations } from './mutations-weights.ts';
import { bytesOf, headerOf, soundParts, soundSafetensors, withFields, withHeader } from './safetensors-sample.ts';

const NO_OFFSETS = ['-1', '0.5', '1e999', '9007199254740993', 'null', '"0"', 'NaN', '-Infinity', '[0]', 'true', '2e64'];
const TYPES = ['F64', 'F32', 'F16', 'BF16', 'I64', 'I32', 'I16', 'I8', 'U64', 'U32', 'U16', 'U8', 'BOOL'];
const NO_TYPES = [
  'F8_E4M3',
  'f32',
  '',
  '__proto__',
  'constructor',
  'toString',
  null,
  7,
  ['F32'],
  {},
  'F'.repeat(5_000),
];
const ODD_NAMES = ['__proto__', 'constructor', '', '\0', '../../a', '\ud800', 'ß'.repeat(500)];
const NO_ENTRIES = [null, [], {}, 1, 'F32', { dtype: 'F32' }, [{ dtype: 'F32' }]];
const TWICE = ['"dtype":"F32",', '"shape":[1],', '"d\\u0074ype":"F32",', '"data_offsets":[0,4],'];

export const SAFETENSORS_MUTATIONS: WeightMutations = {
  'entries in another order': {
    expected: 'same',
    make(random) {
      const { entries, data } = soundParts();
      entries.push(...entries.splice(0, below(entries.length, random)));
      if (random() < 0.5) entries.reverse();
      return bytesOf({ entries, data });
    },
  },
  'header with room and remarks': {
    expected: 'same',
    make(random) {
      const remark = `"__metadata__":{"format":${JSON.stringify('ß"\\ '.repeat(below(50, random)))}},`;
      const room = [' \n\t'.repeat(below(40, random)), ' '.repeat(below(64, random))];
      return withHeader((text) => `{${remark}${room[0]}${text.slice(1)}${room[1]}`);
    },
  },
  'header length lies': {
    expected: 'refused',
    make(random) {
      const parts = soundParts();
      const near = BigInt(headerOf(parts.entries).length - 1 - below(40, random));
      const far = pick([2n ** 24n + 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n, 0n, 1n], random);
      return bytesOf({ ...parts, headerBytes: random() < 0.5 ? near : far });
    },
  },
  'header reaches into the data': {
    expected: 'refused',
    make(random) {
      const parts = soundParts();
      const more = 1 + below(parts.data.length, random);
      return bytesOf({ ...parts, headerBytes: BigInt(headerOf(parts.entries).length + more) });
    },
  },
  'name twice': {
    expected: 'refused',
    make(random) {
      const parts = soundParts();
      const [name, value] = pick(parts.entries, random);
      parts.entries.splice(below(parts.entries.length + 1, random), 0, [name, random() < 0.5 ? value : 1]);
      return bytesOf(parts);
    },
  },
  'field twice': {
    expected: 'refused',
    make: (random) => withHeader((text) => text.replaceAll('{"dtype"', `{${pick(TWICE, random)}"dtype"`)),
  },
  'offsets that overlap, leave gaps or run backwards': {
    expected: 'refused',
    make: (random) =>
      withFields(random, (fields) => {
        const [start = 0, end = 0] = fields.data_offsets;
        const by = 1 + below(12, random);
        const wrong = [
          [start + by, end + by],
          [start, end + by],
          [start + by, end],
          [start + by, start],
          [end + 1, start],
        ];
        // One without elements may lie between any two others.
        fields.data_offsets = start === end ? [start, end + by] : pick(wrong, random);
      }),
  },
  'offsets that are none': {
    expected: 'refused',
    make: (random) =>
      withHeader((text) => text.replace('"data_offsets":[0,', `"data_offsets":[${pick(NO_OFFSETS, random)},`)),
  },
  'offsets missing or too many': {
    expected: 'refused',
    make: (random) =>
      withFields(random, (fields) => {
        const [start = 0, end = 0] = fields.data_offsets;
        const many = Array<number>(3 + below(2_000, random)).fill(end);
        fields.data_offsets = pick([[], [start], [start, end, end], many], random);
      }),
  },
  'shape that needs other bytes': {
    expected: 'refused',
    make: (random) =>
      withFields(random, (fields) => {
        const wrong = pick([-1, 0.5, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e300], random);
        const many = Array<number>(9 + below(3_000, random)).fill(1);
        fields.shape = pick([[wrong, 2], [977], Array<number>(8).fill(2 ** 40), many], random);
      }),
  },
  'another shape of as many': {
    expected: 'either',
    make: (random) =>
      withFields(random, (fields) => {
        const count = fields.shape.reduce((product, size) => product * size, 1);
        fields.shape = pick([[count], [1, count, 1], [count, 1, 1, 1, 1, 1, 1, 1], [], [0], [0, 2 ** 53 - 1]], random);
      }),
  },
  'type that lies': {
    expected: 'either',
    make: (random) =>
      withFields(random, (fields) => {
        fields.dtype = pick(TYPES, random);
      }),
  },
  'type that is none': {
    expected: 'refused',
    make: (random) =>
      withFields(random, (fields) => {
        fields.dtype = pick(NO_TYPES, random);
      }),
  },
  'names of the language, or none': {
    expected: 'either',
    make(random) {
      const parts = soundParts();
      pick(parts.entries, random)[0] = pick(ODD_NAMES, random);
      return bytesOf(parts);
    },
  },
  'entry that is none': {
    expected: 'refused',
    make(random) {
      const parts = soundParts();
      pick(parts.entries, random)[1] = pick(NO_ENTRIES, random);
      return bytesOf(parts);
    },
  },
  'long name of what is refused': {
    expected: 'refused',
    make(random) {
      const parts = soundParts();
      const name = 'n'.repeat(1_000 + below(50_000, random));
      parts.entries.push([name, pick([null, { dtype: 'F32', shape: [1], data_offsets: [9, 13] }], random)]);
      if (random() < 0.3) parts.entries.push([name, 1]);
      return bytesOf(parts);
    },
  },
  nesting: {
    expected: 'refused',
    make: (random) =>
      withHeader((text) => {
        const [open, close] = pick([['[', ']'] as const, ['{"a":', '}'] as const], random);
        const depth = 17 + below(3_000, random);
        const value = `${open.repeat(depth)}1${random() < 0.5 ? close.repeat(depth) : ''}`;
        return `{"__metadata__":${value},${text.slice(1)}`;
      }),
  },
  'header that is not JSON': {
    expected: 'refused',
    make: (random) =>
      withHeader((text) => {
        const wrong = [
          text.slice(0, -1),
          `${text}${text}`,
          text.replace(':', '='),
          text.replace(',', ',,'),
          text.replaceAll('"', "'"),
          `[${text}]`,
          `{"a":"\\u12",${text.slice(1)}`,
          `{"a":"\n",${text.slice(1)}`,
          `${text.slice(0, -1)},"\\`,
        ];
        return pick(wrong, random);
      }),
  },
  'header that is not UTF-8': {
    expected: 'refused',
    make(random) {
      const parts = soundParts();
      const header = headerOf(parts.entries);
      header[header.indexOf('weight') + below(6, random)] = 0x80 + below(128, random);
      return bytesOf({ ...parts, header });
    },
  },
  'data missing or too much': {
    expected: 'refused',
    make(random) {
      const sound = soundSafetensors();
      if (random() < 0.5) return sound.subarray(0, below(sound.length, random));
      return Buffer.concat([sound, Buffer.alloc(1 + below(5_000, random))]);
    },
  },
  'number in the header': {
    expected: 'either',
    make: (random) =>
      withHeader((text) => {
        const { 0: number, index } = pick([...text.matchAll(/(?<=[[,])\d+(?=[\],])/g)], random);
        return `${text.slice(0, index)}${pick(EDGES, random)}${text.slice(index + number.length)}`;
      }),
  },
  'bytes of any kind': {
    expected: 'either',
    make: (random) => mutateBytes(soundSafetensors(), soundSafetensors(), random),
  },
};
