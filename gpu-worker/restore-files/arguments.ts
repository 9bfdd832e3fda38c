import { DEVICE_OPTION } from '../device-settings.ts';
import { PARAMETER_OPTIONS } from './parameter-options.ts';
import { DEFAULT_PATTERN } from './result-names.ts';

export const USAGE = ['IN OUT [options]', 'IN... --out FOLDER [options]'];

export const ABOUT = `
IN is a photo, a folder, a pattern in quotes ('*.jpg'), or - for standard input. OUT is a file, or - for standard output
(npm run --silent restore -- ...). OUT appears when it is whole, and replaces a file of its name, but never a photo that is read.
After -- all words are names.

MAX_UPLOAD_BYTES, MAX_INPUT_PIXELS, MAX_OUTPUT_PIXELS and HEIC in the environment are those of the service. The exit code is
0 if every photo was restored or had its result, 2 if the command line cannot be read, else 1.`;

export const OPTIONS = {
  out: { value: 'FOLDER', about: 'where the results go; it is made where its parent is there' },
  name: { value: 'PATTERN', about: `of the results in FOLDER (default ${DEFAULT_PATTERN}); also {model}` },
  recursive: { about: 'the folders within a folder as well; the results keep them' },
  'skip-existing': { about: 'leave out photos with a result: a run that was interrupted goes on' },
  device: DEVICE_OPTION,
  models: { value: 'DIR', about: 'where built models are (default: MODELS_DIR, else models)' },
  published: { about: 'diffusion models only: repeat the published script step by step, resampling included' },
  compat: { about: 'the old name of --published' },
  json: { about: 'one JSON object a photo and line' },
  ...PARAMETER_OPTIONS,
} as const;

export function isPublished({ published, compat }: { published: boolean; compat: boolean }): boolean {
  return published || compat;
}
