import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const LOOK_EVERY_MILLISECONDS = 200;
const QUERY = ['--query-gpu=memory.used,memory.total', '--format=csv,noheader,nounits'];
const MEGABYTE = 2 ** 20;

export interface GpuMemory {
  /** The most that was seen, beyond what was in use before. */
  peakBytes: number;
  totalBytes: number;
}

/** The memory of the first GPU while `work` is done; undefined where no driver of NVIDIA tells it. */
export async function watchGpuMemory<Result>(work: () => Promise<Result>): Promise<[Result, GpuMemory | undefined]> {
  const before = await look();
  let peak = before;
  const timer = setInterval(async () => {
    const now = await look();
    if (now && peak && now.used > peak.used) peak = now;
  }, LOOK_EVERY_MILLISECONDS);
  try {
    const result = await work();
    return [result, before && peak && { peakBytes: peak.used - before.used, totalBytes: before.total }];
  } finally {
    clearInterval(timer);
  }
}

async function look(): Promise<{ used: number; total: number } | undefined> {
  const told = await execute('nvidia-smi', QUERY).catch(() => undefined);
  const [used, total] = (told?.stdout.split('\n')[0] ?? '').split(',').map(Number);
  return used && total ? { used: used * MEGABYTE, total: total * MEGABYTE } : undefined;
}
