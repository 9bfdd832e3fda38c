import { textAt } from './byte-view.ts';
import { AppError } from './error.ts';
import { entryOf, readNumber, readNumbers, readText, type Tiff, type TiffDirectory } from './tiff.ts';

/**
 * Camera RAW: data of the sensor, not a picture yet. Known by the content of the file, since its name may be anything.
 */

/** Formats with a beginning of their own. */
const BEGINNINGS: [name: string, start: RegExp][] = [
  ['Canon CR2', /^(II\*\0|MM\0\*).{4}CR/s],
  ['Canon CR3', /^.{4}ftypcrx /s],
  ['Canon CRW', /^(II|MM).{4}HEAPCCDR/s],
  ['Fujifilm RAF', /^FUJIFILMCCD-RAW/],
  ['Sigma X3F', /^FOVb/],
  ['Minolta MRW', /^\0MR[MI]/],
  ['Olympus ORF', /^(IIR[OS]|MMOR)/],
  ['Panasonic RW2', /^IIU\0/],
  ['Phase One IIQ', /^(II\*\0|MM\0\*).{4}(IIII|MMMM)/s],
  ['Kyocera RAW', /^.{25}ARECOYK/s],
  ['RED R3D', /^.{4}RED[12]/s],
];

/** Makers of sensors, by the tag `Make`, and the names of their files. */
const MAKERS: [name: string, make: RegExp][] = [
  ['Nikon NEF', /nikon/i],
  ['Canon CR2', /canon/i],
  ['Sony ARW', /sony/i],
  ['Pentax PEF', /pentax|ricoh/i],
  ['Olympus ORF', /olympus|om digital/i],
  ['Samsung SRW', /samsung/i],
  ['Hasselblad 3FR', /hasselblad/i],
  ['Phase One IIQ', /phase one/i],
  ['Leaf MOS', /leaf/i],
  ['Mamiya MEF', /mamiya/i],
  ['Kodak DCR', /kodak/i],
  ['Epson ERF', /epson/i],
];

const TAG = { compression: 259, photometric: 262, make: 271, cfaPattern: 33422, dngVersion: 50706 } as const;
/** A mosaic of colors, or linear light of the sensor (TIFF/EP, DNG 1.7). */
const SENSOR_SAMPLES = [32803, 34892];
/** Of Sony, Nikon, Kodak, Pentax, Samsung and Epson, which nobody uses in pictures. */
const MAKERS_COMPRESSIONS = [32767, 32769, 32770, 32772, 34713, 65000, 65535];

/** Throws `unsupported-media-type` for RAW that begins as nothing else does. */
export function refuseRawBeginning(bytes: Uint8Array): void {
  const start = textAt(bytes, 0, Math.min(bytes.length, 64));
  const name = BEGINNINGS.find(([, form]) => form.test(start))?.[0];
  if (name) throw rawRefused(name);
}

/** Throws `unsupported-media-type` if one of the directories of a TIFF file holds data of a sensor. */
export function refuseRawTiff(tiff: Tiff, directories: TiffDirectory[]): void {
  const isDng = directories.some((directory) => entryOf(directory, TAG.dngVersion));
  if (!isDng && !directories.some((directory) => holdsSensorData(tiff, directory))) return;
  const makes = directories.map((directory) => readText(tiff, entryOf(directory, TAG.make)));
  const maker = MAKERS.find(([, make]) => makes.some((found) => make.test(found)));
  throw rawRefused(isDng ? 'DNG' : (maker?.[0] ?? 'of a kind built on TIFF'));
}

function holdsSensorData(tiff: Tiff, directory: TiffDirectory): boolean {
  const number = (tag: number) => readNumber(tiff, directory, tag) ?? 0;
  return (
    SENSOR_SAMPLES.includes(number(TAG.photometric)) ||
    MAKERS_COMPRESSIONS.includes(number(TAG.compression)) ||
    readNumbers(tiff, entryOf(directory, TAG.cfaPattern)).length > 0
  );
}

function rawRefused(name: string): AppError {
  return new AppError(
    'unsupported-media-type',
    `The file is a camera RAW file (${name}), which must be developed first: open it in the program of the camera's maker, ` +
      'Lightroom, darktable or the like, and send its export as TIFF, PNG or JPEG.',
  );
}
