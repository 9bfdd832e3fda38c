import { AppError } from '../../shared/error.ts';
import { type Caller, owns } from '../../shared/keys.ts';
import type { StateStore, Upload } from '../../shared/ports.ts';

/** An upload of the caller. Throws `not-found`, also for uploads of others; `pointer` says where it was asked for. */
export async function getOwnUpload(
  state: StateStore,
  caller: Caller,
  id: string,
  pointer = '#/input/upload_id',
): Promise<Upload> {
  const upload = await state.getUpload(id);
  if (upload && owns(caller, upload)) return upload;
  throw new AppError('not-found', `There is no upload ${id}.`, {
    errors: [{ pointer, message: 'does not exist' }],
  });
}
