/**
 * The official builds of ONNX Runtime (since 1.29, on Linux and macOS) tell their maker about every process, model and
 * session, by default. The library looks at this once, when it is loaded: a file that imports it imports this before.
 */
process.env.ORT_DISABLE_TELEMETRY = '1';
