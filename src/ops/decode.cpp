#include "ops/decode.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "codec/codecs.hpp"
#include "ops/checks.hpp"

namespace apiq::ops {

namespace {

using runtime::Arg;
using runtime::DeviceTensor;
using runtime::Macros;
using runtime::round_up;
using runtime::value_of;
using runtime::operator+;

constexpr std::string_view kOp = "decode";
constexpr std::uint64_t kTaskWeights = 8192;    // weights that pay for taking a task
constexpr std::uint64_t kGroupWeights = 65536;  // weights of a block that pay for one more work-group
constexpr std::uint32_t kPhasesPerBlock = 9, kOtherPhases = 3;

static_assert(sizeof(DecodeBlock) == (4 + 7 * 7) * 4 && std::is_trivially_copyable_v<DecodeBlock>);
static_assert(sizeof(DecodeArgs) % 4 == 0 && std::is_trivially_copyable_v<DecodeArgs>);

Macros macros_of(Queue& queue, const DecodeShape& s) {
  const bool packed = s.bits <= 8;
  const WeightFormat format{.bits = packed ? s.bits : 8, .group_size = s.group_size};
  return Macros{{"DENSE", packed ? 0 : static_cast<int>(s.bits)}} + format.codec->macros(format) +
         Macros{{"ALIGNED", 1},
                {"HEAD_DIM", static_cast<int>(s.head_dim)},
                {"HALF", s.activations == DType::f16},
                {"TABLE_HALF", s.table == DType::f16}} +
         queue.tuned("decode_token");
}

std::uint64_t block_weights(const DecodeShape& s) {
  return std::uint64_t{s.hidden} * (2ull * (s.heads + s.kv_heads) * s.head_dim + 3ull * s.intermediate);
}

/// Rows per task: about four tasks for every work-group, none so small that taking it costs more than it.
std::uint32_t task_rows(std::uint64_t rows, std::uint64_t features, std::uint64_t groups,
                        std::uint64_t tile) {
  return static_cast<std::uint32_t>(
      round_up(std::max({rows / (4 * groups), kTaskWeights / features, std::uint64_t{1}}), tile));
}

/// Hands out elements one after another, in whole cache lines.
class Layout {
 public:
  std::uint32_t take(std::uint64_t elements) {
    const std::uint64_t at = used_;
    used_ += round_up(elements, 64);
    return count32(kOp, "scratch", at);
  }
  std::uint64_t used() const { return used_; }

 private:
  std::uint64_t used_ = 0;
};

void set_task_rows(DecodeArgs& a, const DecodeShape& s, std::uint64_t groups, std::uint64_t tile) {
  const std::uint64_t q_features = std::uint64_t{s.heads} * s.head_dim,
                      kv_features = std::uint64_t{s.kv_heads} * s.head_dim;
  a.qkv_rows = task_rows(q_features + 2 * kv_features, s.hidden, groups, tile);
  a.o_rows = task_rows(s.hidden, q_features, groups, tile);
  a.gate_up_rows = task_rows(s.intermediate, 2ull * s.hidden, groups, tile);
  a.down_rows = task_rows(s.hidden, s.intermediate, groups, tile);
  a.head_rows = task_rows(s.vocab, s.hidden, 2 * groups, tile);
}

/// Scratch of one launch; returns its size in floats.
std::uint64_t lay_out_scratch(DecodeArgs& a, const DecodeShape& s, std::uint64_t groups,
                              std::uint64_t width) {
  const std::uint64_t q_features = std::uint64_t{s.heads} * s.head_dim;
  const std::uint64_t widest = std::max<std::uint64_t>({s.hidden, q_features, s.intermediate});
  Layout own, all;
  own.take(s.hidden);
  a.prepared = own.take(widest);
  a.sums = own.take(widest / kChunk);
  a.own_stride = count32(kOp, "scratch", own.used());
  a.own = all.take(own.used() * groups);
  a.q = all.take(q_features);
  a.mixed = all.take(q_features);
  a.gated = all.take(s.intermediate);
  a.lora_t_stride = static_cast<std::uint32_t>(round_up(s.rank, 64));
  a.lora_t = all.take(3ull * a.lora_t_stride);
  a.scores_stride = static_cast<std::uint32_t>(round_up(s.capacity, width));
  a.scores = all.take(std::uint64_t{s.heads} * a.scores_stride);
  return all.used();
}

}  // namespace

bool can_decode(Queue& queue, const DecodeShape& s) {
  const Macros tuned = queue.tuned("decode_token");
  const auto width = static_cast<std::uint32_t>(value_of(tuned, "VW"));
  if (!queue.device().info().is_cpu || value_of(tuned, "USED") == 0 || width < 2) return false;
  const bool packed = has_bits(kAffine, s.bits), dense = s.bits == 16 || s.bits == 32;
  if (!(packed && s.group_size != 0 && s.group_size % kChunk == 0) && !dense) return false;
  if (s.blocks == 0 || s.heads == 0 || s.kv_heads == 0 || s.heads % s.kv_heads != 0 || s.head_dim == 0)
    return false;
  return s.hidden % kChunk == 0 && s.intermediate % kChunk == 0 && s.head_dim % width == 0 &&
         s.heads * s.head_dim % kChunk == 0;
}

Decode::Decode(Queue& queue, const DecodeShape& s, const DecodeTensors& tensors,
               const std::vector<DecodeBlock>& blocks, const std::vector<std::int32_t>& eos)
    : queue_(queue), macros_(macros_of(queue, s)), tensors_(tensors) {
  if (blocks.size() != s.blocks)
    throw ShapeError("[decode] expected a table of " + std::to_string(s.blocks) + " blocks, got " +
                     std::to_string(blocks.size()));
  const auto width = static_cast<std::uint64_t>(value_of(macros_, "VW")),
             tile = width * static_cast<std::uint64_t>(value_of(macros_, "RV"));
  groups_ = std::clamp<std::uint64_t>(block_weights(s) / kGroupWeights, 1,
                                      std::max(1u, queue.device().info().compute_units));
  DecodeArgs& a = args_;
  a.blocks = s.blocks;
  a.hidden = s.hidden;
  a.heads = s.heads;
  a.kv_heads = s.kv_heads;
  a.intermediate = s.intermediate;
  a.vocab = s.vocab;
  a.group_size = s.group_size;
  a.eps = s.eps;
  a.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(s.head_dim)));
  a.whole = tensors.head.memory != nullptr ? 1 : 0;
  for (std::size_t i = 0; i < APIQ_DECODE_EOS; ++i)
    a.eos[i] = i < eos.size() ? static_cast<std::uint32_t>(eos[i]) : APIQ_DECODE_NONE;
  set_task_rows(a, s, groups_, tile);
  const std::uint64_t scratch = lay_out_scratch(a, s, groups_, width);
  a.x = offset32(kOp, "x", tensors.x);
  a.cos = offset32(kOp, "cos", tensors.cos);
  a.sin = offset32(kOp, "sin", tensors.sin);
  if (a.whole != 0) {
    a.embedding = offset32(kOp, "embedding", tensors.embedding);
    a.head = offset32(kOp, "head", tensors.head);
    a.norm = offset32(kOp, "norm", tensors.norm);
    a.logits = offset32(kOp, "logits", tensors.logits);
  }
  a.token_counters = (s.blocks * kPhasesPerBlock + kOtherPhases) * APIQ_DECODE_PHASE;
  a.counters = a.token_counters * APIQ_DECODE_TOKENS;
  Layout state;
  state.take(2ull * a.counters);
  a.stop = state.take(1);
  a.partials = state.take(3ull * ((s.vocab + a.head_rows - 1) / a.head_rows));
  const auto words = static_cast<std::uint64_t>(blocks.size() * sizeof(DecodeBlock) / 4);
  table_ = DeviceTensor(queue.device(), DType::u32, {words}, "table of blocks");
  queue.write(table_, blocks.data());
  scratch_ = DeviceTensor(queue.device(), DType::f32, {scratch}, "decoding scratch");
  state_ = DeviceTensor(queue.device(), DType::u32, {state.used()}, "decoding counters");
  queue.fill_zero(state_);
  launch();  // of no token: compiles now what some devices compile at the first launch
}

void Decode::run(std::uint32_t position) {
  args_.position = position;
  args_.tokens = 1;
  launch();
}

void Decode::run(std::uint32_t position, std::uint32_t tokens, std::uint32_t index) {
  while (tokens != 0) {
    args_.position = position;
    args_.tokens = std::min(tokens, APIQ_DECODE_TOKENS);
    args_.ids = offset32(kOp, "ids", tensors_.ids) + index;
    launch();
    position += args_.tokens;
    index += args_.tokens;
    tokens -= args_.tokens;
  }
}

void Decode::launch() {
  const DecodeTensors& t = tensors_;
  queue_.launch("decode_token", "decode_token", macros_, {{groups_, 1, 1}, {1, 1, 1}},
                {Arg::value(args_), table_, t.words, t.halves, t.floats, t.embedding, t.head, t.norm, t.cos,
                 t.sin, t.k, t.v, t.x, scratch_, t.logits, t.ids, state_});
  if (args_.tokens != 0) args_.set = 1 - args_.set;
}

}  // namespace apiq::ops
