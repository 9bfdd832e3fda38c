import { broughtOnly } from './learned.ts';

export const fidMetric = broughtOnly({ id: 'fid', label: 'FID', digits: 2, better: 'lower', looksAt: 'set' });
