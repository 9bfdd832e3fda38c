import sharp, { type OverlayOptions } from 'sharp';

/** Larger sheets are no longer looked at; the other results are beside them. */
const MAX_ROWS = 24;
const CELL = 256;
const GAP = 6;
const HEAD = 28;
const BACKGROUND = '#ffffff';

interface Row {
  /** Of the columns, in their order. */
  paths: readonly string[];
}

/** Writes a JPEG: a column for the input, each model and the ground truth, a row for each of the first 24 pictures. */
export async function writeContactSheet(path: string, columns: readonly string[], rows: readonly Row[]): Promise<void> {
  const shown = rows.slice(0, MAX_ROWS);
  const place = (index: number) => GAP + index * (CELL + GAP);
  const width = place(columns.length);
  // Not SVG: `decode.ts` lets no loaders but those of photos be used.
  const parts: OverlayOptions[] = columns.map((text, column) => ({
    input: { text: { text, font: 'sans', dpi: 96 } },
    left: place(column),
    top: GAP,
  }));
  for (const [row, { paths }] of shown.entries()) {
    for (const [column, picture] of paths.entries()) {
      // The input is small: it is shown as its pixels are, not as a filter would have them.
      const options = {
        fit: 'contain',
        background: BACKGROUND,
        kernel: column === 0 ? 'nearest' : 'lanczos3',
      } as const;
      const input = await sharp(picture)
        .autoOrient()
        .flatten({ background: BACKGROUND })
        .resize(CELL, CELL, options)
        .png()
        .toBuffer();
      parts.push({ input, left: place(column), top: HEAD + row * (CELL + GAP) });
    }
  }
  const height = HEAD + shown.length * (CELL + GAP);
  const sheet = sharp({ create: { width, height, channels: 3, background: BACKGROUND } });
  await sheet.composite(parts).jpeg({ quality: 92, chromaSubsampling: '4:4:4' }).toFile(path);
}
