import { interleave, openStorm } from './ledger-storm.ts';
import { createRandom } from './random.ts';

/** A process to be killed: one interleaving after the other in the directory it is given; prints a line after each. */
const [directory, seed] = process.argv.slice(2);
const { state, clock } = await openStorm(directory!, Date.now());
const random = createRandom(Number(seed));
for (;;) {
  await interleave({ state, clock, random });
  process.stdout.write('done\n');
}
