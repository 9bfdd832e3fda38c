import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const SCRIPT = fileURLToPath(new URL('./seesr_step.py', import.meta.url));

export interface TorchPeer {
  /** The fastest of `repeats` steps on a latent of `side` × `side` with guidance. */
  step(side: number, repeats: number): Promise<{ version: string; seconds: number }>;
}

/** PyTorch in an environment of its own below `directory`: some gigabytes. Rejects where there is no python3. */
export async function installTorch(directory: string): Promise<TorchPeer> {
  const environment = join(directory, 'torch');
  await execute('python3', ['-m', 'venv', environment]);
  const python = join(environment, 'bin/python');
  await execute(python, ['-m', 'pip', 'install', '--quiet', '--no-cache-dir', 'torch'], { maxBuffer: 1 << 24 });
  return {
    async step(side, repeats) {
      const { stdout } = await execute(python, [SCRIPT, `${side}`, `${repeats}`]);
      return JSON.parse(stdout) as { version: string; seconds: number };
    },
  };
}
