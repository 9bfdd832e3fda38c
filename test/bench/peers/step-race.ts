import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { BenchTable } from '../bench.ts';
import type { Measurements } from '../seesr-case.ts';
import { peerEnvironment, peerScript } from './python-peer.ts';

const execute = promisify(execFile);
const CASE = join(import.meta.dirname, '../seesr-case.ts');
const REPEATS = 2;

interface Cost {
  seconds: number;
  cpuSeconds: number;
  peakBytes: number;
}

interface TorchCost extends Cost {
  version: string;
  /** The largest from our result, and the standard deviation of all numbers. */
  difference: number;
  deviation: number;
}

/**
 * One step of SeeSR in its published size under guidance, ours and in PyTorch as its authors compute it: same random
 * weights, same inputs, in turn. Needs 16 GB below the temporary folder.
 */
export async function raceStep(side: number, turns: number): Promise<BenchTable> {
  const title = `One step of seesr, latent of ${side}×${side}, two texts, ${turns} turns`;
  const directory = await mkdtemp(join(tmpdir(), 'seesr-peers-'));
  try {
    await measure('build', { directory, dtype: 'fp32' });
    await measure('peerWeights', { directory });
    const own: Cost[] = [];
    const others: TorchCost[] = [];
    let missing = '';
    for (let turn = 0; turn < turns; turn++) {
      own.push(await measure('peerStep', { directory, side, repeats: REPEATS }));
      const peer = await stepInTorch(directory, side).catch((error: Error) => error);
      if (peer instanceof Error) missing = peer.message.trim().split('\n').at(-1)!;
      else others.push(peer);
    }
    const ours = {
      engine: 'ours',
      version: process.env.npm_package_version ?? '',
      ...columns(own, own),
      difference: 0,
    };
    return {
      title,
      rows: [ours, missing ? { engine: PEER, version: `not measured: ${missing}` } : peerRow(others, own)],
      note: NOTE,
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Finds weights, inputs and our result in `directory`. */
async function stepInTorch(directory: string, side: number): Promise<TorchCost> {
  const env = await peerEnvironment('torch');
  const given = [directory, side, REPEATS, availableParallelism()].map(String);
  const { stdout } = await execute('python3', [peerScript('seesr_step.py'), ...given], { env });
  return JSON.parse(stdout) as TorchCost;
}

function peerRow(costs: TorchCost[], ours: Cost[]) {
  const { version, difference, deviation } = costs[0]!;
  return { engine: PEER, version, ...columns(costs, ours), difference: round(difference / deviation) };
}

const PEER = 'PyTorch, eager';
const NOTE = `A process for every turn, the faster of ${REPEATS} steps in each. PyTorch computes the same as the authors' code: both halves of everything in every step; ours leaves out the constant parts. The difference is the largest of any number, in standard deviations of all. OpenVINO and ncnn are not compared here: our graph uses operators of ONNX Runtime, and SeeSR is not published for them.`;

function columns(costs: Cost[], ours: Cost[]) {
  const least = (of: Cost[], key: keyof Cost) => Math.min(...of.map((cost) => cost[key]));
  return {
    'least (s)': round(least(costs, 'seconds')),
    'CPU, least (s)': round(least(costs, 'cpuSeconds')),
    'times as fast as ours': round(least(ours, 'seconds') / least(costs, 'seconds')),
    'the same by CPU seconds': round(least(ours, 'cpuSeconds') / least(costs, 'cpuSeconds')),
    'peak RSS (GB)': round(Math.max(...costs.map(({ peakBytes }) => peakBytes)) / 1e9),
  };
}

async function measure<Kind extends keyof Measurements>(kind: Kind, given: Parameters<Measurements[Kind]>[0]) {
  const { stdout } = await execute(process.execPath, [CASE, JSON.stringify([kind, given])]);
  return JSON.parse(stdout) as Awaited<ReturnType<Measurements[Kind]>> & { peakBytes: number };
}

const round = (value: number) => Number(value.toPrecision(3));
