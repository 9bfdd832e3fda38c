import { readFileSync } from 'node:fs';

/** High-water mark of the resident memory of this process (Linux). */
export function peakBytes(): number {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}
