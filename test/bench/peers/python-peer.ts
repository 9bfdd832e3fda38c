import { join } from 'node:path';
import { install, run } from '../../support/aws-servers.ts';

/** Packages of PyPI, each in a folder of its own that is kept: one that is missing there takes no other along. */
const PACKAGES = {
  onnxruntime: ['onnxruntime==1.32.0', 'numpy==2.4.6'],
  openvino: ['openvino==2026.4.1', 'numpy==2.4.6'],
  torch: ['torch==2.15.0', 'numpy==2.4.6'], // 5 GB: with the libraries of a GPU, without which it does not load
  ncnn: ['ncnn==1.0.20261020', 'numpy==2.4.6'],
};
export type PeerEngine = keyof typeof PACKAGES;

/**
 * The environment in which python3 finds the engine. Threads that wait shall sleep, as ours do: else they burn the time
 * of the others where the machine is not idle. Rejects where there is no python3 or no such package.
 */
export async function peerEnvironment(engine: PeerEngine): Promise<NodeJS.ProcessEnv> {
  const packages = PACKAGES[engine];
  const options = ['--quiet', '--disable-pip-version-check', '--root-user-action', 'ignore', '--no-cache-dir'];
  const folder = await install(`peer-${packages[0]}`, (target) =>
    run('python3', ['-m', 'pip', 'install', ...options, '--target', target, ...packages]),
  );
  return { ...process.env, PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1', OMP_WAIT_POLICY: 'passive' };
}

export function peerScript(name: string): string {
  return join(import.meta.dirname, name);
}
