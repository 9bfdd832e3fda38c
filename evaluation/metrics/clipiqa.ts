import { broughtOnly } from './learned.ts';

export const clipiqaMetric = broughtOnly({
  id: 'clipiqa',
  label: 'CLIPIQA',
  digits: 4,
  better: 'higher',
  looksAt: 'picture',
});
