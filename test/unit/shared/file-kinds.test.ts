import { describe, expect, it } from 'vitest';
import { AppError } from '../../../shared/error.ts';
import { readImageHeader } from '../../../shared/image-format.ts';
import { noise } from '../../support/sample-images.ts';
import { type SampleDirectory, tiffFile } from '../../support/tiff-sample.ts';

function refusal(bytes: Uint8Array): { code: string; message: string } {
  try {
    readImageHeader(bytes);
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('was accepted');
}

const text = (value: string) => Buffer.from(value, 'latin1');
const zeros = '\0'.repeat(200);

describe('files of other kinds are named', () => {
  it.each([
    ['PSD', '8BPS\0\x01', /a Photoshop document/],
    ['JPEG XL, bare', '\xff\x0a\xfa\x1f', /JPEG XL/],
    ['JPEG XL, in boxes', '\0\0\0\x0cJXL \r\n\x87\n', /JPEG XL/],
    ['JPEG 2000', '\0\0\0\x0cjP  \r\n\x87\n', /JPEG 2000/],
    ['JPEG 2000, bare', '\xff\x4f\xff\x51\0\x29', /JPEG 2000/],
    ['JPEG XR', 'II\xbc\x01\x08\0\0\0', /JPEG XR/],
    ['BMP', 'BM\0\0\0\0', /BMP/],
    ['TGA', `\0\0\x02\0\0\0\0\0\0\0\0\0\x40\0\x30\0\x18\x20${zeros}`, /TGA/],
    ['ICO', '\0\0\x01\0\x01\0\x10\x10', /an icon/],
    ['OpenEXR', 'v/1\x01\x02\0\0\0', /OpenEXR/],
    ['Radiance', '#?RADIANCE\n', /Radiance HDR/],
    ['XCF', 'gimp xcf v011\0', /a GIMP document/],
    ['DICOM', `${'\0'.repeat(128)}DICM`, /DICOM/],
    ['MP4', '\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41', /a film/],
    ['MOV', '\0\0\0\x14ftypqt  \0\0\x02\0qt  ', /a film/],
    ['MOV without a type', '\0\0\0\x08wide\0\0\0\0mdat', /QuickTime/],
    ['AVI', 'RIFF\0\0\0\0AVI LIST', /an AVI film/],
    ['WebM', '\x1aE\xdf\xa3\x01\0', /WebM/],
    ['ZIP', 'PK\x03\x04\x14\0', /a ZIP archive/],
    ['PNG of Apple', '\x89PNG\r\n\x1a\n\0\0\0\x04CgBI\x50\0\x20\x02', /Apple's own kind of PNG/],
    ['HTML', '<html><body>', /SVG, XML or HTML/],
    ['SVG after a mark', '\xef\xbb\xbf<svg/>', /SVG/],
    ['an unknown kind', 'Dear sir or madam', /not an image of a kind that is known/],
  ])('%s', (_name, start, expected) => {
    expect(refusal(text(start))).toEqual({
      code: 'unsupported-media-type',
      message: expect.stringMatching(expected),
    });
  });

  it('JPEG of processes that are not read', () => {
    const frame = (marker: number, bits: number, height = 10) =>
      Uint8Array.of(0xff, 0xd8, 0xff, marker, 0, 11, bits, 0, height, 0, 10, 1, 1, 0x11, 0);
    for (const [bytes, expected] of [
      [frame(0xc1, 12), /12 bits/],
      [frame(0xf7, 8), /JPEG-LS/],
      [frame(0xc5, 8), /hierarchical/],
      [frame(0xc0, 8, 0), /height only behind/],
    ] as const) {
      expect(refusal(bytes)).toEqual({
        code: 'unsupported-media-type',
        message: expect.stringMatching(expected),
      });
    }
  });

  it('a film of AVIF without a still picture', () => {
    const film = text('\0\0\0\x18ftypavis\0\0\0\0avismsf1\0\0\0\x08moov');
    expect(refusal(film)).toMatchObject({ code: 'unsupported-media-type', message: expect.stringMatching(/a film/) });
  });
});

describe('camera RAW', () => {
  it.each([
    ['CR2', 'II*\0\x10\0\0\0CR\x02\0', /Canon CR2/],
    ['CR3', '\0\0\0\x18ftypcrx \0\0\0\x01crx isom', /Canon CR3/],
    ['CRW', 'II\x1a\0\0\0HEAPCCDR', /Canon CRW/],
    ['RAF', 'FUJIFILMCCD-RAW 0201', /Fujifilm RAF/],
    ['X3F', 'FOVb\0\0\x02\0', /Sigma X3F/],
    ['MRW', '\0MRM\0\0', /Minolta MRW/],
    ['ORF', 'IIRO\x08\0\0\0', /Olympus ORF/],
    ['ORF, older', 'MMOR\0\0\0\x08', /Olympus ORF/],
    ['RW2', 'IIU\0\x18\0\0\0', /Panasonic RW2/],
    ['IIQ', 'II*\0\x08\0\0\0IIII', /Phase One IIQ/],
  ])('%s by its beginning', (_name, start, expected) => {
    expect(refusal(text(start + zeros))).toEqual({
      code: 'unsupported-media-type',
      message: expect.stringMatching(expected),
    });
  });

  const thumbnail: SampleDirectory = { width: 16, height: 12, samples: noise(16 * 12 * 3), more: [[254, 4, [1]]] };
  const sensor: SampleDirectory = {
    width: 64,
    height: 48,
    samples: noise(64 * 48 * 2),
    bits: [16],
    photometric: 32803,
  };

  it.each<[string, SampleDirectory[], RegExp]>([
    [
      'NEF: the sensor lies below a thumbnail',
      [
        {
          ...thumbnail,
          more: [
            [254, 4, [1]],
            [271, 2, 'NIKON CORPORATION'],
          ],
          below: [sensor],
        },
      ],
      /Nikon NEF/,
    ],
    [
      'ARW: a compression of its own',
      [{ ...thumbnail, more: [[271, 2, 'SONY']], below: [{ ...sensor, photometric: 1, compression: 32767 }] }],
      /Sony ARW/,
    ],
    ['PEF: the sensor comes first', [{ ...sensor, more: [[271, 2, 'PENTAX Corporation']] }, thumbnail], /Pentax PEF/],
    ['3FR: the sensor comes last', [{ ...thumbnail, more: [[271, 2, 'Hasselblad']] }, sensor], /Hasselblad 3FR/],
    [
      'DNG that is linear: only the version tells',
      [
        {
          width: 16,
          height: 12,
          samples: noise(16 * 12 * 3),
          more: [
            [50706, 1, [1, 4, 0, 0]],
            [271, 2, 'Apple'],
          ],
        },
      ],
      /\(DNG\)/,
    ],
    [
      'a pattern of colors, and no maker',
      [
        {
          ...sensor,
          photometric: 1,
          more: [
            [33421, 3, [2, 2]],
            [33422, 1, [0, 1, 1, 2]],
          ],
        },
      ],
      /of a kind built on TIFF/,
    ],
  ])('%s', (_name, pages, expected) => {
    for (const littleEndian of [true, false]) {
      const refused = refusal(tiffFile(pages, { littleEndian }));
      expect(refused.code).toBe('unsupported-media-type');
      expect(refused.message).toMatch(expected);
      expect(refused.message).toMatch(/camera RAW.*export.*TIFF, PNG or JPEG/);
    }
  });

  it("is not the picture that a maker's program has developed", () => {
    const developed: SampleDirectory = { width: 64, height: 48, samples: noise(64 * 48 * 3) };
    const scan = {
      ...thumbnail,
      more: [
        [254, 4, [1]],
        [271, 2, 'Nikon'],
        [305, 2, 'Nikon Scan'],
      ],
      below: [developed],
    };
    expect(readImageHeader(tiffFile([scan as SampleDirectory]))).toMatchObject({ width: 64, height: 48 });
    const makers = { ...developed, more: [[271, 2, 'Canon']] } as SampleDirectory;
    expect(readImageHeader(tiffFile([makers]))).toMatchObject({ format: 'tiff', width: 64, height: 48 });
  });
});
