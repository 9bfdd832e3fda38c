/**
 * How a file of pixels alone becomes one with metadata: the bytes that replace its first ones, the bytes that come
 * behind.
 */
export interface Attachment {
  /** Bytes at the beginning that go. */
  removed: number;
  head: Uint8Array;
  tail?: Uint8Array;
}
