import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ChaosControl } from './chaos-hook.ts';
import { type ServiceProcess, startServiceProcess } from './service-process.ts';

type LogLine = Record<string, unknown>;

export type ChaosProcesses = Awaited<ReturnType<typeof startProcesses>>;

const HOOK = new URL('./chaos-hook.ts', import.meta.url).href;
const WORKER = fileURLToPath(new URL('./chaos-worker.ts', import.meta.url));
const RESTART_MILLISECONDS = 100;
/** Longer than faults last, so that a start that is refused without one does not stay unseen. */
const MOST_START_MILLISECONDS = 60_000;

/**
 * The service and one more worker on one data directory, `folder`/data, each started again after its death, and the
 * lines that they have written to their logs in all their lives.
 */
export async function startProcesses(folder: string, environment: Record<string, string>) {
  const directory = join(folder, 'data');
  const scratchOfWorker = join(folder, 'scratch-of-worker');
  const controlPath = join(folder, 'control.json');
  let control: ChaosControl = { clockMilliseconds: 0, sleptMilliseconds: 0, slowMilliseconds: 0, refusals: [] };
  const setControl = (change: Partial<ChaosControl>) => {
    control = { ...control, ...change };
    writeFileSync(`${controlPath}.new`, JSON.stringify(control));
    renameSync(`${controlPath}.new`, controlPath);
  };
  setControl({});
  const options = [process.env.NODE_OPTIONS, `--import=${HOOK}`].filter(Boolean).join(' ');
  const ownEnvironment = { ...environment, CHAOS_CONTROL: controlPath, NODE_OPTIONS: options };

  const logs: { of: 'service' | 'worker'; lines: LogLine[] }[] = [];
  /** Starts that failed: no service begins while a disk is full or a file is locked. */
  let refusedStarts = 0;

  async function startService(): Promise<ServiceProcess> {
    for (const began = performance.now(); ; ) {
      try {
        const started = await startServiceProcess(directory, ownEnvironment);
        logs.push({ of: 'service', lines: started.log });
        return started;
      } catch (error) {
        if (performance.now() > began + MOST_START_MILLISECONDS) throw error;
        refusedStarts++;
        await sleep(RESTART_MILLISECONDS);
      }
    }
  }

  async function startWorker(): Promise<ChildProcess> {
    for (const began = performance.now(); ; ) {
      const started = spawn(process.execPath, [WORKER, directory, scratchOfWorker], {
        env: { ...process.env, ...ownEnvironment },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const lines: LogLine[] = [];
      logs.push({ of: 'worker', lines });
      createInterface(started.stderr).on('line', (line) => {
        lines.push(line.startsWith('{') ? JSON.parse(line) : { event: 'stderr', line });
      });
      const first = await Promise.race([once(started.stdout, 'data'), once(started, 'exit').then(() => undefined)]);
      if (first) return started;
      if (performance.now() > began + MOST_START_MILLISECONDS) {
        throw new Error(`The worker does not start: ${JSON.stringify(lines)}`);
      }
      refusedStarts++;
      await sleep(RESTART_MILLISECONDS);
    }
  }

  async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    const exited = once(child, 'exit');
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await exited;
  }

  let service = await startService();
  const firstKey = service.firstKey ?? '';
  let worker = await startWorker();

  return {
    directory,
    scratchOfWorker,
    environment: ownEnvironment,
    firstKey,
    url: () => service.url,
    refusedStarts: () => refusedStarts,
    control: () => control,
    setControl,
    pidOf: (which: 'service' | 'worker') => (which === 'service' ? service.process.pid! : worker.pid!),
    /** kill -9, and a new one in its place. */
    replaceService: oneAtATime(async () => {
      await service.kill('SIGKILL');
      service = await startService();
    }),
    replaceWorker: oneAtATime(async () => {
      await end(worker, 'SIGKILL');
      worker = await startWorker();
    }),
    async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
      await Promise.all([end(service.process, signal), end(worker, signal)]);
    },
    /** How many lines of all logs are such. */
    countLines: (isMeant: (line: LogLine, of: 'service' | 'worker') => boolean) =>
      logs.reduce((count, { of, lines }) => count + lines.filter((line) => isMeant(line, of)).length, 0),
    linesOf: (event: string) => logs.flatMap(({ lines }) => lines.filter((line) => line.event === event)),
  };
}

/** Two faults at once would else start two processes in the place of one. */
function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let last = Promise.resolve();
  return () => {
    last = last.then(work);
    return last;
  };
}

/** Linux: the children of a process, here its inference child. None where it has gone. */
export async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.split(' ').filter(Boolean).map(Number);
}

/** False: it has gone. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
