"""Tensors that a model needs and its files lack, found by names and shapes: a log line depends on the user's settings."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from firstlight_core.errors import FirstlightError, ModelRefused
from firstlight_core.model.folder import list_folder
from firstlight_core.model.safetensors_headers import Tensor, read_weights
from firstlight_core.text import one_line


def install(tell: Callable[[ModelRefused], None]) -> None:
    """Check every model that this process loads; `tell` gets a refusal that a library may swallow."""
    from transformers import PreTrainedModel

    inner = PreTrainedModel.from_pretrained.__func__

    def from_pretrained(
        cls: type[Any], /, path: Any, *rest: Any, output_loading_info: bool = False, **named: Any
    ) -> Any:
        model, report = inner(cls, path, *rest, output_loading_info=True, **named)
        try:
            refuse_missing(Path(str(path)), model, report)
        except ModelRefused as error:
            tell(error)
            raise
        return (model, report) if output_loading_info else model

    PreTrainedModel.from_pretrained = classmethod(from_pretrained)


def refuse_missing(folder: Path, model: Any, report: Mapping[str, Any] | None = None) -> None:
    """Hold the headers of a folder against the model that transformers has made of it.

    `report` is what `from_pretrained(output_loading_info=True)` tells beside the model.

    Raises:
        ModelRefused: tensors are missing or have another shape; transformers fills them with random numbers.
    """
    missing = set(lacking_tensors(folder, model))
    if report is not None:
        missing |= {str(name) for name in report.get("missing_keys") or ()}
        missing |= {str(entry[0]) for entry in report.get("mismatched_keys") or ()}
    if missing:
        raise missing_tensors(sorted(missing))


def lacking_tensors(folder: Path, model: Any) -> list[str]:
    """Return the parameters of `model` whose tensor is not in the folder's safetensors headers, with that shape.

    Empty for a model whose tensors transformers renames or joins while it reads them: there its own comparison
    counts, which `refuse_missing` is given.
    """
    try:
        weights = read_weights(list_folder(folder))
    except FirstlightError:
        return []
    if weights is None or _is_converted(model):
        return []
    stored = {_plain(name, model): tensor for name, tensor in weights.tensors.items()}
    tied = tied_names(model)
    return [
        name
        for name, tensor in model.state_dict().items()
        if not any(
            _is_there(stored, alias, tuple(tensor.shape))
            for alias in {_plain(name, model), *tied.get(_plain(name, model), ())}
        )
    ]


def _is_there(stored: Mapping[str, Tensor], name: str, shape: tuple[int, ...]) -> bool:
    tensor = stored.get(name)
    return tensor is not None and tensor.shape == shape


def _plain(name: str, model: Any) -> str:
    """Return a name without the prefix that checkpoints of the bare decoder lack."""
    return name.removeprefix(f"{getattr(model, 'base_model_prefix', '') or '?'}.")


def tied_names(model: Any) -> dict[str, set[str]]:
    """Return, for each parameter that shares its memory with others, their names."""
    places: dict[tuple[int, tuple[int, ...]], list[str]] = {}
    for name, tensor in model.state_dict().items():
        if tensor.numel():
            places.setdefault((_storage(tensor), tuple(tensor.shape)), []).append(
                _plain(name, model)
            )
    tied: dict[str, set[str]] = {}
    for names in places.values():
        for name in names:
            tied.setdefault(name, set()).update(set(names) - {name})
    for left, right in dict(getattr(model, "all_tied_weights_keys", None) or {}).items():
        first, second = _plain(str(left), model), _plain(str(right), model)
        tied.setdefault(first, set()).add(second)
        tied.setdefault(second, set()).add(first)
    return tied


def _storage(tensor: Any) -> int:
    return id(tensor) if tensor.is_meta else int(tensor.data_ptr())


def _is_converted(model: Any) -> bool:
    """Return whether transformers has rules of its own for the names of this model's checkpoints."""
    from transformers import conversion_mapping

    find = getattr(conversion_mapping, "get_checkpoint_conversion_mapping", None)
    if find is None:
        return True
    kinds = {str(getattr(model.config, "model_type", "")), type(model).__name__}
    kinds |= {type(module).__name__ for module in model.modules() if hasattr(module, "config")}
    return any(find(kind) for kind in kinds if kind)


def missing_tensors(names: list[str]) -> ModelRefused:
    """Return the refusal of weights that lack tensors."""
    listed = ", ".join(one_line(name, 80) for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ModelRefused(
        f"The weights lack {listed}{more}; Olive would have filled them with random numbers.",
        hint="Save the model again with all its tensors, or download it again.",
        detail="\n".join(names[:200]),
    )
