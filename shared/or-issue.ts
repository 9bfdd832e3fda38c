import { z } from 'zod';

/** For `transform`: errors of `read`, as zod reports them. */
export function orIssue<Value>(read: (text: string) => Value) {
  return (text: string, context: z.RefinementCtx): Value => {
    try {
      return read(text);
    } catch (error) {
      context.addIssue((error as Error).message);
      return z.NEVER;
    }
  };
}
