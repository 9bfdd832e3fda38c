import { textAt } from './byte-view.ts';

/** The apparent kind of a file that is not read, so that its sender is told more than that it is none of ours. */

/** How files begin, in Latin-1; `at`: not at 0. From file(1) and the published specifications of each. */
const BEGINNINGS: [kind: string, start: string, at?: number][] = [
  ['a PDF', '%PDF'],
  ['a Photoshop document (PSD)', '8BPS'],
  ['a GIMP document (XCF)', 'gimp xcf'],
  ['JPEG XL', '\xff\x0a'],
  ['JPEG XL', '\0\0\0\x0cJXL '],
  ['JPEG 2000', '\0\0\0\x0cjP'],
  ['JPEG 2000', '\xff\x4f\xff\x51'],
  ['JPEG XR', 'II\xbc'],
  ['BigTIFF', 'II+\0'],
  ['BigTIFF', 'MM\0+'],
  ['BMP', 'BM'],
  ['an icon (ICO)', '\0\0\x01\0'],
  ['a cursor (CUR)', '\0\0\x02\0\x01\0'],
  ['an icon (ICNS)', 'icns'],
  ['OpenEXR', 'v/1\x01'],
  ['Radiance HDR', '#?'],
  ['FLIF', 'FLIF'],
  ['BPG', 'BPG\xfb'],
  ['QOI', 'qoif'],
  ['DDS', 'DDS '],
  ['MNG', '\x8aMNG'],
  ['JNG', '\x8bJNG'],
  ['DjVu', 'AT&TFORM'],
  ['DICOM', 'DICM', 128],
  ['FITS', 'SIMPLE  ='],
  ['PostScript (EPS)', '%!PS'],
  ['PostScript (EPS)', '\xc5\xd0\xd3\xc6'],
  ['PCX', '\x0a\x05\x01'],
  ['SGI', '\x01\xda'],
  ['an AVI film', 'AVI ', 8],
  ['a sound file (WAV)', 'WAVE', 8],
  ['a Matroska or WebM film', '\x1aE\xdf\xa3'],
  ['an MPEG film', '\0\0\x01\xba'],
  ['a Windows Media film', '0&\xb2u'],
  ['a Flash film', 'FLV'],
  ['a QuickTime film', 'moov', 4],
  ['a QuickTime film', 'mdat', 4],
  ['a QuickTime film', 'wide', 4],
  ['a sound file', 'ID3'],
  ['a sound file', 'OggS'],
  ['a sound file', 'fLaC'],
  ['a ZIP archive (or a document that is one)', 'PK\x03\x04'],
  ['a gzip archive', '\x1f\x8b'],
  ['a RAR archive', 'Rar!'],
  ['a 7-Zip archive', '7z\xbc\xaf'],
  ['an Office document', '\xd0\xcf\x11\xe0'],
];

const PATTERNS: [kind: string, start: RegExp][] = [
  ['SVG, XML or HTML', /^(\xef\xbb\xbf)?\s*<(svg|\?xml|!|html)/i],
  ['a portable pixel map (PNM, PFM)', /^P[1-7Ff]\s/],
  ['a film (MP4, MOV)', /^....ftyp(qt {2}|isom|iso\d|mp4|mp7|M4[VAP]|avc|dash|3g|f4v|mmp4|MSNV)/s],
];

/** With an article where it takes one; never empty. */
export function nameKind(bytes: Uint8Array): string {
  const start = textAt(bytes, 0, Math.min(bytes.length, 256));
  const known =
    BEGINNINGS.find(([, text, at = 0]) => start.startsWith(text, at)) ?? PATTERNS.find(([, form]) => form.test(start));
  if (known) return known[0];
  return isTarga(bytes) ? 'TGA' : 'not an image of a kind that is known here';
}

/** Its header has no letters: a kind of picture, and nothing of a palette, nor a depth that there is not. */
function isTarga(bytes: Uint8Array): boolean {
  const [, palette = 2, kind = 0] = bytes;
  const hasPalette = bytes.subarray(3, 8).some((value) => value !== 0);
  return (
    palette < 2 &&
    [1, 2, 3, 9, 10, 11].includes(kind) &&
    hasPalette === (palette === 1) &&
    [8, 15, 16, 24, 32].includes(bytes[16] ?? 0)
  );
}
