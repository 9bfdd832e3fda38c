import { lanczos, resamplingTaps, type Taps } from './resampling.ts';

interface Size {
  width: number;
  height: number;
}

/** Takes rows of a picture from top to bottom, as many at a time as come, and gives those of another size. */
export interface RowResampler {
  /** `rows`: whole ones, interleaved. */
  push(rows: Float32Array): void;
}

/**
 * By Lanczos 3, each axis once; holds the rows that still count and no more, so that a picture that is only ever made
 * row by row never has to be whole. `lanes`: numbers of a pixel. `onRow` gets its row for the time of the call.
 */
export function createRowResampler(
  from: Size,
  to: Size,
  lanes: number,
  onRow: (row: Float32Array, y: number) => void,
): RowResampler {
  const columns = from.width === to.width ? undefined : flatten(resamplingTaps(from.width, to.width, lanczos, true));
  const rows = from.height === to.height ? undefined : resamplingTaps(from.height, to.height, lanczos, true);
  const [length, line] = [from.width * lanes, to.width * lanes];
  const held: Float32Array[] = [];
  const sums = new Float32Array(line);
  /** Of `held[0]` in the picture that comes in, and of the next row that goes out. */
  let [first, next] = [0, 0];

  function give(): void {
    if (!rows) {
      for (const row of held.splice(0)) onRow(row, next++);
      return;
    }
    for (; next < rows.length; next++) {
      const { start, weights } = rows[next]!;
      if (start + weights.length > first + held.length) break;
      sums.fill(0);
      for (const [tap, weight] of weights.entries()) addTimes(sums, held[start - first + tap]!, weight);
      onRow(sums, next);
    }
    const done = Math.min(held.length, (rows[next]?.start ?? first + held.length) - first);
    held.splice(0, done);
    first += done;
  }

  return {
    push(given) {
      for (let at = 0; at < given.length; at += length) {
        const row = given.subarray(at, at + length);
        held.push(columns ? resampleRow(row, columns, lanes, line) : row.slice());
        give();
      }
    },
  };
}

interface FlatTaps {
  starts: Int32Array;
  /** Where the weights of a position begin; one more than there are positions. */
  offsets: Int32Array;
  weights: Float32Array;
}

/** In arrays of one kind, which a processor goes through several times as fast. */
function flatten(taps: readonly Taps[]): FlatTaps {
  const offsets = new Int32Array(taps.length + 1);
  for (const [index, { weights }] of taps.entries()) offsets[index + 1] = offsets[index]! + weights.length;
  return {
    starts: Int32Array.from(taps, ({ start }) => start),
    offsets,
    weights: Float32Array.from(taps.flatMap(({ weights }) => weights)),
  };
}

function resampleRow(
  row: Float32Array,
  { starts, offsets, weights }: FlatTaps,
  lanes: number,
  line: number,
): Float32Array {
  const resampled = new Float32Array(line);
  for (let x = 0, target = 0; x < starts.length; x++) {
    const [begin, end] = [offsets[x]!, offsets[x + 1]!];
    const source = starts[x]! * lanes;
    for (let lane = 0; lane < lanes; lane++, target++) {
      let sum = 0;
      for (let tap = begin, at = source + lane; tap < end; tap++, at += lanes) sum += weights[tap]! * row[at]!;
      resampled[target] = sum;
    }
  }
  return resampled;
}

function addTimes(sums: Float32Array, row: Float32Array, weight: number): void {
  for (let index = 0; index < sums.length; index++) sums[index]! += weight * row[index]!;
}
