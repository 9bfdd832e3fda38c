import { bodyLimit } from 'hono/body-limit';
import { AppError } from '../../shared/error.ts';
import { MAX_INLINE_BYTES, MAX_JSON_BYTES } from '../../shared/limits.ts';

/** Before every JSON body is read. */
export const limitJsonBody = limitBody(MAX_JSON_BYTES);
/** Before one that may hold a photo in base64. */
export const limitJobBody = limitBody(MAX_JSON_BYTES + Math.ceil(MAX_INLINE_BYTES / 3) * 4);

function limitBody(maxSize: number) {
  return bodyLimit({
    maxSize,
    onError: () => {
      throw new AppError('too-large', `A JSON body may have at most ${maxSize} bytes.`);
    },
  });
}
