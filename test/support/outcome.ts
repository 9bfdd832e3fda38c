import { AppError } from '../../shared/error.ts';

/** The code of the AppError that the promise rejects with; 'fulfilled' if it does not. Anything else is thrown on. */
export async function outcomeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'fulfilled';
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}
