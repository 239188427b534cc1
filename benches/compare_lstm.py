#!/usr/bin/env python3
"""ceilid's LSTM beside PyTorch, ONNX Runtime, Keras and candle-nn (what of them is installed), in one run, alternating: prints ratios.

    cargo bench --bench lstm --no-run          # prints the path of the executable
    python3 benches/compare_lstm.py target/release/deps/lstm-... [--rounds 3] [--seconds 5] [--only teaching ...]

Every measurement is a process of its own. Two figures each, the median over the rounds: characters a second of processor time
(user + system, all threads: what a busy machine does not change much) and the best repetition by the clock (what an idle
machine would give). The article's network (embedding 32, 3 x LSTM 256, dropout .2, dense, 93 characters), random weights.
A peer that is not installed or fails is left out, and said so. `loaded` is taught with and without another process that keeps
the first core busy; `peak` is MKL's matrix product (through PyTorch), of which teaching takes the share printed.
"""
import argparse, json, os, statistics, subprocess, sys

TEACH = r"""
import torch, torch.nn as nn, torch.nn.functional as F
B, T, V = 64, 100, 93
class Net(nn.Module):
    def __init__(s):
        super().__init__(); s.emb = nn.Embedding(V, 32); s.rnn = nn.LSTM(32, 256, 3, dropout=.2); s.drop = nn.Dropout(.2); s.out = nn.Linear(256, V)
    def forward(s, x, st):
        y, st = s.rnn(s.emb(x), st); return s.out(s.drop(y)), st
torch.set_num_threads(THREADS); torch.manual_seed(0); m = Net(); opt = torch.optim.Adam(m.parameters(), lr=1e-3, fused=True)
if COMPILED: m = torch.compile(m)
x = torch.randint(V, (T, B)); y = torch.randint(V, (T, B)); st = None
def step():
    global st
    with torch.autocast("cpu", torch.bfloat16, enabled=AUTOCAST):
        o, st = m(x, st); l = F.cross_entropy(o.reshape(-1, V), y.reshape(-1))
    st = tuple(z.detach() for z in st); opt.zero_grad(set_to_none=True); l.backward()
    nn.utils.clip_grad_norm_(m.parameters(), 1.0); opt.step()
measure(step, B * T)
"""

ASK_TORCH = r"""
import torch, torch.nn as nn, torch.nn.functional as F
torch.set_num_threads(THREADS); torch.set_grad_enabled(False)
V, B = 93, STREAMS; emb = nn.Embedding(V, 32); rnn = nn.LSTM(32, 256, 3); out = nn.Linear(256, V)
class Step(nn.Module):
    def __init__(s):
        super().__init__(); s.emb = emb.weight.data; s.out = out
        s.w = [torch.cat([getattr(rnn, f"weight_ih_l{i}"), getattr(rnn, f"weight_hh_l{i}")], 1).data.contiguous() for i in range(3)]
        s.w0, s.w1, s.w2 = s.w; s.b0, s.b1, s.b2 = [(getattr(rnn, f"bias_ih_l{i}") + getattr(rnn, f"bias_hh_l{i}")).data for i in range(3)]
    def cell(s, x, h, c, w, b):
        i, f, g, o = F.linear(torch.cat([x, h], 1), w, b).chunk(4, 1); c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
    def forward(s, x, h0, c0, h1, c1, h2, c2):
        h0, c0 = s.cell(F.embedding(x, s.emb), h0, c0, s.w0, s.b0); h1, c1 = s.cell(h0, h1, c1, s.w1, s.b1); h2, c2 = s.cell(h1, h2, c2, s.w2, s.b2)
        return s.out(h2).argmax(1), h0, c0, h1, c1, h2, c2
z = [torch.zeros(B, 256) for _ in range(6)]; args = (torch.zeros(B, dtype=torch.long), *z); cells = Step().eval(); q = [args]
def many(*t):
    for _ in range(8): t = cells(*t)
    return t
f = torch.compile(many, dynamic=False) if COMPILED else torch.jit.freeze(torch.jit.trace(cells, args))
unrolled = 8 if COMPILED else 1; n = 200 if B == 1 else 24
def step():
    for _ in range(n // unrolled): q[0] = f(*q[0])
measure(step, B * n)
"""

ASK_ORT = r"""
import os, tempfile, logging; logging.disable(logging.WARNING)
import numpy as np, onnx, onnxruntime as ort; from onnx import helper as h, TensorProto as tp, numpy_helper as nh
from onnxruntime.quantization import quantize_dynamic, QuantType
V, E, H = 93, 32, 256; rng = np.random.default_rng(0); f32 = lambda *s: (rng.standard_normal(s) * .08).astype(np.float32); D = tempfile.mkdtemp()
ini = [("emb", f32(V, E)), ("Wd", f32(H, V)), ("bd", f32(V)), ("ax0", np.array([0], np.int64))]
for i in range(3): ini += [(f"W{i}", f32(1, 4 * H, H if i else E)), (f"R{i}", f32(1, 4 * H, H)), (f"B{i}", f32(1, 8 * H))]
nodes = [h.make_node("Gather", ["emb", "id"], ["e0"], axis=0), h.make_node("Unsqueeze", ["e0", "ax0"], ["x0"])]
for i in range(3):
    nodes += [h.make_node("LSTM", [f"x{i}", f"W{i}", f"R{i}", f"B{i}", "", f"h{i}", f"c{i}"], ["", f"nh{i}", f"nc{i}"], hidden_size=H)]
    if i < 2: nodes += [h.make_node("Identity", [f"nh{i}"], [f"x{i+1}"])]
nodes += [h.make_node("Squeeze", ["nh2", "ax0"], ["y"]), h.make_node("Gemm", ["y", "Wd", "bd"], ["lo"]), h.make_node("ArgMax", ["lo"], ["nid"], axis=1, keepdims=0)]
names = [f"{k}{i}" for i in range(3) for k in "hc"]; vi = h.make_tensor_value_info
g = h.make_graph(nodes, "g", [vi("id", tp.INT64, [1])] + [vi(n, tp.FLOAT, [1, 1, H]) for n in names], [vi("nid", tp.INT64, [1])] + [vi("n" + n, tp.FLOAT, [1, 1, H]) for n in names], [nh.from_array(v, k) for k, v in ini])
m = h.make_model(g, opset_imports=[h.make_opsetid("", 17)]); m.ir_version = 9; path = D + "/step.onnx"; onnx.save(m, path)
if INT8: quantize_dynamic(path, D + "/step8.onnx", weight_type=QuantType.QInt8); path = D + "/step8.onnx"
so = ort.SessionOptions(); so.intra_op_num_threads = THREADS; so.log_severity_level = 3; s = ort.InferenceSession(path, so, providers=["CPUExecutionProvider"])
ins = [{k: ort.OrtValue.ortvalue_from_numpy(np.array([3], np.int64) if k == "id" else np.zeros((1, 1, H), np.float32)) for k in ["id"] + names} for _ in range(2)]
b = [s.io_binding(), s.io_binding()]
for i in (0, 1):
    for k in ["id"] + names: b[i].bind_ortvalue_input(k, ins[i][k]); b[i].bind_ortvalue_output("n" + k, ins[1 - i][k])
def step():
    for _ in range(100): s.run_with_iobinding(b[0]); s.run_with_iobinding(b[1])
measure(step, 200)
"""

KERAS = r"""
import os; os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow", CUDA_VISIBLE_DEVICES="-1")
import numpy as np, tensorflow as tf, keras; from keras import layers
tf.config.threading.set_intra_op_parallelism_threads(THREADS); tf.config.threading.set_inter_op_parallelism_threads(THREADS)
B, T, V = 64, 100, 93; every = TASK == "teach"
m = keras.Sequential([keras.Input((T,)), layers.Embedding(V, 32), layers.LSTM(256, return_sequences=True), layers.Dropout(.2),
                      layers.LSTM(256, return_sequences=True), layers.Dropout(.2), layers.LSTM(256, return_sequences=every), layers.Dropout(.2),
                      layers.Dense(V), layers.Activation("softmax")])
if every:
    m.compile(loss="sparse_categorical_crossentropy", optimizer=keras.optimizers.Adam(1e-3, clipnorm=1.0))
    x = np.random.randint(V, size=(B, T)); y = np.random.randint(V, size=(B, T))
    measure(lambda: m.train_on_batch(x, y), B * T)
else:
    window = list(range(V))[:T] + [0] * (T - V)
    def step(): window.append(int(np.argmax(m.predict(np.array([window[-T:]]), verbose=0)[0])))
    measure(step, 1)
"""

PEAK = r"""
import torch
torch.set_num_threads(THREADS); best = 0
for rows, depth, columns in ((2048, 2048, 2048), (6400, 256, 1024)):
    a, b = torch.randn(rows, depth), torch.randn(depth, columns); t_end = time.perf_counter() + SECONDS / 2; fastest = 1e9
    while time.perf_counter() < t_end:
        t = time.perf_counter(); a @ b; fastest = min(fastest, time.perf_counter() - t)
    best = max(best, 2 * rows * depth * columns / fastest)
print(json.dumps({"per_cpu_second": best / THREADS, "best_per_second": best}))
"""

# Processor time of the measured part only: loading a library is not asking a network.
MEASURE = r"""
import json, time
def measure(step, characters):
    step(); step(); n = 0; best = 1e9; c0 = time.process_time(); t0 = t1 = time.perf_counter()
    while t1 - t0 < SECONDS:
        step(); n += 1; t = time.perf_counter(); best = min(best, t - t1); t1 = t
    print(json.dumps({"per_cpu_second": n * characters / (time.process_time() - c0), "best_per_second": characters / best, "per_second": n * characters / (t1 - t0)}))
"""


# Multiplications and additions of the matrix products of one character that is learnt: forward once, backward twice.
FLOP_A_CHARACTER = 3 * 2 * (32 * 1024 + 5 * 256 * 1024 + 256 * 93)


def peer(program, **constants):
    head = "".join(f"{name} = {value!r}\n" for name, value in constants.items())
    done = subprocess.run([sys.executable, "-c", head + MEASURE + program], capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else None


def ceilid(executable, seconds, threads, *arguments):
    done = subprocess.run([executable, *arguments, "--seconds", str(seconds)], capture_output=True, text=True, check=True,
                          env={**os.environ, "RAYON_NUM_THREADS": str(threads)})
    return json.loads(done.stdout.splitlines()[-1])


def beside_a_busy_core(run):
    """`run` while another process keeps the first core busy."""
    spin = "import os\nif hasattr(os, 'sched_setaffinity'): os.sched_setaffinity(0, {0})\nwhile True: pass"
    busy = subprocess.Popen([sys.executable, "-c", spin])
    try:
        return run()
    finally:
        busy.kill(); busy.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("executable"); parser.add_argument("--rounds", type=int, default=3); parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--only", nargs="+", default=[], metavar="SECTION", help="teaching bf16 candle keras f32 int16 int8 many article loaded")
    a = parser.parse_args(); s = a.seconds
    ours = lambda threads, *arguments: lambda: ceilid(a.executable, s, threads, *arguments)
    theirs = lambda program, **constants: lambda: peer(program, SECONDS=s, **constants)
    torch_asks = lambda streams, threads: [(f"PyTorch {kind}, {t} thread{'s'[:t - 1]}", theirs(ASK_TORCH, THREADS=t, STREAMS=streams, COMPILED=kind == "compiled"))
                                           for t in threads for kind in ("traced", "compiled")]
    onnx = lambda int8, threads: [(f"ONNX Runtime, {t} thread{'s'[:t - 1]}", theirs(ASK_ORT, THREADS=t, INT8=int8)) for t in threads]
    ask = lambda storage, streams: ("ask", "--storage", storage, "--streams", streams)
    one_stream = lambda storage: [(f"ceilid, {t} thread{'s'[:t - 1]}", ours(t, *ask(storage, "1"))) for t in (1, 2)]
    teach = [("ceilid, 1 thread", ours(1, "teach")), ("ceilid, 2 threads", ours(2, "teach"))]
    torch_teaches = lambda t, kind: (f"PyTorch {kind}, {t} thread{'s'[:t - 1]}",
                                     theirs(TEACH, THREADS=t, COMPILED="compiled" in kind, AUTOCAST="bf16" in kind))
    torch_eager_and_compiled = [torch_teaches(t, kind) for t in (1, 2) for kind in ("eager", "compiled")]
    sections = {
        "teaching": ("teaching 64 x 100", teach + torch_eager_and_compiled
                     + [("peak", theirs(PEAK, THREADS=2))]),
        "bf16": ("teaching 64 x 100, factors of products rounded to bf16",
                 [(f"ceilid bf16, {t} thread{'s'[:t - 1]}", ours(t, "teach-bf16")) for t in (1, 2)] + torch_eager_and_compiled
                 + [torch_teaches(2, "bf16 " + kind) for kind in ("eager", "compiled")]),
        "candle": ("teaching 64 x 100, candle-nn", teach[1:] + [("candle-nn, 2 threads", ours(2, "candle"))]),
        "keras": ("teaching 64 x 100, Keras at every position", teach[1:] + [("Keras, 2 threads", theirs(KERAS, THREADS=2, TASK="teach"))]),
        "f32": ("asking, 1 stream, f32", one_stream("f32") + onnx(False, (1, 2)) + torch_asks(1, (1, 2))),
        "int16": ("asking, 1 stream, 16-bit weights beside f32", one_stream("int16") + onnx(False, (1, 2)) + torch_asks(1, (1, 2))),
        "int8": ("asking, 1 stream, int8", one_stream("int8") + onnx(True, (1, 2))),
        "many": ("asking, 64 streams, int8", [("ceilid, 2 threads", ours(2, *ask("int8", "64")))] + torch_asks(64, (1, 2))),
        "article": ("asking as the article does", one_stream("int8") + [("Keras predict", theirs(KERAS, THREADS=2, TASK="predict"))]),
        "loaded": ("teaching 64 x 100 while another process keeps a core busy",
                   [("ceilid alone", teach[1][1]), ("ceilid beside it", lambda: beside_a_busy_core(teach[1][1]))]
                   + [(f"PyTorch {name}", run) for name, run in (("alone", torch_teaches(2, "eager")[1]), ("beside it", lambda: beside_a_busy_core(torch_teaches(2, "eager")[1])))]),
    }
    for name, (title, programs) in sections.items():
        if a.only and name not in a.only: continue
        runs = {program: [] for program, _ in programs}
        for _ in range(a.rounds):
            for program, run in programs: runs[program].append(run())
        missing = [program for program, found in runs.items() if None in found]
        median = {program: {k: statistics.median(f.get(k) or 0 for f in found) for k in ("per_cpu_second", "best_per_second", "per_second")}
                  for program, found in runs.items() if program not in missing}
        peak = median.pop("peak", None)
        print(f"{title}\n  {'':<28}{'a CPU second':>14}{'best by clock':>15}")
        for program, figures in median.items(): print(f"  {program:<28}{figures['per_cpu_second']:>14.0f}{figures['best_per_second']:>15.0f}")
        for program in missing: print(f"  {program:<28}    did not run")
        best = lambda key, wanted: max((f[key] for program, f in median.items() if program.startswith("ceilid") == wanted), default=None)
        if name == "loaded":
            for who in ("ceilid", "PyTorch"):
                if f"{who} alone" in median: print(f"  {who}: {median[f'{who} beside it']['per_second'] / median[f'{who} alone']['per_second']:.2f} of its mean speed alone")
        elif best("best_per_second", False):
            for key, label in (("per_cpu_second", "by processor time"), ("best_per_second", "by the clock")):
                print(f"  ceilid / best of the others, {label}: {best(key, True) / best(key, False):.2f}")
        if peak:
            share = best("best_per_second", True) * FLOP_A_CHARACTER / peak["best_per_second"]
            print(f"  matrix products, 2 threads: {peak['best_per_second'] / 1e9:.0f} GFLOP/s, of which teaching takes {100 * share:.0f} %")
        sys.stdout.flush()


main()
