"""ONNX Runtime behind the protocol of README.md: a session of a model, for a layer the one-node model of make_onnx.py, whose
weights are initializers, so that the session lays them out once."""

import onnxruntime

from protocol import Peer, Unsupported, serve


class OnnxRuntime(Peer):
    name = "onnxruntime"
    version = onnxruntime.__version__

    def prepare(self, layer, arrays, request):
        return self.prepare_model({"x": arrays["x"]}, request)

    def prepare_model(self, inputs, request):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = request["threads"]
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 4
        # A thread that spins between two runs would take a core from whatever is timed next.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = onnxruntime.InferenceSession(request["onnx"], options, providers=["CPUExecutionProvider"])
            names = [output.name for output in session.get_outputs()]
            session.run(names, inputs)
        except Exception as error:
            text = str(error).strip().splitlines()[0]
            if "NOT_IMPLEMENTED" in text or "not implemented" in text.lower() or "not supported" in text.lower():
                raise Unsupported(text) from error
            raise
        return lambda: dict(zip(names, session.run(names, inputs)))


serve(OnnxRuntime())
