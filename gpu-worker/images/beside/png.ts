import { inflateSync } from 'node:zlib';
import { CHUNK, pngChunks } from '../../../shared/png-header.ts';
import { type Beside, CREDENTIALS_NOTE, decodeText } from './beside.ts';

const METERS_PER_INCH = 0.0254;
const XMP_KEYWORD = 'XML:com.adobe.xmp';
/** Of one text, and of all. Generators of images write some 100 kB; a text that inflates far beyond is a bomb. */
const MAX_TEXT_BYTES = 1024 * 1024;
const MAX_ALL_BYTES = 4 * 1024 * 1024;
const MAX_TEXTS = 1000;

/** PNG third edition, 11.3.3 and 11.3.4.3; and EXIF, XMP and IPTC as ImageMagick puts them into texts. */
export function besidePng(file: Buffer): Beside {
  const beside: Required<Pick<Beside, 'texts' | 'lost'>> & Beside = { texts: [], lost: [] };
  let unread = 0;
  let bytes = 0;
  for (const { name, body, end } of pngChunks(file)) {
    const data = file.subarray(body, end - 4);
    if (name === CHUNK.pHYs && data[8] === 1) {
      beside.density ??= [data.readUInt32BE(0) * METERS_PER_INCH, data.readUInt32BE(4) * METERS_PER_INCH];
    }
    if (name === CHUNK.caBX) beside.lost.push(CREDENTIALS_NOTE);
    const read = { [CHUNK.tEXt]: readPlain, [CHUNK.zTXt]: readCompressed, [CHUNK.iTXt]: readInternational }[name];
    if (!read) continue;
    const text = beside.texts.length < MAX_TEXTS && bytes < MAX_ALL_BYTES ? read(data) : undefined;
    bytes += text?.text.length ?? 0;
    if (!text) unread++;
    else if (text.keyword.startsWith('Raw profile type ')) addProfile(beside, text.keyword.slice(17), text.text);
    else if (text.keyword !== XMP_KEYWORD) beside.texts.push(text);
  }
  if (unread > 0) beside.lost.push(`${unread} texts of the file are damaged or too large; they were left out.`);
  return beside;
}

type Read = { keyword: string; text: string } | undefined;

/** The keyword, which ends with a 0, and the rest. */
function split(data: Buffer): [keyword: string, rest: Buffer] {
  const end = data.indexOf(0);
  return [data.toString('latin1', 0, Math.max(0, end)), data.subarray(end + 1)];
}

function readPlain(data: Buffer): Read {
  const [keyword, rest] = split(data);
  return keyword && rest.length <= MAX_TEXT_BYTES ? { keyword, text: rest.toString('latin1') } : undefined;
}

function readCompressed(data: Buffer): Read {
  const [keyword, rest] = split(data);
  const text = inflated(rest.subarray(1));
  return keyword && text ? { keyword, text: text.toString('latin1') } : undefined;
}

/** Flag and method of compression, language, the keyword in that language, the text in UTF-8. */
function readInternational(data: Buffer): Read {
  const [keyword, rest] = split(data);
  const [, afterLanguage] = split(rest.subarray(2));
  const [, stored] = split(afterLanguage);
  const text = rest[0] === 1 ? inflated(stored) : stored;
  return keyword && text && text.length <= MAX_TEXT_BYTES ? { keyword, text: decodeText(text) } : undefined;
}

function inflated(data: Uint8Array): Buffer | undefined {
  try {
    return inflateSync(data, { maxOutputLength: MAX_TEXT_BYTES });
  } catch {
    return undefined;
  }
}

/** ImageMagick's PNG coder: the name again, the number of bytes, and the bytes in hex. */
function addProfile(beside: Beside, kind: string, text: string): void {
  const [, , ...hex] = text.trim().split(/\s+/);
  const bytes = Buffer.from(hex.join(''), 'hex');
  if (kind === 'exif' || kind === 'APP1') {
    const isXmp = bytes.toString('latin1', 0, 29).startsWith('http://ns.adobe.com/xap/1.0/');
    if (isXmp) beside.xmp = bytes.subarray(29);
    else beside.exif = bytes;
  }
  if (kind === 'xmp') beside.xmp = bytes;
  if (kind === 'iptc' || kind === '8bim') beside.iptc = bytes;
}
