import { AppError } from '../../shared/error.ts';
import { type Caller, owns } from '../../shared/keys.ts';
import type { StateStore, Upload } from '../../shared/ports.ts';

/** An upload of the caller. Throws `not-found`, also for uploads of others. */
export async function getOwnUpload(state: StateStore, caller: Caller, id: string): Promise<Upload> {
  const upload = await state.getUpload(id);
  if (upload && owns(caller, upload)) return upload;
  throw new AppError('not-found', `There is no upload ${id}.`, {
    errors: [{ pointer: '#/input/upload_id', message: 'does not exist' }],
  });
}
