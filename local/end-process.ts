import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_MILLISECONDS = 50;
const GRACE_MILLISECONDS = 1_000;
/** Node's names for calls to the file system, or to the resolver of names, that have not come back. */
const HANGING = /^(?:FSReq|FileHandle|GetAddrInfo|GetNameInfo)/;

/** Ends the process, also where a disk does not answer: an ordinary exit would wait for it. */
export async function endProcess(code: number): Promise<never> {
  const isHanging = () => process.getActiveResourcesInfo().some((resource) => HANGING.test(resource));
  const end = performance.now() + GRACE_MILLISECONDS;
  while (isHanging() && performance.now() < end) await sleep(LOOK_MILLISECONDS);
  if (isHanging()) process.kill(process.pid, 'SIGKILL');
  process.exit(code);
}
