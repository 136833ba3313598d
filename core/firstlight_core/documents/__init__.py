"""Every JSON document that crosses a room or a process, as a TypedDict: one module per room.

The documents are the contract of the command line (`--json`), of the ledger and of the job channel. JSON Schemas of
them are generated into `docs/schemas` (`make schemas`) and ship as `firstlight_core/schemas`. This package imports
nothing but `errors` and `process.operations`, so every room above `process` may use it. Keys are added, never renamed.
"""
