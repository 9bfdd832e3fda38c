import sharp from 'sharp';

/** A profile for pictures that state their color space by numbers alone: sharp has it, but only gives it to a file. */
export async function displayP3Profile(): Promise<Buffer> {
  const black = sharp(new Uint8Array(3), { raw: { width: 1, height: 1, channels: 3 } });
  const { icc } = await sharp(await black.withIccProfile('p3').png().toBuffer()).metadata();
  if (!icc) throw new Error('sharp attached no profile');
  return icc;
}
