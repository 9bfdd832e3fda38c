"""Runs one tile in one engine. Argument: JSON with engine, model, weights, onnx, input, output (files), side, threads, folder.

Prints the version when it is ready and the output is written; then for every line that it reads, runs once and prints the
seconds and the CPU seconds, as JSON.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from real_esrgan import read_safetensors, torch_network, write_ncnn


def onnxruntime(given, tile):
    import onnxruntime as engine

    options = engine.SessionOptions()
    options.intra_op_num_threads = given["threads"]
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = engine.InferenceSession(given["onnx"], options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"input": tile})[0]


def torch(given, tile):
    import torch as engine

    engine.set_num_threads(given["threads"])
    engine.set_grad_enabled(False)
    network = torch_network(given["model"], read_safetensors(given["weights"]))
    pixels = engine.from_numpy(tile)
    return lambda: network(pixels).numpy()


def openvino(given, tile):
    import openvino as engine

    core = engine.Core()
    model = core.read_model(given["onnx"])
    model.reshape(list(tile.shape))
    # Else it would compute in bfloat16 where the processor can.
    options = {"INFERENCE_NUM_THREADS": given["threads"], "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(model, "CPU", options)
    return lambda: compiled([tile])[0]


def ncnn(given, tile):
    import ncnn as engine

    write_ncnn(given["model"], read_safetensors(given["weights"]), given["folder"])
    net = engine.Net()
    net.opt.num_threads = given["threads"]
    for precision in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, precision, False)
    for path, load in (("model.param", net.load_param), ("model.bin", net.load_model)):
        if load(str(Path(given["folder"], path))) != 0:
            raise RuntimeError(f"ncnn does not read {path}")
    pixels = engine.Mat(np.ascontiguousarray(tile[0]))

    def run():
        extractor = net.create_extractor()
        extractor.input("input", pixels)
        code, output = extractor.extract("output")
        if code != 0:
            raise RuntimeError(f"ncnn gives {code}")
        return np.array(output)

    return run


ENGINES = {"onnxruntime": onnxruntime, "torch": torch, "openvino": openvino, "ncnn": ncnn}


def main():
    given = json.loads(sys.argv[1])
    side = given["side"]
    tile = np.fromfile(given["input"], dtype="<f4").reshape(1, 3, side, side)
    run = ENGINES[given["engine"]](given, tile)
    np.asarray(run(), dtype="<f4").tofile(given["output"])
    print(json.dumps({"version": version(given["engine"])}), flush=True)
    for _ in sys.stdin:
        started, cpu_started = time.perf_counter(), time.process_time()
        run()
        spent = {"seconds": time.perf_counter() - started, "cpuSeconds": time.process_time() - cpu_started}
        print(json.dumps(spent), flush=True)


if __name__ == "__main__":
    main()
