import type { RealEsrganId } from '../../shared/methods/real-esrgan.ts';
import type { BenchOptions, BenchTable } from './bench.ts';
import { raceStep } from './peers/step-race.ts';
import { raceTiles } from './peers/tile-race.ts';

interface TileRace {
  model: RealEsrganId;
  side: number;
  turns: number;
}

const SHORT: TileRace[] = [
  { model: 'real-esrgan-fast', side: 128, turns: 5 },
  { model: 'real-esrgan', side: 64, turns: 2 },
];
const LONG: TileRace[] = [
  { model: 'real-esrgan-fast', side: 128, turns: 21 },
  { model: 'real-esrgan-fast', side: 256, turns: 11 },
  { model: 'real-esrgan-fast', side: 384, turns: 7 },
  { model: 'real-esrgan', side: 128, turns: 5 },
];

/** Ours and other engines; these come from PyPI, once (6 GB below the home directory). */
export async function run({ long }: BenchOptions): Promise<BenchTable[]> {
  const tables: BenchTable[] = [];
  for (const { model, side, turns } of long ? LONG : SHORT) {
    console.log(`${model}, ${side}×${side}`);
    tables.push(await raceTiles(model, side, turns));
  }
  console.log('seesr');
  tables.push(long ? await raceStep(64, 1) : await raceStep(16, 1));
  return tables;
}
