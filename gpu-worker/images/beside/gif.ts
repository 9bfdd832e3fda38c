import { readGif } from '../gif-blocks.ts';
import { type Beside, decodeText } from './beside.ts';

const COMMENT = 0xfe;
const APPLICATION = 0xff;

/** GIF89a sections 24 and 26. */
export function besideGif(file: Buffer): Beside {
  const { blocks } = readGif(file);
  const comments = blocks.filter(({ label }) => label === COMMENT);
  const hasXmp = blocks.some(({ label, data }) => label === APPLICATION && Buffer.from(data).includes('XMP DataXMP'));
  return {
    texts: comments.map(({ data }) => ({ keyword: 'Comment', text: decodeText(data) })),
    lost: hasXmp ? ['The XMP data in GIF files is not kept.'] : [],
  };
}
