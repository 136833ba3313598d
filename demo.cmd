@echo off
rem Double-click: the wizard on the sample model. The first start installs everything into .venv.
cd /d "%~dp0"
where py >nul 2>nul
if errorlevel 1 (python -m firstlight_dev demo) else (py -3 -m firstlight_dev demo)
pause
