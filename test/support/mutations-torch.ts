import { mutateBytes } from './mutations.ts';
import { LEGACY_MUTATIONS } from './mutations-legacy.ts';
import { pick } from './mutations-metadata.ts';
import { below, EDGES, type WeightMutations } from './mutations-weights.ts';
import { zipMutations } from './mutations-zip.ts';
import {
  archiveOf,
  declarations,
  float,
  inserted,
  legacyOf,
  type Size,
  STORAGES,
  soundMembers,
  tensor,
  withDeclaration,
  withInstructions,
  withValue,
} from './torch-sample.ts';
import { pickle } from './weight-files.ts';

const code = (text: string) => Buffer.from(text, 'latin1');

/** Instructions that make Python import, call or build objects, and calls of permitted names with wrong arguments. */
const IMPORTS = [
  'cos\nsystem\n',
  'cbuiltins\neval\n(X\x01\0\0\x001tR',
  'c__builtin__\nexec\n',
  'ctorch\nload\n',
  'ctorch.hub\nload\n',
  'c__proto__\n__proto__\n',
  'cconstructor\nconstructor\n',
  'ctorch\nFloatStorage.__reduce__\n',
  '\x8c\x05posix\x8c\x06system\x93',
  '\x8c\x05torch\x8c\x00\x93',
  'K\x01K\x02\x93',
  '(ios\nsystem\n',
  '(cos\nsystem\no',
  ')\x81',
  'c__torch__.net\nNet\n)\x81',
  '\x82\x01',
  '\x83\x01\x01',
  'Pid\n',
  'I1\n',
  'V\\u0041\n',
  'ctorch\nFloatStorage\n)R',
  'ccollections\nOrderedDict\n(K\x01tR',
  'ctorch._utils\n_rebuild_tensor_v2\n)R',
  'ctorch._utils\n_rebuild_tensor_v3\n)R',
  'ctorch._utils\n_rebuild_parameter\n(NNNtR',
  'NQ',
  ')Q',
].map(code);
/** Instructions that lead nowhere: no memo, no list, no dictionary, no key, no text, no instruction. */
const MISUSES = [
  'h\xff',
  'j\xff\xff\xff\xff',
  'NK\x01a',
  'N(K\x01e',
  'NK\x01K\x02s',
  '}(K\x01u',
  '}(NNu',
  '}(K\x01NK\x01Nu',
  'NNb',
  '\x80\x09',
  'N)R',
  '\x8c\x02\xff\xfe',
  '\xfe',
  '\0',
].map(code);
const HUGE = [
  'X\xff\xff\xff\xff',
  'T\xff\xff\xff\x7f',
  'B\xff\xff\xff\xff',
  '\x8d\xff\xff\xff\xff\xff\xff\xff\xff',
  '\x8e\0\0\0\0\0\0\0\x80',
  '\x96\0\0\0\0\0\0\x10\0',
  '\x8d\xff\xff\xff\xff\xff\xff\x1f\0',
  '\x8d\0\0\0\0\x01\0\0\0',
].map(code);
const NO_SIZES: Size[] = [
  ...[-1, -(2 ** 31), 0.5, NaN, Infinity, 2 ** 60],
  ...['N', '\x88', 'X\x01\0\0\x001', ')', '\x8a\x09\0\0\0\0\0\0\0\0\x01', `\x8a\xff${'\x7f'.repeat(255)}`].map(code),
];
const STORAGE_TYPES = ['Double', 'Float', 'Half', 'BFloat16', 'Long', 'Int', 'Short', 'Char', 'Byte', 'Bool'];
const NO_STORAGE_TYPES = ['Tensor', 'QInt8Storage', 'ComplexFloatStorage', '__proto__', 'float99'];

/** d0 = {}, d1 = {a: d0, b: d0}, …: 2 to the power of `depth` values. */
function doubling(depth: number): Buffer {
  const twice = code('0}(X\x01\0\0\0ah\0X\x01\0\0\0bh\0uq\0');
  return Buffer.concat([code('}q\0'), ...Array<Buffer>(depth).fill(twice)]);
}

function nested(depth: number, open: string, close: string): Buffer {
  return code(`${open.repeat(depth)}N${close.repeat(depth)}`);
}

/** Of the pickle of the tensors, in any file. */
const PICKLE_MUTATIONS: WeightMutations = {
  'pickle: values beside the tensors': {
    expected: 'same',
    make(random) {
      const values = [
        doubling(below(8, random)),
        float(NaN),
        pickle.text('t'.repeat(below(9_000, random))),
        nested(below(29, random), '(', 't'),
        code('\x95\xff\xff\xff\xff\xff\xff\xff\xffN'), // a frame, which is only a hint
        code('C\x03abc'),
        code('\x8a\0'), // zero
      ];
      return withValue(pick(values, random));
    },
  },
  'pickle: imports and calls': { expected: 'refused', make: (random) => inserted(pick(IMPORTS, random), random) },
  'pickle: misused instructions': { expected: 'refused', make: (random) => inserted(pick(MISUSES, random), random) },
  'pickle: huge lengths': { expected: 'refused', make: (random) => inserted(pick(HUGE, random), random) },
  'pickle: memo bomb': {
    expected: 'refused',
    // Up to 32 levels are allowed, and read until they are too many values: that takes longer.
    make: (random) => withValue(doubling(random() < 0.05 ? 21 + below(8, random) : 33 + below(9, random))),
  },
  'pickle: nested too deep': {
    expected: 'refused',
    make(random) {
      const depth = 32 + below(3_000, random);
      return withValue(random() < 0.5 ? nested(depth, '(', 't') : nested(depth, '}X\x01\0\0\0a', 's'));
    },
  },
  'pickle: holds itself': {
    expected: 'refused',
    make: (random) => withValue(code(pick(['}q\0X\x01\0\0\0ah\0s', ']q\0h\0a', ']q\0(h\0h\0e'], random))),
  },
  'pickle: name twice, or too long': {
    expected: 'refused',
    make(random) {
      const one = tensor(declarations().weight!);
      const way = below(3, random);
      if (way === 0) return withValue(pickle.dictionary({ ['n'.repeat(1_000 + below(50_000, random))]: one }));
      if (way === 1) return withValue(one, 'model.weight');
      return withValue(Buffer.concat([code('}('), pickle.text('a'), one, pickle.text('a'), one, code('u')]));
    },
  },
  'pickle: size that is none': {
    expected: 'refused',
    make: (random) =>
      withDeclaration(random, (declaration) => {
        const wrong = pick(NO_SIZES, random);
        const way = below(4, random);
        if (way === 0) declaration.offset = wrong;
        else if (way === 1) declaration.storage[2] = wrong;
        else (way === 2 ? declaration.shape : declaration.strides)[0] = wrong;
      }),
  },
  'pickle: view beyond its storage': {
    expected: 'refused',
    make: (random) =>
      withDeclaration(random, (declaration) => {
        const far = pick([7, 255, 2 ** 31, 2 ** 32, 2 ** 48, 2 ** 53 - 1], random);
        const way = below(4, random);
        if (way === 0) declaration.offset = far;
        else if (way === 1)
          [declaration.shape, declaration.strides] = [
            [2, 2],
            [far, 1],
          ];
        else if (way === 2) [declaration.shape, declaration.strides] = [[far], [1]];
        else declaration.storage[2] = pick([0, 1], random);
      }),
  },
  'pickle: storage of more than there is': {
    expected: 'refused',
    make: (random) =>
      withDeclaration(random, ({ storage }) => {
        storage[2] = 7 + pick(EDGES, random);
      }),
  },
  'pickle: numbers repeated without end': {
    expected: 'refused',
    make: (random) =>
      withDeclaration(random, (declaration) => {
        const shapes = [[2 ** 16 + 1], [2 ** 20, 2 ** 20], Array<number>(8).fill(2 ** 50), [2 ** 24]];
        declaration.shape = pick(shapes, random);
        declaration.strides = declaration.shape.map(() => 0);
      }),
  },
  'pickle: sizes without end': {
    expected: 'refused',
    make: (random) =>
      withDeclaration(random, (declaration) => {
        const one = pick([1, code('N'), code('K\x01'), code(']')], random);
        const many = Array<Size>(9 + below(20_000, random)).fill(one);
        declaration[random() < 0.5 ? 'shape' : 'strides'] = many;
      }),
  },
  'pickle: another view': {
    expected: 'either',
    make: (random) =>
      withDeclaration(random, (declaration) => {
        declaration.offset = below(4, random);
        declaration.shape = Array.from({ length: below(5, random) }, () => below(4, random));
        declaration.strides = declaration.shape.map(() => below(3, random));
        if (random() < 0.1) [declaration.shape, declaration.strides] = [[1 + below(2 ** 16, random)], [0]];
      }),
  },
  'pickle: type or storage of another': {
    expected: 'either',
    make: (random) =>
      withDeclaration(random, (declaration) => {
        const elements = pick([declaration.storage[2], 1, 2, 3, 4, 6, 12], random);
        const key = pick(Object.keys(STORAGES), random);
        declaration.storage = [`${pick(STORAGE_TYPES, random)}Storage`, key, elements];
      }),
  },
  'pickle: storage that is none': {
    expected: 'refused',
    make: (random) =>
      withDeclaration(random, ({ storage }) => {
        const keys = ['99', '', '../0', '0/../1', '__proto__', '\0', 'k'.repeat(101 + below(20_000, random))];
        if (random() < 0.6) storage[1] = pick(keys, random);
        else storage[0] = pick(NO_STORAGE_TYPES, random);
      }),
  },
  'pickle: instruction missing': {
    expected: 'either',
    make: (random) =>
      withInstructions((all) => {
        all.splice(below(all.length, random), 1 + below(3, random));
      }),
  },
  'pickle: instruction twice, or elsewhere': {
    expected: 'either',
    make: (random) =>
      withInstructions((all) => {
        const from = below(all.length, random);
        const some = random() < 0.5 ? all.slice(from, from + 1 + below(3, random)) : all.splice(from, 1);
        all.splice(below(all.length + 1, random), 0, ...some);
      }),
  },
  'pickle: other instruction': {
    expected: 'either',
    make: (random) =>
      withInstructions((all) => {
        pick(all, random)[0] = below(256, random);
      }),
  },
  'pickle: other number': {
    expected: 'either',
    make: (random) =>
      withInstructions((all) => {
        const integers = all.filter(([first]) => first === 0x8a);
        pick(integers, random).writeInt32LE(pick(EDGES, random) | 0, 2);
      }),
  },
};

/** Mutations of the pickle, and of all bytes, in a file that holds it. */
function inFile(fileOf: (pickle?: Buffer) => Buffer): WeightMutations {
  const ofPickle = Object.entries(PICKLE_MUTATIONS).map(([name, { expected, make }]) => {
    return [name, { expected, make: (random: () => number) => fileOf(make(random)) }] as const;
  });
  return {
    ...Object.fromEntries(ofPickle),
    'bytes of any kind': { expected: 'either', make: (random) => mutateBytes(fileOf(), fileOf(), random) },
  };
}

export const TORCH_MUTATIONS = { ...zipMutations(soundMembers), ...inFile(archiveOf) };
export const TORCH_LEGACY_MUTATIONS = { ...LEGACY_MUTATIONS, ...inFile(legacyOf) };
