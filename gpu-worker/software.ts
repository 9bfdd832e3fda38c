import { readFileSync } from 'node:fs';

const { name, version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

/** The maker of a result, as its receipt says. */
export const SOFTWARE = `${name}/${version}`;
