import { broughtOnly } from './learned.ts';

export const maniqaMetric = broughtOnly({
  id: 'maniqa',
  label: 'MANIQA',
  digits: 4,
  better: 'higher',
  looksAt: 'picture',
});
