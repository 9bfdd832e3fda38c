import { ATTENTION } from './attention.ts';
import { CONVOLUTION } from './convolution.ts';
import { ELEMENTWISE } from './elementwise.ts';
import type { Rules } from './forward-node.ts';
import { LAYOUT } from './layout.ts';
import { NORMS } from './norms.ts';
import { PRODUCTS } from './products.ts';
import { REDUCTIONS } from './reductions.ts';

/** By operator. Formulas: those of PyTorch; the recorded cases in test/fixtures/training check each. */
export const RULES: Rules = {
  ...ELEMENTWISE,
  ...PRODUCTS,
  ...CONVOLUTION,
  ...NORMS,
  ...ATTENTION,
  ...LAYOUT,
  ...REDUCTIONS,
};

/** Operators whose results are whole numbers or conditions: no gradient passes them. */
export const WITHOUT_GRADIENT: ReadonlySet<string> = new Set([
  'Shape',
  'Equal',
  'Greater',
  'ArgMin',
  'ConstantOfShape',
]);
