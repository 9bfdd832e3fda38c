import { once } from 'node:events';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServiceProcess } from './service-process.ts';

/** Figures of other processes from Linux's /proc; elsewhere these throw. */

const CLOCK_TICKS = 100; // a second, on every Linux that Node runs on

export async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(' ').filter(Boolean).map(Number);
}

/** Memory that is really in use, in bytes; 0: the process has ended. */
export async function residentBytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
}

export async function openHandles(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}

/** Of a processor, since the process began. */
export async function processorSeconds(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name of the program, in parentheses, may hold spaces.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / CLOCK_TICKS;
}

/** Files in the folder and below, and their bytes. A folder that is not there has none. */
export async function filesIn(directory: string): Promise<{ count: number; bytes: number }> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    // One that has gone meanwhile has no size.
    files.map((entry) =>
      stat(join(entry.parentPath, entry.name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return { count: files.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

/** Environment with which a Node process can be asked for its heap. */
export const WITH_INSPECTOR = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };

/** The heap of a service that was started `WITH_INSPECTOR`: its bytes when all garbage is gone. */
export async function connectToHeap(service: ServiceProcess): Promise<{ bytes(): Promise<number>; close(): void }> {
  const lines = service.log.map(({ line }) => String(line));
  const url = lines.map((line) => /^Debugger listening on (ws:\S+)/.exec(line)?.[1]).find((found) => found);
  if (!url) throw new Error('The service has not told the address of its inspector.');
  const socket = new WebSocket(url);
  await once(socket, 'open');
  let calls = 0;
  const call = (method: string) =>
    new Promise<Record<string, number>>((resolve, reject) => {
      const id = ++calls;
      const listen = ({ data }: MessageEvent) => {
        const message = JSON.parse(String(data));
        if (message.id !== id) return;
        socket.removeEventListener('message', listen);
        if (message.error) reject(new Error(`${method}: ${message.error.message}`));
        else resolve(message.result);
      };
      socket.addEventListener('message', listen);
      socket.send(JSON.stringify({ id, method }));
    });
  return {
    async bytes() {
      await call('HeapProfiler.collectGarbage');
      const { usedSize = 0, backingStorageSize = 0 } = await call('Runtime.getHeapUsage');
      return usedSize + backingStorageSize;
    },
    close: () => socket.close(),
  };
}
