import { type Box, boxesIn, boxOf } from '../../../shared/heif-header.ts';
import type { Metadata } from '../image.ts';
import type { Attachment } from './attachment.ts';

/**
 * ISO/IEC 23008-12: the profile becomes a property of the primary item (6.5.5), EXIF and XMP items of their own that
 * describe it (annex A). `beginning` is the output of libheif: its boxes are of version 0.
 */
export function attachToAvif(beginning: Buffer, bytes: number, { icc, exif, xmp }: Metadata): Attachment {
  const meta = boxOf(boxesIn(beginning, 0, beginning.length), 'meta');
  const children = boxesIn(beginning, meta.start + 4, meta.end);
  const content = (type: string) => contentOf(beginning, boxOf(children, type));
  const primary = content('pitm').readUInt16BE(4);
  const items: Item[] = [];
  // Annex A.2.1: the TIFF structure begins 0 bytes behind the number that says so.
  if (exif) items.push({ id: 0, info: 'Exif\0', data: Buffer.concat([Buffer.alloc(4), exif]) });
  if (xmp) items.push({ id: 0, info: 'mime\0application/rdf+xml\0\0', data: Buffer.from(xmp) });
  const first = 1 + Math.max(...locations(content('iloc')).map(({ id }) => id));
  for (const [k, item] of items.entries()) item.id = first + k;

  const tail = box('mdat', ...items.map(({ data }) => data));
  const build = (grown: number) => {
    const replaced: Record<string, Buffer> = {
      iloc: locationBox(locations(content('iloc')), items, grown, bytes + 8),
      iinf: infoBox(content('iinf'), items),
      iprp: icc ? propertiesBox(content('iprp'), primary, icc) : box('iprp', content('iprp')),
      iref: referenceBox(children.some(({ type }) => type === 'iref') ? content('iref') : undefined, items, primary),
    };
    const kept = children.map((child) => replaced[child.type] ?? box(child.type, contentOf(beginning, child)));
    const added = items.length > 0 && !children.some(({ type }) => type === 'iref') ? [replaced.iref!] : [];
    return box('meta', Buffer.alloc(4), ...kept, ...added);
  };
  const grown = build(0).length - (meta.end - meta.start + 8);
  const head = Buffer.concat([beginning.subarray(0, meta.start - 8), build(grown)]);
  return { removed: meta.end, head, ...(items.length > 0 && { tail }) };
}

/** `info`: its type, and the rest of its `infe` box. */
interface Item {
  id: number;
  info: string;
  data: Buffer;
}

interface Location {
  id: number;
  /** Where the item lies in the file. */
  base: number;
  /** Its extents, counted from there. */
  extents: Buffer;
}

/** `iloc` of version 0: offset and length of extents, and the base offset, have 4 bytes. */
const SIZES = 0x4440;
const EXTENT_BYTES = 8;

function locations(content: Buffer): Location[] {
  if (content[0] !== 0 || content.readUInt16BE(4) !== SIZES) throw new TypeError('iloc is not as libheif writes it');
  const found: Location[] = [];
  let at = 8;
  for (let left = content.readUInt16BE(6); left > 0; left--) {
    const bytes = EXTENT_BYTES * content.readUInt16BE(at + 8);
    const extents = content.subarray(at + 10, at + 10 + bytes);
    found.push({ id: content.readUInt16BE(at), base: content.readUInt32BE(at + 4), extents });
    at += 10 + bytes;
  }
  return found;
}

/** All that was there has moved by `grown`; the new items lie one behind the other from `start` on, before it moves. */
function locationBox(before: Location[], items: Item[], grown: number, start: number): Buffer {
  let base = start;
  const added = items.map(({ id, data }) => {
    const extents = Buffer.alloc(EXTENT_BYTES);
    extents.writeUInt32BE(data.length, 4);
    base += data.length;
    return { id, base: base - data.length, extents };
  });
  const all = [...before, ...added];
  const entries = all.map(({ id, base, extents }) => {
    const head = Buffer.alloc(10);
    head.writeUInt16BE(id, 0);
    head.writeUInt32BE(base + grown, 4);
    head.writeUInt16BE(extents.length / EXTENT_BYTES, 8);
    return Buffer.concat([head, extents]);
  });
  return box('iloc', Buffer.alloc(4), uint16(SIZES), uint16(all.length), ...entries);
}

function infoBox(content: Buffer, items: Item[]): Buffer {
  const added = items.map(({ id, info }) =>
    box('infe', Buffer.from([2, 0, 0, 1]), uint16(id), uint16(0), Buffer.from(info, 'latin1')),
  );
  return box(
    'iinf',
    content.subarray(0, 4),
    uint16(content.readUInt16BE(4) + items.length),
    content.subarray(6),
    ...added,
  );
}

/** `cdsc`: the item describes another. */
function referenceBox(content: Buffer | undefined, items: Item[], primary: number): Buffer {
  const added = items.map(({ id }) => box('cdsc', uint16(id), uint16(1), uint16(primary)));
  return box('iref', content ?? Buffer.alloc(4), ...added);
}

/** `ipco` holds the properties, `ipma` says by their numbers which item has which. */
function propertiesBox(content: Buffer, primary: number, icc: Uint8Array): Buffer {
  const parts = boxesIn(content, 0, content.length);
  const properties = contentOf(content, boxOf(parts, 'ipco'));
  const number = boxesIn(properties, 0, properties.length).length + 1;
  const associations = contentOf(content, boxOf(parts, 'ipma'));
  let at = 8;
  while (associations.readUInt16BE(at) !== primary) at += 3 + associations[at + 2]!;
  const end = at + 3 + associations[at + 2]!;
  const longer = Buffer.concat([associations.subarray(0, end), Buffer.from([number]), associations.subarray(end)]);
  longer[at + 2]! += 1;
  return box('iprp', box('ipco', properties, box('colr', Buffer.from('prof'), icc)), box('ipma', longer));
}

function contentOf(bytes: Buffer, { start, end }: Box): Buffer {
  return bytes.subarray(start, end);
}

function box(type: string, ...content: Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(body.length + 8, 0);
  head.write(type, 4, 'latin1');
  return Buffer.concat([head, body]);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
