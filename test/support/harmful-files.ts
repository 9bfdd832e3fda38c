import type { EventEmitter } from 'node:events';
import promises, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Asked, asksNow } from './asked.ts';

/** The fate of a call to the file system: done or not, it waits; then it ends with this code, or well after all. */
export interface FileHarm {
  isDone?: true;
  milliseconds?: number;
  until?: Promise<void>;
  code?: string;
}

interface FileCall {
  asked: Asked;
}

const CALLS = ['open', 'mkdir', 'link', 'rm', 'rmdir', 'stat', 'statfs'] as const;
const CLOSE = 'close';
const CALLS_OF_FILES = ['read', 'write', 'writeFile', 'sync', 'stat', CLOSE] as const;
/** Later ones of a kind are not told apart: a long file is written in many, and all folders above one are synced alike. */
const MOST_NUMBERED = 2;

type Call = (...values: unknown[]) => Promise<unknown>;

/** Calls to the file system that ports ask for come to harm, in all of this process; until `close`. */
export function harmFiles() {
  let harmOf: (call: FileCall) => FileHarm | undefined = () => undefined;
  const late = new Set<Promise<unknown>>();
  const counts = new Map<string, number>();
  const handles = new Set<FileHandle>();

  /** By run of the verb: the first call of this kind, or a later one. */
  function numbered(asked: Omit<Asked, 'command'>, kind: string): Asked {
    const key = `${asked.run} ${kind}`;
    const number = (counts.get(key) ?? 0) + 1;
    counts.set(key, number);
    return { ...asked, command: `${kind} ${Math.min(number, MOST_NUMBERED)}` };
  }

  function during(asked: ReturnType<typeof asksNow>, kind: string, work: () => Promise<unknown>): Promise<unknown> {
    const harm = asked && harmOf({ asked: numbered(asked, kind) });
    if (!harm) return work();
    const end = suffer(harm, kind, work);
    late.add(end);
    const forget = () => late.delete(end);
    end.then(forget, forget);
    return end;
  }

  async function suffer(harm: FileHarm, call: string, work: () => Promise<unknown>): Promise<unknown> {
    const { code, milliseconds = 0, until } = harm;
    // One that is asked to be closed is closed, whatever is said.
    const done = harm.isDone || (call === CLOSE && code) ? { result: await work() } : undefined;
    await sleep(milliseconds);
    await until;
    if (code === undefined) return done ? done.result : work();
    const [syscall] = call.split(' ');
    if (done && syscall === 'open') await (done.result as FileHandle).close();
    throw Object.assign(new Error(`${code}: harm, ${syscall}`), { code, syscall });
  }

  /** What is asked of the file later is asked for the same. */
  function harmHandle(handle: FileHandle, asked: ReturnType<typeof asksNow>): void {
    handles.add(handle);
    (handle as unknown as EventEmitter).on('close', () => handles.delete(handle));
    const owner = handle as unknown as Record<string, Call>;
    for (const name of CALLS_OF_FILES) {
      const own = owner[name]!.bind(handle);
      owner[name] = (...values) => during(asked, name, () => own(...values));
    }
  }

  const real = Object.fromEntries(CALLS.map((name) => [name, promises[name] as Call]));
  for (const name of CALLS) {
    const call: Call = (...values) => {
      const asked = asksNow();
      const kind = name === 'open' ? `open ${values[1]}` : name;
      return during(asked, kind, async () => {
        const result = await real[name]!(...values);
        if (name === 'open' && asked) harmHandle(result as FileHandle, asked);
        return result;
      });
    };
    Object.assign(promises, { [name]: call });
  }
  syncBuiltinESMExports();

  return {
    doHarm(next: typeof harmOf = () => undefined): void {
      harmOf = next;
    },
    /** No more harm; returns when all has been done that was late. */
    async end(): Promise<void> {
      harmOf = () => undefined;
      while (late.size > 0) await Promise.allSettled(late);
    },
    /** That ports have opened, and nobody has closed. */
    openCount: () => handles.size,
    close(): void {
      Object.assign(promises, real);
      syncBuiltinESMExports();
    },
  };
}
