import { availableParallelism } from 'node:os';

/** The part of the machine that a process computes with. */
export interface Share {
  /** Of the device, among those of its kind. */
  deviceIndex: number;
  threads: number;
}

/** Of this process: all, until it is told another. */
export const share: Share = { deviceIndex: 0, threads: availableParallelism() };

/** Of the sessions that are made from here on. */
export function takeShare(given: Partial<Share>): void {
  Object.assign(share, given);
}
