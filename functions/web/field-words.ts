/** Settings in words that need no knowledge of the method. What is not here keeps the words of the service. */

interface Words {
  label: string;
  about?: string;
  /** Of the options, by their value; '' is that the service decides. */
  options?: Record<string, string>;
  /** Only who knows the method will want it. */
  expert?: true;
}

const FORMATS = {
  '': 'What suits the photo: PNG, of HEIC JPEG',
  png: 'PNG: nothing is lost',
  jpeg: 'JPEG: small, opens everywhere',
  webp: 'WebP: smaller still',
  avif: 'AVIF: the smallest',
};

export const FIELD_WORDS: Record<string, Words> = {
  format: { label: 'Kind of file', options: FORMATS, about: 'What the result is saved as.' },
  quality: { label: 'Quality', about: 'Of JPEG, WebP and AVIF: more is better to look at, and a larger file.' },
  metadata: {
    label: 'Date, place and camera',
    about: 'What the file tells about the photo.',
    options: { keep: 'Keep', strip_location: 'Keep all but the place', strip: 'Take away' },
  },
  denoise: { label: 'Take noise away', about: '0 keeps the grain of the photo, 1 takes away what it can.' },
  prompt: { label: 'What the photo shows', about: 'In your words, for example: two children at a lake.' },
  added_prompt: { label: 'How it should look', about: 'For example: sharp, natural colors.' },
  negative_prompt: { label: 'What it should not look like', about: 'For example: blurred, painted, smooth.' },
  seed: { label: 'Variation', about: 'Another number gives another result, the same number the same.' },
  steps: { label: 'Steps', expert: true },
  guidance_scale: { label: 'Strength of the words', expert: true },
  conditioning_scale: { label: 'Strength of the photo', expert: true },
  start_point: { label: 'Start from', options: { lr: 'The photo', noise: 'Nothing' }, expert: true },
  start_steps: { label: 'Start at step', expert: true },
  scheduler: { label: 'Kind of steps', expert: true },
  color_fix: { label: 'Colors from the photo', expert: true },
};
