import { asStoreError, isStoreError } from '../shared/store-error.ts';

/** As many as a lease allows, where the store itself waits three seconds for a lock. */
const MAX_TRIES = 10;

/** The end of an attempt is the work of minutes: what the store cannot take at this moment is offered to it again. */
export async function outwaitTrouble<Result>(write: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await write();
    } catch (thrown) {
      const error = asStoreError(thrown);
      if (tries === MAX_TRIES || !isStoreError(error) || error.code !== 'unavailable') throw error;
    }
  }
}
