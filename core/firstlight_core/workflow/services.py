"""The façade of the core: every function that the wizard, a walk and the command line call, in one place.

Tests pass functions instead of patching modules: `Services(deploy=my_function)`. A function is imported when it is first
called, so that the first paint of the wizard and the help of a verb wait for none of them. Type checkers see the
signature of the function itself.
"""

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Generic, ParamSpec, Self, TypeVar

if TYPE_CHECKING:
    import firstlight_core.artifact.artifact
    import firstlight_core.artifact.tokenizer_files
    import firstlight_core.conversion.convert
    import firstlight_core.deploy.deployment
    import firstlight_core.deploy.targets
    import firstlight_core.environment.doctor
    import firstlight_core.environment.install
    import firstlight_core.estimate.earlier_figures
    import firstlight_core.estimate.estimates
    import firstlight_core.foundry.background
    import firstlight_core.foundry.cli
    import firstlight_core.foundry.cli_cache
    import firstlight_core.foundry.health
    import firstlight_core.foundry.service
    import firstlight_core.foundry.visibility
    import firstlight_core.inference.endpoint
    import firstlight_core.inference.engine
    import firstlight_core.inference.open_target
    import firstlight_core.model.download
    import firstlight_core.model.inspection
    import firstlight_core.report.report
    import firstlight_core.template.chat_template
    import firstlight_core.template.preview
    import firstlight_core.template.repair
    import firstlight_core.template.templates
    import firstlight_core.tuning.tune
    import firstlight_core.workflow.earlier_runs
    import firstlight_core.workflow.leftovers
    import firstlight_core.workflow.recorded
    import firstlight_core.workflow.resume
    import firstlight_core.workflow.run_file
else:

    class _Package:
        """A package of the core; its modules are imported when they are first looked up."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, name: str) -> "_Package | ModuleType":
            module = importlib.import_module(f"{self._name}.{name}")
            return _Package(module.__name__) if hasattr(module, "__path__") else module

    firstlight_core = _Package("firstlight_core")

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class Late(Generic[P, R]):
    """A function that is imported when it is first called."""

    def __init__(self, load: Callable[[], Callable[P, R]]) -> None:
        self.load = load
        """Import the function and return it."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.load()(*args, **kwargs)


class Services:
    """Functions of the core; each argument replaces the function of its name."""

    run_checks = Late(lambda: firstlight_core.environment.doctor.run_checks)
    list_checks = Late(lambda: firstlight_core.environment.doctor.list_checks)
    renew_checks = Late(lambda: firstlight_core.environment.doctor.renew)
    toolchain_missing = Late(lambda: firstlight_core.environment.doctor.toolchain_missing)
    report_text = Late(lambda: firstlight_core.environment.doctor.report_text)
    plan_install = Late(lambda: firstlight_core.environment.install.plan_install)
    install = Late(lambda: firstlight_core.environment.install.install)

    find_models = Late(lambda: firstlight_core.model.inspection.find_models)
    inspect = Late(lambda: firstlight_core.estimate.estimates.inspect_and_estimate)
    earlier_figures = Late(lambda: firstlight_core.estimate.earlier_figures.earlier_figures)
    resolve_hub_id = Late(lambda: firstlight_core.model.download.resolve_hub_id)
    download = Late(lambda: firstlight_core.model.download.download_model)
    adopt = Late(lambda: firstlight_core.artifact.artifact.adopt)

    plan_conversion = Late(lambda: firstlight_core.conversion.convert.plan_conversion)
    convert = Late(lambda: firstlight_core.workflow.recorded.convert)
    convert_many = Late(lambda: firstlight_core.workflow.recorded.convert_many)
    sweep_staging = Late(lambda: firstlight_core.workflow.leftovers.sweep_staging)

    default_inference_model = Late(
        lambda: firstlight_core.template.templates.default_inference_model
    )
    preset_inference_model = Late(lambda: firstlight_core.template.templates.preset_inference_model)
    read_inference_model = Late(lambda: firstlight_core.template.templates.read_inference_model)
    check_template = Late(lambda: firstlight_core.template.templates.check_template)
    settle_template = Late(lambda: firstlight_core.template.templates.settle_template)
    undo_template = Late(lambda: firstlight_core.template.templates.undo_template)
    repair_template = Late(lambda: firstlight_core.template.repair.repair_fields)
    preview_template = Late(lambda: firstlight_core.template.preview.preview_template)
    template_truth = Late(lambda: firstlight_core.template.chat_template.template_truth)
    read_chat_template = Late(lambda: firstlight_core.artifact.tokenizer_files.read_chat_template)
    settle_chat_template = Late(lambda: firstlight_core.template.chat_template.settle_chat_template)

    deploy = Late(lambda: firstlight_core.deploy.deployment.deploy)
    undo = Late(lambda: firstlight_core.deploy.deployment.undo)
    list_deployments = Late(lambda: firstlight_core.deploy.deployment.list_deployments)
    deploy_targets = Late(lambda: firstlight_core.deploy.targets.deploy_targets)
    open_service = Late(lambda: firstlight_core.foundry.service.open_service)
    probe_service = Late(lambda: firstlight_core.foundry.health.probe_service)
    start_background = Late(lambda: firstlight_core.foundry.background.start_background)
    list_background = Late(lambda: firstlight_core.foundry.background.list_background)
    stop_background = Late(lambda: firstlight_core.foundry.background.stop_background)
    examine = Late(lambda: firstlight_core.foundry.visibility.examine)
    offer_commands = Late(lambda: firstlight_core.foundry.visibility.offer_commands)
    run_foundry = Late(lambda: firstlight_core.foundry.cli.run_foundry)
    move_cache = Late(lambda: firstlight_core.foundry.cli_cache.move_cache)
    read_cache_change = Late(lambda: firstlight_core.foundry.cli_cache.read_change)
    put_cache_back = Late(lambda: firstlight_core.foundry.cli_cache.put_cache_back)

    open_target = Late(lambda: firstlight_core.inference.open_target.open_target)
    find_servers = Late(lambda: firstlight_core.inference.endpoint.find_servers)
    chat = Late(lambda: firstlight_core.inference.engine.ask_in_turn)

    benchmark = Late(lambda: firstlight_core.workflow.recorded.benchmark)
    tune = Late(lambda: firstlight_core.workflow.recorded.tune)
    keep_tuned = Late(lambda: firstlight_core.tuning.tune.keep)
    reset_tuned = Late(lambda: firstlight_core.tuning.tune.reset)
    check_quality = Late(lambda: firstlight_core.workflow.recorded.check_quality)

    write_report = Late(lambda: firstlight_core.report.report.write_report)
    find_unfinished = Late(lambda: firstlight_core.workflow.resume.find_unfinished)
    list_earlier_runs = Late(lambda: firstlight_core.workflow.earlier_runs.list_earlier_runs)
    delete_run = Late(lambda: firstlight_core.workflow.earlier_runs.delete_run)
    put_back = Late(lambda: firstlight_core.workflow.earlier_runs.put_back)
    sweep_deleted = Late(lambda: firstlight_core.workflow.earlier_runs.sweep_deleted)
    what_still_holds = Late(lambda: firstlight_core.workflow.resume.what_still_holds)
    write_run_toml = Late(lambda: firstlight_core.workflow.run_file.write_run_toml)

    def __init__(self, **functions: Callable[..., object]) -> None:
        unknown = functions.keys() - FUNCTIONS
        if unknown:
            raise TypeError(f"no service is called {', '.join(sorted(unknown))}")
        self._functions = functions
        vars(self).update(functions)

    def replaced(self, **functions: Callable[..., object]) -> Self:
        """Return these services with further functions replaced."""
        return type(self)(**{**self._functions, **functions})


FUNCTIONS: dict[str, Late[..., object]] = {
    name: value for name, value in vars(Services).items() if isinstance(value, Late)
}
"""Every service by name, as the core has it."""
SERVICES = Services()
"""The functions of the core themselves."""
