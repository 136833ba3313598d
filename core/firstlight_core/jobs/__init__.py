"""Jobs that run in a child process: the only modules that import Olive, genai, transformers or Foundry Local.

A job is `function(request, context) -> result`; the heavy imports stand inside the function. Adding a job is
one function and one row here.
"""

JOBS: dict[str, str] = {
    "convert": "firstlight_core.jobs.convert:convert",
    "gate": "firstlight_core.jobs.gate:gate",
    "engine": "firstlight_core.jobs.engine:engine",
    "endpoint": "firstlight_core.jobs.endpoint:endpoint",
    "reference": "firstlight_core.jobs.reference:reference",
    "original": "firstlight_core.jobs.original_chat:original",
    "render": "firstlight_core.jobs.render:render",
    "foundry": "firstlight_core.jobs.foundry:foundry",
    "download": "firstlight_core.jobs.download:download",
    "bandwidth": "firstlight_core.jobs.bandwidth:bandwidth",
    "probe": "firstlight_core.jobs.probe:probe",
    "selftest": "firstlight_core.jobs.selftest:selftest",
}
"""Name → `module:function`."""
