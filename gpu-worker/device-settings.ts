import { z } from 'zod';
import { usageError } from '../shared/adapters/node/command.ts';
import { countVariable } from '../shared/configuration.ts';
import { orIssue } from '../shared/or-issue.ts';
import { type AskedDevices, parseDevices } from './runtime/device-places.ts';
import { DEVICE_NAMES } from './runtime/devices.ts';

/** How environment and command line ask for devices. */

/** More processes than this are a slip. */
const MOST_WORKERS = 256;

/** Of a worker in a fleet, whose deployment must say it: never a CPU where a GPU is paid for. */
export const givenDevice = z.string().transform(orIssue(parseDevices));

export const deviceVariables = {
  DEVICE: z.string().default('auto').pipe(givenDevice),
  /** Processes that share the CPU. */
  WORKERS: countVariable(1, MOST_WORKERS),
};

export const DEVICE_OPTION = {
  value: 'DEVICE',
  about: `what computes: auto (a GPU where one can be used), ${DEVICE_NAMES.join(', ')}, of several the one with an index, as cuda:1`,
  default: 'auto',
} as const;

/** Of a program that works on one thing after the other. Throws `malformed`. */
export function readDevice(text: string): AskedDevices {
  const asked = parse(text);
  if (asked === 'auto' || asked.length === 1) return asked;
  throw usageError(`--device ${text}: this computes on one device; the service takes a list.`);
}

function parse(text: string): AskedDevices {
  try {
    return parseDevices(text);
  } catch (error) {
    throw usageError(`--device ${text}: ${(error as Error).message}.`);
  }
}
