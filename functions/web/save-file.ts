import type { JobView } from '../../shared/client.ts';
import { fileEnding } from '../../shared/output-format.ts';

/** Hands the bytes to the browser as a download. */
export function saveFile(file: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  // Some browsers begin to read it only after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** `beach.heic` → `beach-4x.png`, or `beach-1920x1080.png` where a size was asked for. */
export function resultName(name: string, { parameters: { scale, format }, output }: JobView): string {
  const size = scale ? `${scale}x` : `${output?.width}x${output?.height}`;
  return `${nameOnly(name)}-${size}.${fileEnding(format)}`;
}

/** Without the extension. */
export function nameOnly(name: string): string {
  return name.replace(/\.\w+$/, '');
}
