import { cp, mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RUNTIME = 'node_modules/onnxruntime-node';
const LIBRARIES = join(RUNTIME, 'bin/napi-v6', process.platform, process.arch);

/** The program in a folder of its own, with an ONNX Runtime whose libraries may be changed. Returns their folder. */
export async function copyProgram(directory: string): Promise<string> {
  await mkdir(join(directory, 'node_modules'));
  const packages = await readdir(join(ROOT, 'node_modules'));
  for (const name of packages.filter((each) => each !== 'onnxruntime-node')) {
    await symlink(join(ROOT, 'node_modules', name), join(directory, 'node_modules', name));
  }
  const isWeights = (path: string) => path.startsWith(join(ROOT, 'gpu-worker/shipped'));
  for (const part of ['package.json', 'shared', 'gpu-worker', join(RUNTIME, 'package.json'), join(RUNTIME, 'dist')]) {
    await cp(join(ROOT, part), join(directory, part), { recursive: true, filter: (path) => !isWeights(path) });
  }
  await symlink(join(ROOT, 'gpu-worker/shipped'), join(directory, 'gpu-worker/shipped'));
  await cp(join(ROOT, LIBRARIES), join(directory, LIBRARIES), { recursive: true });
  return join(directory, LIBRARIES);
}
