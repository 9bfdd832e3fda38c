/** Where an answer is written to, as far as it is used here. */
interface AnswerStream {
  write(chunk: string | Uint8Array, ...more: unknown[]): boolean;
  end(...last: unknown[]): unknown;
}

type Handler = (event: unknown, stream: AnswerStream, context: unknown) => unknown;

const { awslambda } = globalThis as { awslambda?: { streamifyResponse?(handler: Handler): unknown } };

export function canStream(): boolean {
  return awslambda?.streamifyResponse !== undefined;
}

/**
 * Lambda sends status and headers with the first write: an answer to which nothing was written would lose them. So an
 * answer without a body gets `filler`, which is empty as HTTP wants it; for accounts in which the function's URL does
 * not end such an answer (aws-lambda-nodejs-runtime-interface-client#95) it is a space.
 */
export function neverUnwritten(handler: unknown, filler: string): unknown {
  return awslambda?.streamifyResponse?.((event, stream, context) => {
    const write = stream.write.bind(stream);
    const end = stream.end.bind(stream);
    let isWritten = false;
    stream.write = (chunk, ...more) => {
      if (chunk.length === 0) return true;
      isWritten = true;
      return write(chunk, ...more);
    };
    stream.end = (...last) => {
      if (!isWritten) write(filler);
      isWritten = true;
      return end(...last);
    };
    return (handler as Handler)(event, stream, context);
  });
}
