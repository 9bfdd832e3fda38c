import { textAt, viewOf } from '../../../shared/byte-view.ts';
import { boxesIn, boxOf } from '../../../shared/heif-header.ts';
import { type Beside, GAIN_MAP_NOTE } from './beside.ts';

/** Names the auxiliary picture that brightens HEIC on HDR screens. */
const APPLE_GAIN_MAP = 'urn:com:apple:photo:2020:aux:hdrgainmap';
/** An item that is made of a picture and its gain map (ISO/IEC 23008-12, amendment of 2024). */
const TONE_MAP = 'tmap';

export function besideHeif(file: Buffer): Beside {
  const hasGainMap = file.includes(APPLE_GAIN_MAP) || itemTypes(file).includes(TONE_MAP);
  return { lost: hasGainMap ? [GAIN_MAP_NOTE] : [] };
}

/** ISO/IEC 14496-12 8.11.6: of `infe` boxes of version 2 and 3. */
function itemTypes(file: Buffer): string[] {
  const meta = boxOf(boxesIn(file, 0, file.length), 'meta');
  const info = boxesIn(file, meta.start + 4, meta.end).find(({ type }) => type === 'iinf');
  if (!info) return [];
  const view = viewOf(file);
  const entries = boxesIn(file, info.start + (view.getUint8(info.start) === 0 ? 6 : 8), info.end);
  return entries.map(({ start }) => textAt(file, start + (view.getUint8(start) === 2 ? 8 : 10), 4));
}
