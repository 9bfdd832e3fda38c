import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** SwiftShader: Vulkan in software, which Debian's Chromium brings. That of Mesa is refused by ONNX Runtime. */
const DRIVER = '/usr/lib/chromium/vk_swiftshader_icd.json';
const INSTALL = 'apt-get install -y --no-install-recommends chromium libvulkan1';

/**
 * Before all suites (`globalSetup`): WebGPU without a GPU, at about a two-hundredth of a CPU's speed. A driver that the environment
 * names is taken instead.
 */
export async function setup(): Promise<void> {
  if (!process.env.VK_ICD_FILENAMES && !(await isInstalled())) {
    const failed = await run('sh', ['-c', `apt-get update && RUNLEVEL=1 ${INSTALL}`]).then(
      () => undefined,
      ({ stderr }: { stderr: string }) => stderr,
    );
    if (!(await isInstalled())) throw new Error(`These tests need a software Vulkan: ${INSTALL}. ${failed}`);
  }
  process.env.VK_ICD_FILENAMES ||= DRIVER;
  process.env.XDG_RUNTIME_DIR ||= tmpdir();
}

async function isInstalled(): Promise<boolean> {
  const { stdout } = await run('sh', ['-c', 'PATH=$PATH:/sbin ldconfig -p']);
  return existsSync(DRIVER) && stdout.includes('libvulkan.so.1');
}
