import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Throws with the package to install where the program is not there: nothing is left out in silence. */
export async function needProgram(name: string, debianPackage: string): Promise<void> {
  await promisify(execFile)('sh', ['-c', 'command -v "$0"', name]).catch(() => {
    throw new Error(`These tests need ${name}: apt-get install --no-install-recommends ${debianPackage}`);
  });
}
