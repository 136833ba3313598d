"""The architectures that the builder lists and transformers knows: how a tiny one of each is configured."""

from dataclasses import dataclass, field
from typing import Any

PLAIN = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
DIM = {"hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
COMMON: dict[str, Any] = {
    "vocab_size": 384,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
ROPES: dict[str, dict[str, Any]] = {
    "linear": {"rope_type": "linear", "factor": 4.0},
    "dynamic": {"rope_type": "dynamic", "factor": 4.0},
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    },
    "llama3, other factors": {
        "rope_type": "llama3",
        "factor": 32.0,
        "low_freq_factor": 2.0,
        "high_freq_factor": 6.0,
        "original_max_position_embeddings": 128,
    },
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128},
    "yarn, betas": {
        "rope_type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 128,
        "beta_fast": 16.0,
        "beta_slow": 2.0,
    },
    "yarn, mscale": {
        "rope_type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 128,
        "mscale": 0.8,
        "mscale_all_dim": 0.5,
    },
    "yarn, attention factor": {
        "rope_type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 128,
        "attention_factor": 1.3,
        "truncate": False,
    },
    "longrope": {"rope_type": "longrope", "original_max_position_embeddings": 128},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One architecture: its name, transformers' model type, what differs from COMMON, and its own axes."""

    name: str
    model_type: str
    config: dict[str, Any] = field(default_factory=dict)
    biases: tuple[dict[str, Any], ...] = ()
    """Settings that add biases."""
    windows: tuple[dict[str, Any], ...] = ()
    """Settings that give layers a window."""
    others: tuple[tuple[str, dict[str, Any]], ...] = ()
    """Settings of its own: name and values."""
    ropes: tuple[str, ...] = tuple(ROPES)
    head_sizes: tuple[int, ...] = (16, 24, 32, 64, 80, 96, 128, 256)
    partial: float = 1.0
    """The part of a head that is rotated by default."""
    layered_rope: bool = False
    """Rope settings by kind of layer."""
    targets: tuple[str, ...] = PLAIN
    activations: tuple[str, ...] = ()
    full_lora: bool = False


_BIAS = ({"attention_bias": True},)
_BOTH = ({"attention_bias": True}, {"mlp_bias": True})
_STRAY = ({"sliding_window": 40},)
ARCHITECTURES: tuple[Architecture, ...] = (
    Architecture(
        name="LlamaForCausalLM",
        model_type="llama",
        biases=_BOTH,
        windows=_STRAY,
        others=(
            ("stray partial_rotary_factor", {"partial_rotary_factor": 0.5}),
            ("rms_norm_eps 1e-3", {"rms_norm_eps": 1e-3}),
            ("rope_theta 500000", {"rope_theta": 500000.0}),
            ("one key and value head", {"num_key_value_heads": 1}),
            ("as many key and value heads", {"num_key_value_heads": 4}),
        ),
        activations=("gelu", "gelu_pytorch_tanh", "relu", "quick_gelu"),
        full_lora=True,
    ),
    Architecture(
        name="MistralForCausalLM",
        model_type="mistral",
        config={"sliding_window": None},
        windows=({"sliding_window": 40}, {"sliding_window": 400}),
        others=(("rms_norm_eps 1e-3", {"rms_norm_eps": 1e-3}),),
        activations=("gelu",),
        full_lora=True,
    ),
    Architecture(
        name="Qwen2ForCausalLM",
        model_type="qwen2",
        config={"num_hidden_layers": 3},
        windows=(
            {"sliding_window": 40, "use_sliding_window": True, "max_window_layers": 0},
            {"sliding_window": 40, "use_sliding_window": True, "max_window_layers": 1},
            {"sliding_window": 40, "use_sliding_window": False},
        ),
        full_lora=True,
    ),
    Architecture(
        name="Qwen3ForCausalLM",
        model_type="qwen3",
        config={"head_dim": 16, "num_hidden_layers": 3},
        biases=_BIAS,
        windows=(
            {"sliding_window": 40, "use_sliding_window": True, "max_window_layers": 1},
            {"sliding_window": 40, "use_sliding_window": False},
        ),
        others=(("rms_norm_eps 1e-3", {"rms_norm_eps": 1e-3}),),
        full_lora=True,
    ),
    Architecture(
        name="GemmaForCausalLM",
        model_type="gemma",
        config={"head_dim": 16},
        biases=_BIAS,
        others=(("hidden_size 96", {"hidden_size": 96}),),
        activations=("gelu", "gelu_pytorch_tanh"),
    ),
    Architecture(
        name="Gemma2ForCausalLM",
        model_type="gemma2",
        config={"head_dim": 16, "query_pre_attn_scalar": 24, "sliding_window": 40},
        biases=_BIAS,
        others=(
            ("hidden_size 96", {"hidden_size": 96}),
            ("no soft caps", {"attn_logit_softcapping": None, "final_logit_softcapping": None}),
            ("other soft caps", {"attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0}),
        ),
        windows=({"sliding_window": 24},),
    ),
    Architecture(
        name="Gemma3ForCausalLM",
        model_type="gemma3_text",
        config={
            "head_dim": 16,
            "query_pre_attn_scalar": 24,
            "sliding_window": 40,
            "num_hidden_layers": 3,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        },
        biases=_BIAS,
        others=(
            ("hidden_size 96", {"hidden_size": 96}),
            ("soft caps", {"attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0}),
            ("bidirectional", {"use_bidirectional_attention": True}),
        ),
        windows=({"sliding_window": 24},),
        layered_rope=True,
        full_lora=True,
    ),
    Architecture(
        name="GraniteForCausalLM",
        model_type="granite",
        config={
            "embedding_multiplier": 6.0,
            "attention_multiplier": 0.2,
            "logits_scaling": 3.7,
            "residual_multiplier": 0.22,
        },
        biases=_BOTH,
        windows=_STRAY,
    ),
    Architecture(
        name="GraniteMoeHybridForCausalLM",
        model_type="granitemoehybrid",
        config={
            "layer_types": ["attention", "attention"],
            "shared_intermediate_size": 128,
            "num_local_experts": 0,
            "num_experts_per_tok": 0,
            "embedding_multiplier": 6.0,
            "attention_multiplier": 0.2,
            "logits_scaling": 3.7,
            "residual_multiplier": 0.22,
            "position_embedding_type": "rope",
            "mamba_n_heads": 2,
        },
        biases=_BIAS,
        others=(
            ("no rope", {"position_embedding_type": "nope"}),
            ("experts", {"num_local_experts": 4, "num_experts_per_tok": 2}),
            (
                "mamba layers",
                {"layer_types": ["mamba", "attention"], "mamba_n_heads": 4},
            ),
        ),
        targets=("q_proj", "k_proj", "v_proj", "o_proj"),
    ),
    Architecture(
        name="SmolLM3ForCausalLM",
        model_type="smollm3",
        config={"num_hidden_layers": 4, "no_rope_layer_interval": 2},
        biases=_BOTH,
        windows=({"sliding_window": 40, "use_sliding_window": True},),
    ),
    Architecture(
        name="OlmoForCausalLM",
        model_type="olmo",
        biases=_BIAS,
        windows=_STRAY,
        others=(("clip_qkv", {"clip_qkv": 0.5}),),
    ),
    Architecture(
        name="Ernie4_5ForCausalLM",
        model_type="ernie4_5",
        biases=({"use_bias": True},),
        windows=_STRAY,
        others=(("compression_ratio", {"compression_ratio": 2.0}),),
    ),
    Architecture(
        name="PhiForCausalLM",
        model_type="phi",
        config={"partial_rotary_factor": 0.5, "hidden_act": "gelu_new"},
        others=(
            ("qk_layernorm", {"qk_layernorm": True}),
            ("layer_norm_eps 1e-3", {"layer_norm_eps": 1e-3}),
            ("partial_rotary_factor 1", {"partial_rotary_factor": 1.0}),
        ),
        windows=_STRAY,
        partial=0.5,
        head_sizes=(32, 48, 64, 80, 128),
        targets=("q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"),
    ),
    Architecture(
        name="Phi3ForCausalLM",
        model_type="phi3",
        config={"original_max_position_embeddings": 512},
        ropes=("longrope",),
        windows=({"sliding_window": 40}, {"sliding_window": 400}),
        others=(
            (
                "partial_rotary_factor 0.75",
                {"partial_rotary_factor": 0.75, "head_dim": 32, "hidden_size": 128},
            ),
            ("longer than its original, no longrope", {"original_max_position_embeddings": 128}),
        ),
        targets=("qkv_proj", "o_proj", "gate_up_proj", "down_proj"),
        full_lora=True,
    ),
    Architecture(
        name="NemotronForCausalLM",
        model_type="nemotron",
        config={"hidden_act": "relu2", "head_dim": 16, "partial_rotary_factor": 0.5},
        biases=_BOTH,
        windows=_STRAY,
        others=(("norm_eps 1e-3", {"norm_eps": 1e-3}),),
        head_sizes=(32, 64, 128),
        partial=0.5,
        targets=("q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj"),
    ),
    Architecture(
        name="HunYuanDenseV1ForCausalLM",
        model_type="hunyuan_v1_dense",
        config={"head_dim": 16},
        biases=_BIAS,
        others=(
            (
                "dynamic with alpha",
                {
                    "rope_parameters": {
                        "rope_type": "dynamic",
                        "alpha": 50.0,
                        "rope_theta": 10000.0,
                        "factor": 1.0,
                    }
                },
            ),
        ),
    ),
    Architecture(
        name="Lfm2ForCausalLM",
        model_type="lfm2",
        config={
            "num_hidden_layers": 3,
            "layer_types": ["conv", "full_attention", "conv"],
            "norm_eps": 1e-5,
            "conv_L_cache": 3,
            "block_auto_adjust_ff_dim": False,
        },
        biases=({"conv_bias": True},),
        others=(
            ("norm_eps 1e-3", {"norm_eps": 1e-3}),
            (
                "block_auto_adjust_ff_dim",
                {
                    "block_auto_adjust_ff_dim": True,
                    "block_multiple_of": 32,
                    "block_ffn_dim_multiplier": 1.5,
                },
            ),
        ),
        targets=("q_proj", "k_proj", "v_proj", "out_proj", "w1", "w2", "w3"),
    ),
    Architecture(
        name="Lfm2MoeForCausalLM",
        model_type="lfm2_moe",
        config={
            "num_hidden_layers": 3,
            "layer_types": ["conv", "full_attention", "conv"],
            "norm_eps": 1e-5,
            "conv_L_cache": 3,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 64,
            "num_dense_layers": 1,
        },
        targets=("q_proj", "k_proj", "v_proj", "out_proj"),
    ),
    Architecture(
        name="GptOssForCausalLM",
        model_type="gpt_oss",
        config={
            "head_dim": 32,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "sliding_window": 40,
            "layer_types": ["sliding_attention", "full_attention"],
        },
        ropes=(),
        targets=("q_proj", "k_proj", "v_proj", "o_proj"),
    ),
)
