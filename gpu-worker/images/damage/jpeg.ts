import { textAt } from '../../../shared/byte-view.ts';
import { jpegSegments, MARKER } from '../../../shared/jpeg-header.ts';
import { CUT, type Damage, ROTTEN } from './damage.ts';
import { type BitReader, createBitReader, type HuffmanTable } from './jpeg-bits.ts';
import { NO_DETAIL, type Scan, type ScanComponent, walkBlock, walkProgressiveBlock } from './jpeg-blocks.ts';
import { type Frame, type FrameComponent, readFrame, readHuffman, readQuantization } from './jpeg-frame.ts';

const END = Uint8Array.of(0xff, MARKER.endOfImage);
/** Precision of coefficients that no scan has told of. */
const NEVER = 99;

/** Letters as numbers, by which libjpeg too takes the components for red, green and blue. */
const RGB_IDS = '82,71,66';

interface State {
  bits: BitReader;
  frame?: Frame;
  steps: Uint16Array[];
  tables: (HuffmanTable | undefined)[];
  restartInterval: number;
  /** Luma and two components of color; neither RGB nor gray nor CMYK. */
  isYcc: boolean;
  /** Known data of each component of the frame. */
  known: Map<FrameComponent, Known>;
  lost: number;
  isRotten: boolean;
}

interface Known {
  /** How many bits of each coefficient are still missing. */
  precision: Uint8Array;
  nonzero: Uint32Array;
}

/**
 * Looks whether the codes of all pixels are there and make sense. libjpeg says nothing where a changed bit leads to
 * other valid codes, and fills gaps. Files coded otherwise than by Huffman are not looked into.
 */
export function inspectJpeg(file: Uint8Array): Damage {
  const state: State = {
    bits: createBitReader(file),
    steps: [],
    tables: [],
    restartInterval: 0,
    isYcc: true,
    known: new Map(),
    lost: 0,
    isRotten: false,
  };
  let hasEnd = false;
  for (const { marker, body, end } of jpegSegments(file)) {
    const data = file.subarray(body, end);
    if (marker === MARKER.endOfImage) hasEnd = true;
    else if (marker === 0xdb) readQuantization(data, state.steps);
    else if (marker === 0xc4) readHuffman(data, state.tables);
    else if (marker === 0xdd) state.restartInterval = (data[0]! << 8) | data[1]!;
    else if (marker === 0xee && isAdobeRgb(data)) state.isYcc = false;
    else if (marker >= 0xc0 && marker <= 0xc2) {
      state.frame ??= readFrame(data, marker === 0xc2, state.steps);
      state.isYcc &&=
        state.frame?.components.map(({ id }) => id).join() !== RGB_IDS && state.frame?.components.length === 3;
    } else if (marker === MARKER.startOfScan) walkScan(state, file, data, end);
  }
  const bytes = hasEnd ? file : Buffer.concat([file, END]);
  // The last bit of a coefficient is hardly seen.
  const isComplete = state.frame?.components.every((each) =>
    state.known.get(each)?.precision.every((left) => left <= 1),
  );
  const lost = hasEnd || isComplete ? state.lost : 1;
  if (state.isRotten) return { bytes, lost, words: ROTTEN };
  if (lost > 0 || !hasEnd) return { bytes, lost, words: CUT };
  return { bytes, lost };
}

interface Walk {
  components: (ScanComponent & { frame: FrameComponent })[];
  scan: Scan;
}

/** T.81 annex B.2.3. Undefined where decoders stop as well. */
function openScan(state: State, frame: Frame, header: Uint8Array): Walk | undefined {
  const count = header[0] ?? 0;
  const [first, last, approximation] = header.subarray(1 + 2 * count, 4 + 2 * count);
  if (first === undefined || last === undefined || approximation === undefined) return undefined;
  const scan: Scan = { first, last, high: approximation >> 4, low: approximation & 15, endOfBandRun: 0 };
  if (!frame.isProgressive) Object.assign(scan, { first: 0, last: 63, high: 0, low: 0 });
  if (scan.first > scan.last || scan.last > 63 || scan.low > 13) return undefined;
  const needs = { dc: scan.first === 0 && scan.high === 0, ac: scan.last > 0 };
  if (frame.isProgressive && scan.first === 0 && scan.last > 0) return undefined;
  const components: Walk['components'] = [];
  for (let k = 0; k < count; k++) {
    const component = frame.components.find(({ id }) => id === header[1 + 2 * k]);
    if (!component) return undefined;
    const numbers = header[2 + 2 * k]!;
    const [dc, ac] = [state.tables[numbers >> 4], state.tables[16 + (numbers & 15)]];
    if ((needs.dc && !dc) || (needs.ac && !ac)) return undefined;
    const { precision, nonzero } = knownOf(state, component, frame.isProgressive);
    precision.fill(scan.low, scan.first, scan.last + 1);
    const isColor = state.isYcc && component !== frame.components[0];
    const recent = isColor && { recent: [NO_DETAIL, NO_DETAIL] as [typeof NO_DETAIL, typeof NO_DETAIL] };
    components.push({ frame: component, dc, ac, steps: component.steps, prediction: 0, nonzero, ...recent });
  }
  return components.length > 0 ? { components, scan } : undefined;
}

function knownOf({ known }: State, component: FrameComponent, isProgressive: boolean): Known {
  const blocks = isProgressive ? component.paddedColumns * component.paddedRows : 0;
  const made = known.get(component) ?? {
    precision: new Uint8Array(64).fill(NEVER),
    nonzero: new Uint32Array(2 * blocks),
  };
  known.set(component, made);
  return made;
}

/** A block of the only component of the scan, which has no padding (A.2.2). */
function walkAlone({ bits, frame }: State, { components: [component], scan }: Walk, unit: number): boolean {
  if (!frame?.isProgressive) return walkBlock(bits, component!);
  const { columns, paddedColumns } = component!.frame;
  const block = Math.floor(unit / columns) * paddedColumns + (unit % columns);
  return walkProgressiveBlock(bits, component!, scan, block);
}

/** All blocks of a minimum coded unit (A.2.3). Progressive scans of several components have DC alone. */
function walkMcu({ bits, frame, isYcc }: State, { components, scan }: Walk, unit: number): boolean {
  let isSound = true;
  let rounding = 0;
  const means: number[] = [];
  for (const component of components) {
    const blocks = component.frame.horizontal * component.frame.vertical;
    let sum = 0;
    for (let left = blocks; left > 0; left--) {
      const isFine = frame?.isProgressive ? walkProgressiveBlock(bits, component, scan, 0) : walkBlock(bits, component);
      isSound &&= isFine;
      sum += component.prediction << scan.low;
    }
    means.push((sum * component.steps[0]!) / blocks / 8);
    rounding += (component.steps[0]! << scan.low) / 8;
  }
  return isSound && (!isYcc || scan.high > 0 || isAtEdge(frame, unit) || isColor(means, rounding));
}

/** There it is padded, luma and color each in a way of its own. */
function isAtEdge(frame: Frame | undefined, unit: number): boolean {
  if (!frame) return true;
  const { mcuColumns, mcuRows } = frame;
  return unit % mcuColumns === mcuColumns - 1 || unit >= (mcuRows - 1) * mcuColumns;
}

/** Cameras turn up colors after they have made luma and color of them, so that some are none; luma itself never is below 0. */
const MAX_OVERSHOOT = 12;

/**
 * Whether these can be means of pixels, or the codes before have shifted them. Of Y (less 128), Cb and Cr; `rounding`:
 * of the steps that they are told in.
 */
function isColor([y = 0, cb = 0, cr = 0]: number[], rounding: number): boolean {
  const rgb = [y + 1.402 * cr, y - 0.344 * cb - 0.714 * cr, y + 1.772 * cb];
  return y >= -129 - rounding && rgb.every((value) => Math.abs(value) <= 128 + MAX_OVERSHOOT + rounding);
}

/** T.81 annex B.2.3. `start`: of the coded pixels. */
function walkScan(state: State, file: Uint8Array, header: Uint8Array, start: number): void {
  const walk = state.frame && openScan(state, state.frame, header);
  if (!walk || !state.frame) return;
  const { bits, restartInterval, frame } = state;
  const { components, scan } = walk;
  const alone = components.length === 1 ? components[0]!.frame : undefined;
  const units = alone ? alone.columns * alone.rows : frame.mcuColumns * frame.mcuRows;
  const perRun = restartInterval || units;
  let missing = 0;
  bits.start(start);
  for (let unit = 0; unit < units; ) {
    scan.endOfBandRun = 0;
    for (const component of components) component.prediction = 0;
    const end = Math.min(units, unit + perRun);
    for (; unit < end && !bits.isExhausted(); unit++) {
      const isSound = alone ? walkAlone(state, walk, unit) : walkMcu(state, walk, unit);
      if (!isSound && !bits.isExhausted()) state.isRotten = true;
    }
    if (bits.isExhausted()) unit--; // the last one was not whole
    missing += end - unit;
    if (unit === end && !bits.isFinished()) state.isRotten = true;
    unit = end;
    if (unit === units) break;
    const marker = bits.end();
    if (!isRestart(file, marker)) {
      missing += units - unit;
      break;
    }
    bits.start(marker + 2);
  }
  if (scan.high === 0) state.lost = Math.max(state.lost, missing / units);
}

function isRestart(file: Uint8Array, at: number): boolean {
  return file[at] === 0xff && file[at + 1]! >= 0xd0 && file[at + 1]! <= 0xd7;
}

/** APP14 of Adobe with the transform 0 (ITU-T T.872 6.5.3). */
function isAdobeRgb(data: Uint8Array): boolean {
  return textAt(data, 0, 5) === 'Adobe' && data[11] === 0;
}
