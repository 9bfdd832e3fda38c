import { broughtOnly } from './learned.ts';

export const musiqMetric = broughtOnly({
  id: 'musiq',
  label: 'MUSIQ',
  digits: 2,
  better: 'higher',
  looksAt: 'picture',
});
