import type { TensorEntry } from './checkpoint.ts';

type Tensors = ReadonlyMap<string, TensorEntry>;

/** ×16 behind a pixel unshuffle by 2. */
export const MAX_UPSAMPLINGS = 5;

/** Facts of a network from the tensors of its ESRGAN file. */
export interface EsrganFacts {
  /** Of the layers: channels of the input of the first, after the pixel unshuffle, and of the output of the last. */
  first: number;
  out: number;
  features: number;
  growth: number;
  blocks: number;
  /** Each enlarges by 2. */
  upsamplings: number;
  /** With 1×1 convolutions in its dense blocks: ESRGAN+. */
  isPlus: boolean;
}

interface Naming {
  /** Names that no other network has. */
  marker: RegExp;
  /** The number of a block is the first group of it. */
  block: RegExp;
  /** The number of a layer that tells how many upsamplings there are, likewise. */
  upsampling: RegExp;
  countUpsamplings(numbers: ReadonlySet<number>): number;
  /** Its name for a layer: `conv_first`, `body.0.rdb1.conv1`, …, as Real-ESRGAN calls them. */
  nameOf(layer: string, facts: Pick<EsrganFacts, 'blocks' | 'upsamplings'>): string;
}

const DENSE = /^body\.(\d+)\.rdb(\d)\.(conv\w+)$/;
const UPSAMPLING = /^conv_up(\d+)$/;

/** The same network under the three namings that are in use. */
export const ESRGAN_NAMINGS = {
  /** Of ESRGAN's first release: positions in nested sequences. */
  old: {
    marker: /^model\.1\.sub\./,
    block: /^model\.1\.sub\.(\d+)\.RDB/,
    upsampling: /^model\.(\d+)\.(?:weight|bias)$/,
    countUpsamplings: nextUpsamplings,
    nameOf(layer, { blocks, upsamplings }) {
      const dense = DENSE.exec(layer);
      if (dense) return `model.1.sub.${dense[1]}.RDB${dense[2]}.${dense[3]}${dense[3] === 'conv1x1' ? '' : '.0'}`;
      const upsampling = UPSAMPLING.exec(layer);
      if (upsampling) return `model.${3 * Number(upsampling[1])}`;
      const [hr, last] = lastPositions(upsamplings);
      const places = { conv_first: '0', conv_body: `1.sub.${blocks}`, conv_hr: hr, conv_last: last };
      return `model.${places[layer as keyof typeof places]}`;
    },
  },
  /** Of BSRGAN, and of ESRGAN's code. */
  RRDB_trunk: {
    marker: /^RRDB_trunk\./,
    block: /^RRDB_trunk\.(\d+)\./,
    upsampling: /^upconv(\d+)\./,
    countUpsamplings: greatest,
    nameOf(layer) {
      const names: Record<string, string> = { conv_body: 'trunk_conv', conv_hr: 'HRconv' };
      return names[layer] ?? layer.replace(DENSE, 'RRDB_trunk.$1.RDB$2.$3').replace(UPSAMPLING, 'upconv$1');
    },
  },
  /** Of Real-ESRGAN and BasicSR; it is the product's as well. */
  'Real-ESRGAN': {
    marker: /^body\.\d+\.\w*rdb\d+\./,
    block: /^body\.(\d+)\./,
    upsampling: /^conv_up(\d+)\./,
    countUpsamplings: greatest,
    nameOf: (layer) => layer,
  },
} as const satisfies Record<string, Naming>;
export type EsrganNaming = keyof typeof ESRGAN_NAMINGS;

/** Of the last two layers in the old naming: each upsampling takes three positions. */
function lastPositions(upsamplings: number): [hr: number, last: number] {
  return [3 * upsamplings + 2, 3 * upsamplings + 4];
}

/** As many as make the fewest positions missing or too many; of equals the most. */
function nextUpsamplings(positions: ReadonlySet<number>): number {
  const differences = Array.from({ length: MAX_UPSAMPLINGS + 1 }, (_, upsamplings) => {
    const steps = Array.from({ length: upsamplings }, (_, index) => 3 * (index + 1));
    const wanted = [0, ...steps, ...lastPositions(upsamplings)];
    const there = wanted.filter((position) => positions.has(position)).length;
    return wanted.length + positions.size - 2 * there;
  });
  return differences.lastIndexOf(Math.min(...differences));
}

function greatest(numbers: ReadonlySet<number>): number {
  return numbers.values().reduce((most, number) => Math.max(most, number), 0);
}

/** Undefined where no name is one of an ESRGAN. */
export function esrganNaming(names: Iterable<string>): EsrganNaming | undefined {
  const all = [...names];
  const namings = Object.keys(ESRGAN_NAMINGS) as EsrganNaming[];
  return namings.find((naming) => all.some((name) => ESRGAN_NAMINGS[naming].marker.test(name)));
}

/** Stand-ins for a layer that is missing, so that it is the one that a message names. */
const USUAL = { channels: 3, features: 64, growth: 32 };

/**
 * Reads the sizes off names and shapes. Where tensors are missing or contradict each other these are the sizes of a
 * network that comes near.
 */
export function esrganFacts(tensors: Tensors, naming: EsrganNaming): EsrganFacts {
  const { block, upsampling, countUpsamplings, nameOf }: Naming = ESRGAN_NAMINGS[naming];
  const blocks = numbersIn(tensors, block);
  const counts = {
    blocks: blocks.size && greatest(blocks) + 1,
    upsamplings: countUpsamplings(numbersIn(tensors, upsampling)),
  };
  const size = (layers: readonly string[], axis: number): number | undefined => {
    const shapes = layers.map((layer) => tensors.get(`${nameOf(layer, counts)}.weight`)?.shape);
    return shapes.find((shape) => shape?.length === 4)?.[axis];
  };
  const grown = ['conv1', 'conv2', 'conv3', 'conv4'].map((conv) => `body.0.rdb1.${conv}`);
  return {
    ...counts,
    first: size(['conv_first'], 1) ?? USUAL.channels,
    out: size(['conv_last'], 0) ?? USUAL.channels,
    features: size(['conv_first', 'conv_body', 'conv_hr'], 0) ?? USUAL.features,
    growth: size(grown, 0) ?? USUAL.growth,
    isPlus: tensors.keys().some((name) => name.includes('.conv1x1.')),
  };
}

/** All numbers that stand in the first group. */
function numbersIn(tensors: Tensors, pattern: RegExp): Set<number> {
  const found = [...tensors.keys()].flatMap((name) => pattern.exec(name)?.[1] ?? []);
  return new Set(found.map(Number));
}
