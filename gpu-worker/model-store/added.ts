import { z } from 'zod';
import { licenseInWords } from '../../shared/commercial-use.ts';
import { AppError } from '../../shared/error.ts';
import { ADDABLE_IDS, MODEL_NAME } from '../../shared/methods/model-facts.ts';
import { METHOD_IDS } from '../../shared/methods/registry.ts';

/** Facts of an installed model that a user added, beside its files: its title, and the findings from its tensors. */
export const addedSchema = z.object({
  family: z.enum(ADDABLE_IDS),
  title: z.string(),
  /** As its author published it. */
  license: z.string(),
  /** The factor by which a picture is enlarged. */
  scale: z.int().positive(),
  inputChannels: z.int().positive(),
  outputChannels: z.int().positive(),
  /** Pixels around a tile on which its result depends. */
  context: z.int().nonnegative(),
  /** Tiles begin at multiples of it. */
  shuffle: z.int().positive(),
  /** Its multiplications for a pixel of the photo, of those of the usual network of its family. */
  workShare: z.number().positive().optional(),
});

export type Added = z.infer<typeof addedSchema>;

const MAX_TEXT_CHARACTERS = 200;

/** Throws AppError `invalid`. */
export function checkName(name: string): void {
  if (!MODEL_NAME.test(name)) {
    throw new AppError(
      'invalid',
      `The name ${name.slice(0, MAX_TEXT_CHARACTERS)} must be 1 to 64 of a-z, 0-9, ".", "_", "-".`,
    );
  }
  if ([...METHOD_IDS, ...ADDABLE_IDS].some((id) => id === name))
    throw new AppError('invalid', `${name} is the name of a model of this program.`);
}

/** A title or a license, on one line. Throws AppError `invalid`. */
export function checkText(what: string, text: string): string {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed.length > MAX_TEXT_CHARACTERS || /\p{Cc}/u.test(trimmed)) {
    throw new AppError('invalid', `${what} must be a line of 1 to ${MAX_TEXT_CHARACTERS} characters.`);
  }
  return trimmed;
}

/** A description in one line, for lists. */
export function describeAdded({ family, scale, inputChannels, outputChannels, license }: Added): string {
  const channels = inputChannels === 3 && outputChannels === 3 ? '' : `, channels ${inputChannels} → ${outputChannels}`;
  return `${family} ×${scale}${channels}; ${licenseInWords(license)}`;
}
