"""Where a model in this process could run. Loading torch takes seconds, so this is asked for, never done on import."""

from __future__ import annotations

from tracer1_agents.errors import MissingExtraError

_GIB = 1 << 30


def torch_devices() -> list[str]:
    """Devices that this torch can use, such as "cuda:0 (NVIDIA H200, 139 GiB)"; "cpu" is always the last.

    Raises:
        MissingExtraError: torch is not installed.
    """
    try:
        import torch  # noqa: PLC0415  (an extra)
    except ImportError:
        feature = "a model in this process"
        raise MissingExtraError(feature, "local") from None
    devices = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        devices.append(f"cuda:{index} ({properties.name}, {properties.total_memory // _GIB} GiB)")
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, f"cpu ({torch.get_num_threads()} threads)"]
