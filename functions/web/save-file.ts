import type { JobView } from '../../shared/client.ts';

/** Hands the bytes to the browser as a download. */
export function saveFile(file: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  // Some browsers begin to read it only after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** `beach.heic` → `beach-4x.png`. */
export function resultName(name: string, { parameters: { scale, format } }: JobView): string {
  return `${nameOnly(name)}-${scale}x.${format === 'jpeg' ? 'jpg' : format}`;
}

/** Without what tells the kind of file. */
export function nameOnly(name: string): string {
  return name.replace(/\.\w+$/, '');
}
