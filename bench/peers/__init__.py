"""Firstlight's artifacts beside what a user would run instead: llama.cpp, Olive by hand, a bare onnxruntime-genai loop."""
