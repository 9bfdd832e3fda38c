import { spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../cli/seesr.mjs', import.meta.url));
const PAIRS = fileURLToPath(new URL('../fixtures/pairs', import.meta.url));

type Options = Readonly<Record<string, string | number | boolean | undefined>>;

/** A folder for runs of `seesr train`, with two photos in it. */
export async function openTrainingRuns() {
  const folder = await mkdtemp(join(tmpdir(), 'seesr-train-'));
  await mkdir(join(folder, 'photos'));
  for (const name of ['kodim08.jpg', 'kodim23.jpg']) await copyFile(join(PAIRS, name), join(folder, 'photos', name));
  return {
    folder,
    /** Runs a training into `NAME`, and kills it with SIGKILL `afterwards` milliseconds behind the step `until`. */
    async train(command: string, name: string, options: Options, until = Number.POSITIVE_INFINITY, afterwards = 0) {
      const given: Options = { photos: join(folder, 'photos'), run: join(folder, name), ...options };
      const words = Object.entries(given).flatMap(([key, value]) =>
        value === true ? [`--${key}`] : [`--${key}`, `${value}`],
      );
      const child = spawn(process.execPath, [PROGRAM, 'train', command, ...words]);
      let told = '';
      child.stderr.on('data', (data) => {
        told += data;
        if (told.includes(`step ${until} of`)) setTimeout(() => child.kill('SIGKILL'), afterwards);
      });
      const code = await new Promise((resolve) => child.on('close', resolve));
      return { code, told };
    },
    read: (file: string) => readFile(join(folder, file)),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}
