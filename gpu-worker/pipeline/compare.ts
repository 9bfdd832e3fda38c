import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { MODEL_SCALE } from '../../shared/tile-plan.ts';
import { enlargeRows, shrink } from '../images/enlarge.ts';
import type { Pixels } from '../images/image.ts';
import { deltaE } from './delta-e.ts';

/** What a result makes of its photo. All values in levels of 0..255. */
export interface Comparison {
  /** Of the result made small again (means of 4 × 4) against the photo: mean square error, mean color distance. */
  meanSquareError: number;
  deltaE: number;
  /** Root mean square of result minus faithful enlargement: what was added, or taken away, beyond the photo. */
  addedDetail: number;
  /** The same two pictures in means of 8 × 8 photo pixels, which noise hardly moves. */
  coarse: { meanSquareError: number; photoVariance: number; resultVariance: number };
  /** Added detail by place: root mean squares of cells of `cell` × `cell` photo pixels, in rows. */
  map: { width: number; height: number; cell: number; values: Float32Array };
}

/** Rows of the photo that are looked at in one go, or more where they are short: the border of a strip is work, too. */
const LEAST_STRIP_ROWS = 64;
const STRIP_PIXELS = 2 ** 16;
const BLOCK = 8;
/** Longest side of the map, in cells. */
const MAX_MAP_SIDE = 512;
const SAMPLES = MODEL_SCALE ** 2;

/**
 * Compares a picture four times as large with its photo, strip by strip: holds two strips beside the pictures.
 * `result`: 8 bits, same channels. `signal`: looked at between strips.
 */
export async function compareWithPhoto(photo: Pixels, result: Pixels, signal: AbortSignal): Promise<Comparison> {
  const { width, height, channels } = photo;
  const cell = Math.ceil(Math.max(width, height) / MAX_MAP_SIDE);
  const [mapWidth, mapHeight] = [Math.ceil(width / cell), Math.ceil(height / cell)];
  const squares = new Float64Array(mapWidth * mapHeight);
  const totals = { error: 0, deltaE: 0, detail: 0 };
  const blocks = createBlocks(width, channels);
  const strip = Math.max(LEAST_STRIP_ROWS, Math.floor(STRIP_PIXELS / width));

  for (let start = 0; start < height; start += strip) {
    await eventLoopTurn();
    signal.throwIfAborted();
    const count = Math.min(strip, height - start);
    const { rows, enlarged } = enlargeRows(photo, start, count);
    for (let row = 0; row < count; row++) {
      const y = start + row;
      const seen = rows.subarray(row * width * channels, (row + 1) * width * channels);
      const line = width * channels * SAMPLES;
      const sums = shrink(result.data.subarray(y * line, (y + 1) * line), { width, height: 1, channels });
      const detail = detailRow(result, enlarged, y, row, width);
      const cells = squares.subarray(Math.floor(y / cell) * mapWidth);
      for (let x = 0; x < width; x++) {
        totals.detail += detail[x]!;
        cells[Math.floor(x / cell)]! += detail[x]!;
        totals.deltaE += deltaE(seen, sums, x * channels, channels);
      }
      for (let index = 0; index < seen.length; index++) totals.error += (sums[index]! / SAMPLES - seen[index]!) ** 2;
      blocks.add(seen, sums, y % BLOCK === BLOCK - 1 || y === height - 1);
    }
  }
  const pixels = width * height;
  const values = Float32Array.from(squares, (sum, index) => {
    const columns = Math.min(cell, width - (index % mapWidth) * cell);
    const rows = Math.min(cell, height - Math.floor(index / mapWidth) * cell);
    return Math.sqrt(sum / (columns * rows * SAMPLES * channels));
  });
  return {
    meanSquareError: totals.error / (pixels * channels),
    deltaE: totals.deltaE / pixels,
    addedDetail: Math.sqrt(totals.detail / (pixels * SAMPLES * channels)),
    coarse: blocks.end(),
    map: { width: mapWidth, height: mapHeight, cell, values },
  };
}

/** Sums of squared differences from the faithful enlargement, one a photo pixel. `row`: of the strip. */
function detailRow({ data, channels }: Pixels, enlarged: Uint8Array, y: number, row: number, width: number) {
  const sums = new Float64Array(width);
  const rowLength = width * MODEL_SCALE * channels;
  for (let line = 0; line < MODEL_SCALE; line++) {
    let source = (y * MODEL_SCALE + line) * rowLength;
    let other = (row * MODEL_SCALE + line) * rowLength;
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let sample = 0; sample < MODEL_SCALE * channels; sample++) {
        const difference = data[source++]! - enlarged[other++]!;
        sum += difference * difference;
      }
      sums[x]! += sum;
    }
  }
  return sums;
}

/** Gathers means of blocks of both pictures; blocks at the right and lower border may be smaller. */
function createBlocks(width: number, channels: number) {
  const columns = Math.ceil(width / BLOCK);
  const sums = { photo: new Float64Array(columns * channels), result: new Float64Array(columns * channels) };
  const moments = Array.from({ length: channels }, () => ({ p: 0, pp: 0, r: 0, rr: 0, error: 0 }));
  let rows = 0;
  let count = 0;

  function endRow() {
    for (let index = 0; index < sums.photo.length; index++) {
      const samples = rows * Math.min(BLOCK, width - Math.floor(index / channels) * BLOCK);
      const [p, r] = [sums.photo[index]! / samples, sums.result[index]! / samples];
      const moment = moments[index % channels]!;
      moment.p += p;
      moment.pp += p * p;
      moment.r += r;
      moment.rr += r * r;
      moment.error += (p - r) ** 2;
    }
    count += columns;
    rows = 0;
    sums.photo.fill(0);
    sums.result.fill(0);
  }

  return {
    /** A row of the photo, and the sums of the result that belong to it. */
    add(photo: Uint8Array, result: Uint16Array, isLast: boolean): void {
      for (let index = 0; index < photo.length; index++) {
        const block = Math.floor(Math.floor(index / channels) / BLOCK) * channels + (index % channels);
        sums.photo[block]! += photo[index]!;
        sums.result[block]! += result[index]! / SAMPLES;
      }
      rows++;
      if (isLast) endRow();
    },
    /** Means over the channels. */
    end() {
      const mean = (of: (moment: (typeof moments)[number]) => number) =>
        moments.reduce((total, moment) => total + of(moment), 0) / channels;
      return {
        meanSquareError: mean(({ error }) => error / count),
        photoVariance: mean(({ p, pp }) => Math.max(0, pp / count - (p / count) ** 2)),
        resultVariance: mean(({ r, rr }) => Math.max(0, rr / count - (r / count) ** 2)),
      };
    },
  };
}
