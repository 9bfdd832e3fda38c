import { pick } from './mutations-metadata.ts';
import { below, EDGES, type WeightMutations } from './mutations-weights.ts';
import {
  type LegacyFile,
  type LegacyStorage,
  legacyBytes,
  legacyKeys,
  legacyMagic,
  legacySystem,
  legacyVersion,
} from './torch-legacy-sample.ts';
import { soundLegacy, withValue } from './torch-sample.ts';
import { pickle } from './weight-files.ts';

const code = (text: string) => Buffer.from(text, 'latin1');

/** Values that are no version, machine or list of storages. */
const OTHER_VALUES = ['N', ')', '}', '](X\x01\0\0\x000e', 'K\x01', 'NQ', 'cos\nsystem\n', ']q\0h\0a', 'h\x01', ''].map(
  code,
);

function changed(change: (file: LegacyFile, storages: LegacyStorage[]) => void): Buffer {
  const sound = soundLegacy();
  const storages = sound.storages.map((storage) => ({ ...storage }));
  const file = { ...sound, storages };
  change(file, storages);
  return legacyBytes(file);
}

/** Of the parts around the pickle of the tensors before version 1.6. */
export const LEGACY_MUTATIONS: WeightMutations = {
  'file: storages in another order': {
    expected: 'same',
    make: (random) => changed((_file, storages) => storages.sort(() => random() - 0.5)),
  },
  'file: storages that nothing shows': {
    expected: 'same',
    make(random) {
      const elements = below(300, random);
      const data = withValue(pickle.storage(pickle.global('torch', 'CharStorage'), '3', elements));
      const sound = soundLegacy(data);
      const more = { key: '3', content: Buffer.alloc(elements, 'x'), elements };
      return legacyBytes({ ...sound, storages: [...sound.storages, more].sort(() => random() - 0.5) });
    },
  },
  'file: pickles in front that lie': {
    expected: 'refused',
    make: (random) =>
      changed((file) => {
        const lies: Partial<LegacyFile>[] = [
          { magic: legacyMagic.subarray(0, below(legacyMagic.length, random)) },
          { version: legacyVersion(pick(EDGES, random)) },
          { system: legacySystem({ version: pick(EDGES, random) }) },
          { system: legacySystem({ little: pick(OTHER_VALUES, random) }) },
          { version: pickle.file(pick(OTHER_VALUES, random)) },
          { system: pickle.file(pick(OTHER_VALUES, random)) },
        ];
        Object.assign(file, pick(lies, random));
      }),
  },
  'file: list that lies': {
    expected: 'refused',
    make: (random) =>
      changed((file, storages) => {
        const keys = storages.map(({ key }) => key);
        const way = below(4, random);
        if (way === 0) keys.splice(below(keys.length, random), 1);
        else if (way === 1) keys.push(pick(keys, random));
        else if (way === 2) keys.splice(below(keys.length, random), 1, pick(['9', '', '__proto__', '../0'], random));
        file.keys = way === 3 ? pickle.file(pick(OTHER_VALUES, random)) : legacyKeys(keys);
      }),
  },
  'file: number of elements that lies': {
    expected: 'refused',
    make: (random) =>
      changed((_file, storages) => {
        const storage = pick(storages, random);
        const lies = [-1, -(2 ** 60), 2 ** 62, 2 ** 53, ...EDGES].filter((number) => number !== storage.elements);
        storage.elements = pick(lies, random);
      }),
  },
  'file: storage too short or too long': {
    expected: 'refused',
    make: (random) =>
      changed((_file, storages) => {
        const storage = pick(storages, random);
        const { content } = storage;
        const isShort = random() < 0.5;
        storage.content = isShort
          ? content.subarray(0, below(content.length, random))
          : Buffer.concat([content, Buffer.alloc(1 + below(40, random), 1)]);
      }),
  },
  'file: cut off': {
    expected: 'refused',
    make(random) {
      const bytes = changed(() => {});
      return bytes.subarray(0, below(bytes.length, random));
    },
  },
  'file: bytes before or behind': {
    expected: 'refused',
    make(random) {
      const bytes = changed(() => {});
      const more = Buffer.alloc(1 + below(300, random), pick(['\0', 'x', '('], random));
      return Buffer.concat(random() < 0.5 ? [more, bytes] : [bytes, more]);
    },
  },
};
