"""A LoRA adapter worked into its base layer by layer, each layer alone: the tied end of a table does not move along."""

from typing import Any


def folded(model: Any) -> Any:
    """Return the plain model that computes what a PeftModel computes; the PeftModel is used up.

    Every changed weight is copied before it is changed, so that whoever shares it keeps his own. What comes out is
    held against the PeftModel's own answers by the caller.
    """
    import torch
    from peft import PeftModel
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import ModulesToSaveWrapper, TrainableTokensWrapper

    if not isinstance(model, PeftModel):
        return model
    plain = model.get_base_model()
    wrappers = (ModulesToSaveWrapper, TrainableTokensWrapper, BaseTunerLayer)
    with torch.no_grad():
        while wrapped := _first(plain, wrappers):
            parent, name, module = wrapped
            if isinstance(module, ModulesToSaveWrapper):
                active = module.active_adapters if hasattr(module, "active_adapters") else None
                key = (active or list(module.modules_to_save))[0]
                inner = module.modules_to_save[key]
            elif isinstance(module, TrainableTokensWrapper):
                layer = module.token_adapter
                _own(layer.get_base_layer())
                layer.merge()
                inner = layer.get_base_layer()
            else:
                _own(module.get_base_layer())
                module.merge()
                inner = module.get_base_layer()
            setattr(parent, name, inner)
    return plain


def _own(layer: Any) -> None:
    import torch

    layer.weight = torch.nn.Parameter(layer.weight.detach().clone(), requires_grad=False)


def _first(model: Any, kinds: tuple[type, ...]) -> tuple[Any, str, Any] | None:
    for path, module in model.named_modules():
        if path and isinstance(module, kinds):
            parent, _, name = path.rpartition(".")
            return model.get_submodule(parent) if parent else model, name, module
    return None
