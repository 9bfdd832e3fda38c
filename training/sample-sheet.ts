import sharp from 'sharp';
import type { Picture } from '../evaluation/degradation/jpeg.ts';

/** One validation pair as a training shows it: pictures side by side, lines of words below. */
export interface Sample {
  pictures: readonly { title: string; picture: Picture }[];
  lines: readonly string[];
}

const [CELL, GAP, LINE] = [256, 8, 18];

/** A row for each sample, as a picture in SVG that holds all it shows. */
export async function sampleSheet(samples: readonly Sample[]): Promise<string> {
  const parts: string[] = [];
  let top = GAP;
  let width = 0;
  for (const { pictures, lines } of samples) {
    for (const [column, { title, picture }] of pictures.entries()) {
      const left = GAP + column * (CELL + GAP);
      parts.push(words(left, top + LINE, title));
      const place = `x="${left}" y="${top + LINE + GAP}" width="${CELL}" height="${CELL}"`;
      parts.push(`<image ${place} href="data:image/png;base64,${(await png(picture)).toString('base64')}"/>`);
    }
    top += LINE + GAP + CELL;
    for (const line of lines) {
      top += LINE;
      parts.push(words(GAP, top, line));
    }
    top += 2 * GAP;
    width = Math.max(width, GAP + pictures.length * (CELL + GAP), ...lines.map((line) => GAP + line.length * 8));
  }
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" font-family="sans-serif" font-size="14">`;
  return `${[head, '<rect width="100%" height="100%" fill="white"/>', ...parts, '</svg>'].join('\n')}\n`;
}

function words(left: number, top: number, text: string): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${left}" y="${top}">${escaped}</text>`;
}

async function png(picture: Picture): Promise<Buffer> {
  const [{ width, height }] = picture;
  const data = new Uint8ClampedArray(3 * width * height);
  for (const [channel, plane] of picture.entries()) {
    for (const [index, value] of plane.data.entries()) data[3 * index + channel] = Math.round(255 * value);
  }
  return await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
