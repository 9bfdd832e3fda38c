import { execFileSync } from 'node:child_process';
import { it } from 'vitest';

// Not part of `npm run check`: the types are those of SST's own programs, which a fresh clone does not have.
it('the program has the types that SST wants', () => {
  execFileSync('node_modules/.bin/tsc', ['-p', 'infra'], { stdio: 'inherit' });
});
