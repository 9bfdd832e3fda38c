/**
 * The longest that a test waits for something to happen. Work of seconds on a free machine takes minutes on a slow
 * one that others use too, so this is no measure of speed: it only turns a hang into a failure that explains itself.
 */
export const PATIENCE_MILLISECONDS = 240_000;
