import { readFile } from 'node:fs/promises';
import { deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import type { InputFormat } from '../../shared/image-format.ts';
import {
  displayP3Profile,
  fixture,
  jpegSegment,
  noise,
  rawImage,
  withJpegExif,
  withJpegSegments,
  withPngChunk,
  xmpPacket,
  xmpSegment,
} from './sample-images.ts';
import { tiffFile } from './tiff-sample.ts';

/** A sound file that is going to be mutated. */
export interface Source {
  format: InputFormat;
  file: Buffer;
}

/** Every kind of file that decoders take another way through, tiny; and `large`: photos as cameras make them. */
export async function makeSources({ large }: { large: boolean }): Promise<Source[]> {
  const files: Record<InputFormat, (Buffer | Promise<Buffer>)[]> = {
    jpeg: await jpegFiles(),
    png: await pngFiles(),
    webp: webpFiles(),
    avif: [
      color().avif({ effort: 0 }).toBuffer(),
      color(4).avif({ effort: 0 }).toBuffer(),
      readFile(fixture('formats/animated.avif')),
    ],
    gif: [color().gif().toBuffer(), animation().gif().toBuffer()],
    tiff: tiffFiles(),
    heic: [readFile(fixture('formats/turned-p3.heic')), readFile(fixture('formats/gray-alpha.heic'))],
  };
  if (large) {
    files.jpeg.push(readFile(fixture('photos/13_phone_shoes.jpg')), readFile(fixture('formats/exif_Landscape_5.jpg')));
    files.webp.push(readFile(fixture('photos/06_landscape_denali.webp')));
    files.avif.push(readFile(fixture('formats/8bit-sRGB.avif')), readFile(fixture('formats/10bit-HDR-P3-nclx.avif')));
    files.heic.push(readFile(fixture('formats/iphone7.heic')));
  }
  const all = Object.entries(files) as [InputFormat, (Buffer | Promise<Buffer>)[]][];
  const made = all.flatMap(([format, of]) => of.map(async (file) => ({ format, file: await file })));
  return Promise.all(made);
}

const EXIF = { IFD0: { Make: 'Maker', Orientation: '6' }, IFD3: { GPSLatitude: '51/1 30/1 0/1' } };
const XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="r"><rdf:Description/></rdf:RDF></x:xmpmeta>';

function color(channels: 3 | 4 = 3, width = 24, height = 17) {
  return rawImage(noise(width * height * channels), width, height, channels);
}

/** Names, crops and promises that speak of pixels. */
const REGIONS = xmpPacket(
  '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:AppliedToDimensions stDim:w="24" stDim:h="17" stDim:unit="pixel"/>' +
    '<mwg-rs:RegionList><rdf:Bag><rdf:li rdf:parseType="Resource"><mwg-rs:Area stArea:x="0.2" stArea:y="0.3" stArea:w="0.1" ' +
    'stArea:h="0.1" stArea:unit="normalized"/></rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>',
  'crs:HasCrop="True" crs:CropLeft="0.1" crs:CropTop="0" crs:CropRight="1" crs:CropBottom="1" hdrgm:Version="1.0" GPano:FullPanoWidthPixels="99"',
);
const CAPTION = Buffer.from('8BIM\x04\x04\0\0\0\0\0\x08\x1c\x02\x78\0\x03Hey', 'latin1');
const MULTI_PICTURE = Buffer.from(
  'MM\0*\0\0\0\x08\0\x01\xb0\x02\0\x07\0\0\0\x20\0\0\0\x1a\0\0\0\0\0\x03\0\0'.padEnd(58, '\0'),
  'latin1',
);

/** Three frames. */
function animation() {
  const frames = noise(3 * 20 * 10 * 4);
  return sharp(frames, { raw: { width: 20, height: 30, channels: 4, pageHeight: 10 } });
}

function withMetadata(picture: Sharp) {
  return picture.withExif(EXIF).withXmp(XMP).withIccProfile('p3').withDensity(300);
}

async function jpegFiles() {
  const plain = await color().jpeg().toBuffer();
  return [
    plain,
    withJpegExif(plain, Buffer.from('MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0', 'latin1')),
    withMetadata(color()).jpeg({ progressive: true }).toBuffer(),
    withJpegSegments(
      plain,
      xmpSegment(REGIONS),
      jpegSegment(0xed, 'Photoshop 3.0\0', CAPTION),
      jpegSegment(0xe2, 'MPF\0', MULTI_PICTURE),
      jpegSegment(0xfe, '', Buffer.from('a comment')),
    ),
    rawImage(noise(200), 20, 10, 1).jpeg({ optimiseCoding: false }).toBuffer(),
    color(3, 40, 24).jpeg({ progressive: true, quality: 30 }).toBuffer(),
    color().toColourspace('cmyk').jpeg().toBuffer(),
    color(3, 40, 24).jpeg({ chromaSubsampling: '4:4:4' }).toBuffer(),
    readFile(fixture('photos/11_lowlight_sign.lr144.jpg')),
  ];
}

async function pngFiles() {
  const plain = await color().png().toBuffer();
  return [
    plain,
    withMetadata(color(4)).png({ progressive: true }).toBuffer(),
    withPngChunk(plain, 'iCCP', await displayP3Profile()),
    withPngChunk(plain, 'acTL', Uint8Array.of(0, 0, 0, 3, 0, 0, 0, 0)),
    withPngChunk(
      withPngChunk(plain, 'gAMA', Uint8Array.of(0, 1, 0x86, 0xa0)),
      'zTXt',
      Buffer.concat([Buffer.from('Comment\0\0'), deflateSync(Buffer.alloc(300, 'text '))]),
    ),
    withPngChunk(
      plain,
      'tEXt',
      Buffer.from(`Raw profile type xmp\0\nxmp\n  ${REGIONS.length}\n${Buffer.from(REGIONS).toString('hex')}`),
    ),
    color().png({ palette: true, colors: 7 }).toBuffer(),
    rawImage(
      new Uint16Array(noise(24 * 17 * 3)).map((value) => value * 257),
      24,
      17,
      3,
    )
      .toColourspace('rgb16')
      .png()
      .toBuffer(),
    rawImage(noise(400), 20, 10, 2).png({ compressionLevel: 0 }).toBuffer(),
  ];
}

function webpFiles() {
  return [
    color().webp().toBuffer(),
    color(4).webp({ lossless: true }).toBuffer(),
    withMetadata(color(4)).webp().toBuffer(),
    animation().webp({ loop: 3 }).toBuffer(),
  ];
}

function tiffFiles() {
  const pages = sharp(noise(20 * 20 * 3), { raw: { width: 20, height: 20, channels: 3, pageHeight: 10 } });
  return [
    color().tiff({ compression: 'none' }).toBuffer(),
    withMetadata(color()).tiff({ compression: 'lzw', predictor: 'horizontal' }).toBuffer(),
    color(3, 40, 40).tiff({ compression: 'deflate', tile: true, tileWidth: 16, tileHeight: 16 }).toBuffer(),
    color(3, 32, 32).tiff({ compression: 'jpeg' }).toBuffer(),
    rawImage(noise(2000), 50, 40, 1).tiff({ compression: 'ccittfax4', bitdepth: 1 }).toBuffer(),
    pages.tiff({ compression: 'packbits' }).toBuffer(),
    tiffFile([
      {
        ...{ width: 4, height: 3, samples: noise(36) },
        more: [
          [254, 4, [1]],
          [271, 2, 'Snapmate'],
          [282, 5, [300]],
        ],
        below: [
          { width: 24, height: 18, samples: noise(24 * 18 * 5), bits: [8, 8, 8, 8, 8], more: [[338, 3, [0, 2]]] },
        ],
      },
    ]),
    tiffFile(
      [
        {
          width: 24,
          height: 16,
          samples: noise(24 * 16 * 3),
          compression: 8,
          rowsPerStrip: 4,
          strip: (rows) => deflateSync(rows),
        },
      ],
      {
        littleEndian: false,
      },
    ),
  ];
}
