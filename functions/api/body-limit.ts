import { bodyLimit } from 'hono/body-limit';
import { AppError } from '../../shared/error.ts';
import { MAX_JSON_BYTES } from '../../shared/limits.ts';

/** Before every JSON body is read. */
export const limitJsonBody = bodyLimit({
  maxSize: MAX_JSON_BYTES,
  onError: () => {
    throw new AppError('too-large', `A JSON body may have at most ${MAX_JSON_BYTES} bytes.`);
  },
});
