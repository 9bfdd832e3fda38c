import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const SESSION = new URL('../../../../gpu-worker/runtime/session.ts', import.meta.url).href;

it('ONNX Runtime tells nobody: it keeps neither a device id nor events to be sent', async () => {
  const home = await mkdtemp(join(tmpdir(), 'home-'));
  try {
    // Nothing of ours: a variable of the test's own, or of a CI system, would silence it as well.
    const env = { PATH: process.env.PATH, HOME: home, XDG_CACHE_HOME: join(home, 'cache'), TMPDIR: home };
    const script = `const { openDevice } = await import('${SESSION}'); await openDevice('cpu');`;
    await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { env });
    expect(await readdir(home, { recursive: true })).toEqual([]);
  } finally {
    await rm(home, { recursive: true });
  }
});
