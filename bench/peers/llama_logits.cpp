// Answers requests with llama.cpp's library: `llama_logits MODEL THREADS CONTEXT`.
//
// A line of stdin is `FILE PROMPT ID ID ...`: the first PROMPT ids are computed as one batch, each further id alone, as a
// user gets them. The logits that predict ids PROMPT, PROMPT + 1, ... are written to FILE as float32 rows ("-": to
// nowhere). A line of stdout is the answer as JSON; the first one says how long loading took and how large the vocabulary is.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "ggml-backend.h"
#include "llama.h"

using Clock = std::chrono::steady_clock;

static double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

static void end_with(const char * words) {
    std::fprintf(stderr, "%s\n", words);
    std::exit(1);
}

static void compute(llama_context * context, llama_token * ids, size_t count) {
    if (llama_decode(context, llama_batch_get_one(ids, static_cast<int32_t>(count))) != 0) end_with("llama_decode failed");
}

int main(int count, char ** words) {
    if (count != 4) end_with("usage: llama_logits MODEL THREADS CONTEXT");
    llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
    // Builds with one library for each kind of processor load the one that fits.
    ggml_backend_load_all();
    llama_backend_init();
    const auto start = Clock::now();
    llama_model * model = llama_model_load_from_file(words[1], llama_model_default_params());
    if (model == nullptr) end_with("the model cannot be loaded");
    llama_context_params params = llama_context_default_params();
    params.n_threads = params.n_threads_batch = std::atoi(words[2]);
    params.n_ctx = std::atoi(words[3]);
    params.n_batch = params.n_ctx;
    llama_context * context = llama_init_from_model(model, params);
    if (context == nullptr) end_with("no context");
    const int vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
    std::printf("{\"load_s\": %.6f, \"vocab\": %d}\n", seconds_since(start), vocab);
    std::fflush(stdout);
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream request(line);
        std::string path;
        size_t prompt = 0;
        request >> path >> prompt;
        std::vector<llama_token> ids;
        for (llama_token id; request >> id;) ids.push_back(id);
        if (prompt == 0 || prompt >= ids.size()) end_with("a request needs a prompt and an answer");
        std::FILE * file = path == "-" ? nullptr : std::fopen(path.c_str(), "wb");
        if (file == nullptr && path != "-") end_with("the file of logits cannot be written");
        llama_memory_clear(llama_get_memory(context), true);
        const auto begun = Clock::now();
        compute(context, ids.data(), prompt);
        llama_synchronize(context);
        const double prefill = seconds_since(begun);
        const auto first = Clock::now();
        for (size_t at = prompt; at < ids.size(); ++at) {
            if (at > prompt) compute(context, &ids[at - 1], 1);
            const float * row = llama_get_logits_ith(context, -1);
            if (file != nullptr && std::fwrite(row, sizeof(float), vocab, file) != static_cast<size_t>(vocab)) {
                end_with("the file of logits cannot be written");
            }
        }
        const double decode = seconds_since(first);
        if (file != nullptr && std::fclose(file) != 0) end_with("the file of logits cannot be written");
        std::printf("{\"prefill_s\": %.6f, \"decode_s\": %.6f}\n", prefill, decode);
        std::fflush(stdout);
    }
    llama_free(context);
    llama_model_free(model);
}
