import { AppError } from './error.ts';
import { entryOf, readNumber, readNumbers, type Tiff, type TiffDirectory } from './tiff.ts';

/** Meanings of the samples of a TIFF picture, and which of them our decoder knows. */

const TAG = {
  bitsPerSample: 258,
  compression: 259,
  photometric: 262,
  samplesPerPixel: 277,
  inkSet: 332,
  sampleFormat: 339,
} as const;

/** None, CCITT (three kinds), LZW, JPEG, Deflate (two numbers), PackBits, WebP. */
const READ_COMPRESSIONS = [1, 2, 3, 4, 5, 7, 8, 32946, 32773, 50001];
const JPEG = 7;
const COMPRESSIONS: Record<number, string> = {
  6: 'old-style JPEG',
  9: 'JBIG',
  10: 'JBIG',
  32771: 'CCITT RLE in words',
  32766: 'NeXT',
  32809: 'ThunderScan',
  22610: 'JPEG XR',
  33003: 'JPEG 2000',
  33005: 'JPEG 2000',
  34661: 'JBIG',
  34676: 'SGI LogLuv',
  34677: 'SGI LogLuv',
  34712: 'JPEG 2000',
  34887: 'LERC',
  34892: 'the JPEG of DNG',
  34925: 'LZMA',
  34933: 'PNG',
  34934: 'JPEG XR',
  50000: 'ZSTD',
  50002: 'JPEG XL',
  52546: 'JPEG XL',
};

/** By photometric interpretation: the name, and the samples, bits and compression that are read. */
interface Meaning {
  name: string;
  colors?: number;
  bits?: number[];
  /** Bits of floating point. */
  floats?: number[];
  compression?: number;
}
const MEANINGS: Record<number, Meaning> = {
  0: { name: 'gray (white is 0)', colors: 1, bits: [1, 2, 4, 8, 16] },
  1: { name: 'gray', colors: 1, bits: [1, 2, 4, 8, 16] },
  2: { name: 'RGB', colors: 3, bits: [8, 16] },
  3: { name: 'a palette', colors: 1, bits: [1, 2, 4, 8] },
  4: { name: 'a transparency mask' },
  5: { name: 'CMYK', colors: 4, bits: [8, 16] },
  6: { name: 'YCbCr', colors: 3, bits: [8], compression: JPEG },
  8: { name: 'CIELab', colors: 3, bits: [16], floats: [32] },
  9: { name: 'ICCLab' },
  10: { name: 'ITULab' },
  32844: { name: 'LogL' },
  32845: { name: 'LogLuv' },
  51177: { name: 'a depth map' },
};

const CMYK = 1;
const [UNSIGNED, FLOAT, UNDEFINED] = [1, 3, 4];
const SAMPLE_FORMATS: Record<number, string> = {
  2: 'signed integers',
  3: 'floating point',
  5: 'complex',
  6: 'complex',
};

/** Throws `unsupported-media-type` naming the part of the picture that is not read. */
export function checkTiffSamples(tiff: Tiff, directory: TiffDirectory): void {
  const number = (tag: number, otherwise: number) => readNumber(tiff, directory, tag) ?? otherwise;
  const numbers = (tag: number, otherwise: number) => {
    const found = [...new Set(readNumbers(tiff, entryOf(directory, tag)))];
    return found.length > 0 ? found : [otherwise];
  };
  const compression = number(TAG.compression, 1);
  if (!READ_COMPRESSIONS.includes(compression)) {
    throw notRead(`is compressed by ${COMPRESSIONS[compression] ?? `a method of its own (number ${compression})`}`);
  }
  const photometric = readNumber(tiff, directory, TAG.photometric);
  if (photometric === undefined) return; // libtiff guesses
  const meaning = MEANINGS[photometric] ?? { name: `a kind of its own (number ${photometric})` };
  if (!meaning.colors) throw notRead(`stores its colors as ${meaning.name}`);
  if (meaning.compression && compression !== meaning.compression) {
    throw notRead(`stores its colors as ${meaning.name} without JPEG compression`);
  }
  checkNumbers(meaning, numbers(TAG.bitsPerSample, 1), numbers(TAG.sampleFormat, UNSIGNED));
  if (photometric === 5 && number(TAG.inkSet, CMYK) !== CMYK) throw notRead('has other inks than CMYK');
  if (number(TAG.samplesPerPixel, 1) < meaning.colors) {
    throw new AppError(
      'image-unreadable',
      `The tiff header says ${meaning.name} with ${number(TAG.samplesPerPixel, 1)} samples a pixel; ${meaning.colors} are needed.`,
    );
  }
}

/** `bits`, `formats`: of all samples, each once. */
function checkNumbers({ name, bits: read = [], floats = [] }: Meaning, bits: number[], formats: number[]): void {
  const format = formats.find((each) => each !== UNSIGNED && each !== UNDEFINED) ?? UNSIGNED;
  const accepted = format === FLOAT ? floats : format === UNSIGNED ? read : [];
  if (bits.length === 1 && accepted.includes(bits[0]!)) return;
  const kind = format === UNSIGNED ? '' : ` (${SAMPLE_FORMATS[format] ?? 'of an unknown format'})`;
  throw notRead(`has ${bits.join(', ')} bits a sample${kind} in ${name}`);
}

function notRead(what: string): AppError {
  return new AppError(
    'unsupported-media-type',
    `The TIFF picture ${what}, which is not read here; save it as RGB or gray of 8 or 16 bits, compressed by LZW, ZIP or not at all.`,
  );
}
