import type { FromChild } from './child.ts';

/**
 * The entry of the inference child. A message tells about a part that cannot be loaded, such as a package that is just
 * being replaced: a trace on standard error would come with every try.
 */

// It has the standard error of the parent, whose reader may go.
process.stderr.on('error', () => {});
// The parent is gone, perhaps killed: nobody waits for a result any more.
process.on('disconnect', () => process.exit());
try {
  await import('./child.ts');
  tell({ type: 'ready' });
} catch (error) {
  tell({ type: 'broken', reason: error instanceof Error ? error.message : String(error) });
}

function tell(message: FromChild): void {
  process.send?.(message, undefined, undefined, () => {});
}
