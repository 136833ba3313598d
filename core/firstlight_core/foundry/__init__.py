"""Foundry Local: its runtime, its service, its command line, and which models it sees."""
