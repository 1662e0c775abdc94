#include "family/pre_norm_block.hpp"

#include "family/block_builder.hpp"

namespace apiq {

BlockSpec pre_norm_block(const ModelConfig& c, const PreNormParts& parts) {
  BlockBuilder block(c.hidden_size, {c.num_attention_heads, c.num_key_value_heads, c.head_dim},
                     c.rms_norm_eps);
  const SlotId x = block.input();
  const SlotId h = block.norm(x, "input_layernorm");
  SlotId q = block.linear(h, "self_attn.q_proj", c.q_features(), parts.qkv_bias);
  SlotId k = block.linear(h, "self_attn.k_proj", c.kv_features(), parts.qkv_bias);
  const SlotId v = block.linear(h, "self_attn.v_proj", c.kv_features(), parts.qkv_bias);
  if (parts.qk_norm) {
    q = block.norm(q, "self_attn.q_norm", c.head_dim);
    k = block.norm(k, "self_attn.k_norm", c.head_dim);
  }
  q = block.rope(q);
  k = block.rope(k);
  const SlotId a = block.attention(q, k, v);
  const SlotId y = block.add(x, block.linear(a, "self_attn.o_proj", c.hidden_size));

  const SlotId z = block.norm(y, "post_attention_layernorm");
  const SlotId gate = block.linear(z, "mlp.gate_proj", c.intermediate_size);
  const SlotId up = block.linear(z, "mlp.up_proj", c.intermediate_size);
  block.add(y, block.linear(block.gate(gate, up), "mlp.down_proj", c.hidden_size));
  return block.finish();
}

}  // namespace apiq
