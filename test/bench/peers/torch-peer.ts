import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const SCRIPT = fileURLToPath(new URL('./seesr_step.py', import.meta.url));

interface TorchStep {
  version: string;
  seconds: number;
  cpuSeconds: number;
}

interface TorchPeer {
  /** The fastest of `repeats` steps on a latent of `side` × `side` with guidance. */
  step(side: number, repeats: number): Promise<TorchStep>;
}

/** PyTorch in an environment of its own below `directory`: some gigabytes. Rejects where there is no python3. */
export async function installTorch(directory: string): Promise<TorchPeer> {
  const environment = join(directory, 'torch');
  await execute('python3', ['-m', 'venv', environment]);
  const python = join(environment, 'bin/python');
  await execute(python, ['-m', 'pip', 'install', '--quiet', '--no-cache-dir', 'torch'], { maxBuffer: 1 << 24 });
  return {
    async step(side, repeats) {
      // Threads that wait shall sleep, as ours do: else they burn what the others need where the machine is not idle.
      const env = { ...process.env, OMP_WAIT_POLICY: 'passive' };
      const { stdout } = await execute(python, [SCRIPT, `${side}`, `${repeats}`], { env });
      return JSON.parse(stdout) as TorchStep;
    },
  };
}
