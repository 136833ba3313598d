"""The shortest honest onnxruntime-genai loop, for as many requests as it is asked: `python bench/bare_genai.py ARTIFACT [OPTIONS]`.

OPTIONS are session options as JSON; without them onnxruntime chooses. A prompt is appended in pieces of `piece` tokens, as a
whole without it. A line of stdin is a request {ids, tokens,
max_length, piece?}, a line of stdout its answer {decode_tps, prefill_tps, cpu_s, load_s, text}.
"""

import json
import sys
import time


def main() -> None:
    """Load once, then one prefill and `tokens` decode steps a request."""
    import numpy
    import onnxruntime_genai as genai

    loading = time.perf_counter_ns()
    config = genai.Config(sys.argv[1])
    if len(sys.argv) > 2:
        options = {"model": {"decoder": {"session_options": json.loads(sys.argv[2])}}}
        config.overlay(json.dumps(options))
    # In an engine's order: the weights then use the memory that reading a tokenizer leaves behind.
    tokenizer = genai.Tokenizer(config)
    model = genai.Model(config)
    load_s = (time.perf_counter_ns() - loading) / 1e9
    for line in sys.stdin:
        request = json.loads(line)
        ids, new = request["ids"], request["tokens"]
        parameters = genai.GeneratorParams(model)
        # min_length keeps it from stopping early, so that every run decodes the same number.
        parameters.set_search_options(
            do_sample=False,
            repetition_penalty=1.0,
            max_length=request["max_length"],
            min_length=len(ids) + new,
        )
        generator = genai.Generator(model, parameters)
        stream = tokenizer.create_stream()
        spent, begun = time.process_time_ns(), time.perf_counter_ns()
        piece = request.get("piece", len(ids))
        for start in range(0, len(ids), piece):
            generator.append_tokens(numpy.array(ids[start : start + piece], dtype=numpy.int32))
        generator.generate_next_token()
        first = time.perf_counter_ns()
        text = stream.decode(generator.get_next_tokens()[0])
        for _ in range(new - 1):
            generator.generate_next_token()
            text += stream.decode(generator.get_next_tokens()[0])
        last = time.perf_counter_ns()
        answer = {
            "decode_tps": (new - 1) * 1e9 / (last - first),
            "prefill_tps": len(ids) * 1e9 / (first - begun),
            "cpu_s": (time.process_time_ns() - spent) / 1e9,
            "load_s": load_s,
            "text": text,
        }
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
