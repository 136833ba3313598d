"""The shortest honest onnxruntime-genai loop: `python bench/bare_genai.py ARTIFACT PROMPT_TOKENS NEW_TOKENS`."""

import json
import statistics
import sys
import time

if __name__ == "__main__":
    import numpy
    import onnxruntime_genai as genai

    folder, prompt, new = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    model = genai.Model(folder)
    tokenizer = genai.Tokenizer(model)
    unit = tokenizer.encode("The quick brown fox jumps over the lazy dog. ")
    ids = numpy.resize(unit, prompt)
    decode, prefill = [], []
    # The first one warms up, as in `firstlight bench`.
    for repeat in range(4):
        parameters = genai.GeneratorParams(model)
        # min_length keeps it from stopping early, so that every run decodes the same number.
        parameters.set_search_options(
            do_sample=False, max_length=prompt + new, min_length=prompt + new
        )
        generator = genai.Generator(model, parameters)
        begun = time.perf_counter_ns()
        generator.append_tokens(ids)
        generator.generate_next_token()
        first = time.perf_counter_ns()
        for _ in range(new - 1):
            generator.generate_next_token()
        last = time.perf_counter_ns()
        if repeat:
            prefill.append(prompt / ((first - begun) / 1e9))
            decode.append((new - 1) / ((last - first) / 1e9))
    sys.stdout.write(
        json.dumps(
            {"decode_tps": statistics.median(decode), "prefill_tps": statistics.median(prefill)}
        )
    )
