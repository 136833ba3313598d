#!/bin/sh
# Double-click on macOS: the wizard on the sample model. The first start installs everything into .venv.
cd "$(dirname "$0")" || exit 1
exec python3 -m firstlight_dev demo
