"""Options of ONNX Runtime that `backend_options` passes through: names, values, and those that AdcVSR sets itself.

The library takes unknown entries of a session without a word, so that names and values are checked here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from vsadcvsr.backends import MAX_THREADS
from vsadcvsr.backends.option_syntax import Settings
from vsadcvsr.errors import UsageError, near_misses


class Values(NamedTuple):
    """The values of an option."""

    allowed: str
    """In words, for an error."""
    has: Callable[[str], bool]


def _one_of(*values: str) -> Values:
    return Values(", ".join(values), values.__contains__)


_SWITCH = _one_of("0", "1")
_ANY = Values("", lambda _: True)
"""Values that the library checks."""
_NUMBER = Values("a whole number", str.isdecimal)
_THREADS = Values(f"0 (all cores) to {MAX_THREADS}", lambda value: value.isdecimal() and int(value) <= MAX_THREADS)

LEVELS = {"disable": "ORT_DISABLE_ALL", "basic": "ORT_ENABLE_BASIC", "extended": "ORT_ENABLE_EXTENDED",
          "layout": "ORT_ENABLE_LAYOUT", "all": "ORT_ENABLE_ALL"}  # fmt: skip
MODES = {"sequential": "ORT_SEQUENTIAL", "parallel": "ORT_PARALLEL"}

ATTRIBUTES: Mapping[str, Values] = {
    "graph_optimization_level": _one_of(*LEVELS),
    "execution_mode": _one_of(*MODES),
    "inter_op_num_threads": _THREADS,
    "enable_mem_pattern": _SWITCH,
    "enable_mem_reuse": _SWITCH,
    "enable_cpu_mem_arena": _SWITCH,
}
"""Attributes of its SessionOptions, with their values."""

ENTRIES: Mapping[str, Values] = {
    "session.intra_op.allow_spinning": _SWITCH,
    "session.inter_op.allow_spinning": _SWITCH,
    "session.intra_op.spin_duration_us": _NUMBER,
    "session.force_spinning_stop": _SWITCH,
    "session.intra_op_thread_affinities": _ANY,
    "session.dynamic_block_base": _NUMBER,
    "session.set_denormal_as_zero": _SWITCH,
    "session.disable_prepacking": _SWITCH,
    "session.use_device_allocator_for_initializers": _SWITCH,
    "session.graph_optimizations_loop_level": _one_of("0", "1", "2"),
    "session.disable_cpu_ep_fallback": _SWITCH,
    "session.disable_quant_qdq": _SWITCH,
    "session.disable_double_qdq_remover": _SWITCH,
    "session.enable_quant_qdq_cleanup": _SWITCH,
    "optimization.disable_specified_optimizers": _ANY,
    "optimization.enable_gelu_approximation": _SWITCH,
}
"""Entries of its session configuration."""

_CUDA: Mapping[str, Values] = {
    "gpu_mem_limit": _NUMBER,
    "arena_extend_strategy": _one_of("kNextPowerOfTwo", "kSameAsRequested"),
    "cudnn_conv_algo_search": _one_of("HEURISTIC", "DEFAULT"),  # EXHAUSTIVE chooses by time: other bits in another run
    "cudnn_conv_use_max_workspace": _SWITCH,
    "cudnn_conv1d_pad_to_nc1d": _SWITCH,
    "do_copy_in_default_stream": _SWITCH,
    "prefer_nhwc": _SWITCH,
}
_TENSORRT: Mapping[str, Values] = {
    "trt_max_workspace_size": _NUMBER,
    "trt_builder_optimization_level": _one_of(*"012345"),
    "trt_auxiliary_streams": _NUMBER,
    "trt_max_partition_iterations": _NUMBER,
    "trt_min_subgraph_size": _NUMBER,
    "trt_context_memory_sharing_enable": _SWITCH,
    "trt_layer_norm_fp32_fallback": _SWITCH,
    "trt_sparsity_enable": _SWITCH,
    "trt_build_heuristics_enable": _SWITCH,
    "trt_tactic_sources": _ANY,
    "trt_preview_features": _ANY,
    "trt_op_types_to_exclude": _ANY,
}
PROVIDERS: Mapping[str, Mapping[str, Values]] = {
    "CPUExecutionProvider": {},
    "CUDAExecutionProvider": _CUDA,
    "TensorrtExecutionProvider": _TENSORRT,
    "DmlExecutionProvider": {
        "performance_preference": _one_of("default", "high_performance", "minimum_power"),
        "device_filter": _one_of("gpu", "npu", "any"),
        "disable_metacommands": _one_of("true", "false"),
        "enable_dynamic_graph_fusion": _one_of("true", "false"),
    },
    "CoreMLExecutionProvider": {
        "ModelFormat": _one_of("MLProgram", "NeuralNetwork"),
        "MLComputeUnits": _one_of("ALL", "CPUOnly", "CPUAndGPU", "CPUAndNeuralEngine"),
        "RequireStaticInputShapes": _SWITCH,
        "EnableOnSubgraphs": _SWITCH,
        "SpecializationStrategy": _one_of("Default", "FastPrediction"),
        "ModelCacheDirectory": _ANY,
    },
}
"""Options of execution providers."""

_SET_BY_OPTIONS = {
    "intra_op_num_threads": "threads",
    "device_id": "device_index",
    "use_tf32": "precision",
    "trt_fp16_enable": "precision",
    "trt_bf16_enable": "precision",
    "trt_int8_enable": "precision",
}
"""What options of AdcVSR set."""


def check(settings: Settings, device: str, providers: tuple[str, ...]) -> None:
    """Raises UsageError for names that a device does not have, and for values that a name does not take."""
    known = {**ATTRIBUTES, **ENTRIES}
    for provider in providers:
        known |= PROVIDERS[provider]
    for name, value in settings:
        if option := _SET_BY_OPTIONS.get(name):
            raise UsageError(f"backend_options: {name} is set by the option {option}; use that")
        if name not in known:
            hint = near_misses(name, known)
            words = f"backend_options: {name!r} is no option of ONNX Runtime on {device} that AdcVSR passes on"
            raise UsageError("; ".join(filter(None, (words, hint, f"those are {', '.join(known)}"))))
        if not known[name].has(value):
            raise UsageError.of(f"backend_options: {name}", value, known[name].allowed)


def apply(session_options: Any, settings: Settings, library: Any) -> None:  # noqa: ANN401 - onnxruntime has no types
    """Sets the options of a session, apart from those of providers."""
    for name, value in settings:
        if name in ENTRIES:
            session_options.add_session_config_entry(name, value)
        elif name in ATTRIBUTES:
            setattr(session_options, name, _attribute(name, value, library))


def _attribute(name: str, value: str, library: Any) -> object:  # noqa: ANN401 - onnxruntime has no types
    if name == "graph_optimization_level":
        return getattr(library.GraphOptimizationLevel, LEVELS[value])
    if name == "execution_mode":
        return getattr(library.ExecutionMode, MODES[value])
    return value == "1" if ATTRIBUTES[name] is _SWITCH else int(value)


def of_provider(settings: Settings, provider: str) -> dict[str, str]:
    """The options of a provider."""
    return {name: value for name, value in settings if name in PROVIDERS[provider]}
