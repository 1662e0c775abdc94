// The rows. A program of the registry without a row here, or a tunable without an axis, fails tests/tune:
// either give it candidates, or say in `reason` why it keeps its preset. Rows and axes that the registry does
// not have (any more) are left out.
#include <algorithm>

#include "tune/search_space.hpp"

namespace apiq::tuning {

namespace {

const std::vector<int> kCpuWidths{4, 8, 16}, kGpuWidths{1, 2, 4}, kGpuGroups{64, 128, 256, 512};

/// 1 for a tunable that the program does not have: it then counts once in products.
long at(const Point& p, std::string_view name) {
  const auto found = p.find(name);
  return found == p.end() ? 1 : found->second;
}

std::string unless(bool holds, const char* rule) { return holds ? std::string() : std::string(rule); }

/// WG work-items stride over data; WG is a power of two on GPUs, where they reduce in halves.
SearchSpace streaming(std::string_view program, std::vector<Axis> more,
                      std::vector<std::string_view> verified_by) {
  SearchSpace out{.program = program, .axes = {{"VW", kCpuWidths, kGpuWidths}, {"WG", {1}, kGpuGroups}}};
  out.axes.insert(out.axes.end(), more.begin(), more.end());
  out.group_items = [](const Point& p) { return at(p, "WG"); };
  out.local_bytes = [](const Point& p) { return 8 * at(p, "WG"); };
  out.verified_by = std::move(verified_by);
  return out;
}

SearchSpace fixed(std::string_view program, std::vector<std::string_view> names, std::string_view reason) {
  SearchSpace out{.program = program, .axes = {}};
  for (const auto name : names) out.axes.push_back({name, {}, {}, reason});
  out.reason = reason;
  return out;
}

// Products with packed weights: rows of a block of 32 are lanes (VW) and registers (RV); LS and KS are the
// work-group.
long packed_group(const Point& p) { return at(p, "LS") * at(p, "KS"); }
std::string packed_conflict(const Point& p) {
  return unless(32 % (at(p, "VW") * at(p, "RV")) == 0, "VW * RV must divide 32");
}

std::vector<SearchSpace> packed_spaces() {
  return {
      {.program = "qgemv",
       .axes = {{"VW", {4, 8, 16}, {1, 2, 4}},
                {"RV", {1, 2, 4, 8}, {1, 2, 4}},
                {"LS", {1}, {8, 16, 32, 64}},
                {"KS", {1}, {1, 2, 4, 8, 16}},
                {"EXTRACT", {1, 2, 3}, {1, 2}},
                {"AHEAD", {1, 2, 4, 6, 8, 12}, {1}}},
       .together = {{"VW", "RV"}, {"LS", "KS"}, {"RV", "EXTRACT"}},
       .group_items = packed_group,
       .local_bytes =
           [](const Point& p) {
             return at(p, "KS") > 1 ? 4 * packed_group(p) * at(p, "VW") * at(p, "RV") : 0;
           },
       .conflict = packed_conflict,
       .verified_by = {"qgemv"}},
      {.program = "qgemm",
       .axes = {{"VW", {4, 8, 16}, {1, 2, 4}},
                {"RV", {1, 2, 4}, {1, 2, 4}},
                {"LS", {1}, {8, 16, 32, 64}},
                {"KS", {1}, {1, 2, 4, 8}},
                {"MAX_TOKENS", {4, 8, 16}, {4, 8, 16}}},
       .together = {{"VW", "RV"}, {"RV", "MAX_TOKENS"}, {"LS", "KS"}},
       .group_items = packed_group,
       .local_bytes =
           [](const Point& p) {
             return at(p, "KS") > 1 ? 4 * packed_group(p) * at(p, "VW") * at(p, "RV") * at(p, "MAX_TOKENS")
                                    : 0;
           },
       .conflict = packed_conflict,
       .verified_by = {"qgemm"}},
      {.program = "qgemm_bwd",
       .axes = {{"VW", {4, 8, 16}, {1, 2, 4}},
                {"NV", {1, 2, 4}, {1, 2}},
                {"LS", {1}, {8, 16, 32}},
                {"KS", {1}, {1, 2, 4, 8}},
                {"AHEAD", {1, 2, 4, 8}, {1}},
                {"MAX_TOKENS", {8, 16}, {8, 16}}},
       .together = {{"VW", "NV"}, {"NV", "MAX_TOKENS"}, {"LS", "NV"}},
       .group_items = packed_group,
       .local_bytes =
           [](const Point& p) {
             return at(p, "KS") > 1
                        ? 4 * at(p, "KS") *
                              (32 * 10 + at(p, "LS") * at(p, "MAX_TOKENS") * at(p, "VW") * at(p, "NV"))
                        : 0;
           },
       .conflict =
           [](const Point& p) {
             return unless(32 % (at(p, "LS") * at(p, "VW") * at(p, "NV")) == 0,
                           "LS * NV * VW must divide 32");
           },
       .verified_by = {"qgemm_bwd"}},
      {.program = "gemv_input",
       .axes = {{"VW", kCpuWidths, kGpuWidths},
                {"R", {1, 2, 4, 8}, {1, 2, 4}},
                {"LANES_K", {1}, {16, 32, 64, 128}}},
       .together = {{"VW", "R"}},
       .group_items = [](const Point& p) { return at(p, "LANES_K"); },
       .local_bytes =
           [](const Point& p) { return at(p, "LANES_K") > 1 ? 4 * at(p, "R") * at(p, "LANES_K") : 0; },
       .verified_by = {"qgemv"}},
      {.program = "lora_down",
       .axes = {{"VW", kCpuWidths, kGpuWidths},
                {"T", {2, 4, 8}, {1, 2, 4}},
                {"R", {1, 2, 4, 8}, {1, 2, 4}},
                {"LANES_K", {1}, {16, 32, 64, 128}}},
       .together = {{"VW", "R"}, {"T", "R"}},
       .group_items = [](const Point& p) { return at(p, "LANES_K"); },
       .local_bytes =
           [](const Point& p) {
             return at(p, "LANES_K") > 1 ? 4 * at(p, "T") * at(p, "R") * at(p, "LANES_K") : 0;
           },
       .verified_by = {"qgemm"}},
      {.program = "token_blocks",
       .axes = {{"LS", {1}, {32, 64, 128, 256}}, {"FEATURES", {8, 16, 32, 64, 128}, {1, 2, 4}}},
       .group_items = [](const Point& p) { return at(p, "LS"); },
       .verified_by = {"qgemm"}},
  };
}

std::vector<SearchSpace> dense_spaces() {
  return {
      // Registers of a CPU hold MR * NV sums and one row of b.
      {.program = "gemm_block",
       .axes = {{"VW", kCpuWidths, {}},
                {"NV", {1, 2, 3, 4}, {}},
                {"MR", {4, 6, 8, 10, 12}, {}},
                {"TILES", {8, 11, 16, 22, 32, 43}, {}},
                {"KC", {64, 128, 192, 256, 384}, {}},
                {"MIN_ROWS", {5, 9, 17}, {}}},
       .together = {{"VW", "NV"}, {"NV", "MR"}, {"MR", "TILES"}, {"TILES", "KC"}},
       .local_bytes =
           [](const Point& p) {
             const long rows = at(p, "TILES") * at(p, "MR"), columns = at(p, "NV") * at(p, "VW");
             return 4 * (at(p, "KC") * (rows + at(p, "VW") + columns) + rows * (columns + at(p, "VW")));
           },
       .conflict = [](const Point& p) { return unless(at(p, "KC") % at(p, "VW") == 0, "VW must divide KC"); },
       .verified_by = {"matmul_nt", "matmul_nn", "matmul_tn"}},
      {.program = "gemm_dot",
       .axes = {{"VW", {}, {}, "vectors of four values are compiled in"},
                {"LX", {}, {16, 32, 64}},
                {"LY", {}, {2, 4, 8, 16}},
                {"MR", {}, {2, 4, 8}},
                {"MAX_ROWS", {}, {8, 16, 32}}},
       .together = {{"LX", "LY"}},
       .group_items = [](const Point& p) { return at(p, "LX") * at(p, "LY"); },
       .local_bytes = [](const Point& p) { return 4 * at(p, "LX") * at(p, "LY") * at(p, "MR"); },
       .conflict = [](const Point& p) { return unless(at(p, "MR") <= at(p, "LX"), "MR must be at most LX"); },
       .verified_by = {"matmul_nt"}},
      {.program = "gemm_rows",
       .axes = {{"VW", kCpuWidths, {}}, {"MR", {1, 2, 4, 8}, {}}, {"MAX_ROWS", {4, 8, 16}, {}}},
       .together = {{"VW", "MR"}},
       .verified_by = {"matmul_nt"}},
      {.program = "gemm",
       .axes = {{"VW", kCpuWidths, {1, 2, 4}},
                {"LX", {1}, {8, 16, 32}},
                {"LY", {1}, {8, 16}},
                {"MR", {4, 8, 12}, {4, 8}},
                {"NV", {1, 2, 4}, {1, 2, 4}},
                {"KC", {32, 64, 128, 256}, {8, 16, 32}}},
       .together = {{"VW", "NV"}, {"LX", "LY"}, {"MR", "NV"}, {"MR", "KC"}},
       .group_items = [](const Point& p) { return at(p, "LX") * at(p, "LY"); },
       .local_bytes =
           [](const Point& p) {
             return 4 * at(p, "KC") *
                    (at(p, "LY") * at(p, "MR") + at(p, "LX") * at(p, "NV") * at(p, "VW") + 8);
           },
       .conflict =
           [](const Point& p) {
             const bool tiles = at(p, "MR") % 4 == 0 && at(p, "LX") * at(p, "NV") * at(p, "VW") % 4 == 0;
             return unless(tiles && at(p, "KC") % 4 == 0,
                           "MR, columns of a tile and KC must be divisible by 4");
           },
       .verified_by = {"matmul_nt", "matmul_nn", "matmul_tn"}},
  };
}

// Local memory of the attention kernels as their launchers compute it, for heads of 128.
constexpr long kHeadDim = 128;

long padded(long dims, long parts, long unit) {
  return ((dims + parts - 1) / parts + unit - 1) / unit * unit;
}

/// Of a tile of own elements and others (src/ops/attention_tile.hpp), with up to 20 bytes per element
/// besides.
long attention_tile_bytes(const Point& p) {
  const long vw = at(p, "VW"), td = at(p, "TD"), bk = at(p, "BK"), own = at(p, "TR") * at(p, "RB") * vw,
             chunk = std::min(at(p, "DS"), kHeadDim);
  const auto rounded_up = [vw](long n) { return (n + vw - 1) / vw * vw; };
  const long item_dims = (kHeadDim + td - 1) / td,
             dims = padded(kHeadDim, td, std::min(item_dims, at(p, "DC")));
  const long scores = td * at(p, "KC") * (rounded_up(chunk) + 1),
             sums = at(p, "VS") * rounded_up(std::max(kHeadDim, td * dims));
  return 4 * ((chunk + bk + td) * own + std::max(scores, sums)) + 20 * (own + bk);
}

long attention_bwd_bytes(const Point& p) {
  const long vw = at(p, "VW"), bk = at(p, "BK"), rows = vw * at(p, "RB");
  const long dims = (kHeadDim + vw - 1) / vw * vw, stride = std::max(padded(kHeadDim, 1, at(p, "DC")), dims);
  return 4 * (2 * rows * (dims + kHeadDim) + 2 * bk * (stride + rows) + 5 * rows);
}

std::string attention_tile_conflict(const Point& p) {
  if (at(p, "BK") % (at(p, "TD") * at(p, "KC")) != 0) return "TD * KC must divide BK";
  if (at(p, "BK") % at(p, "VS") != 0) return "VS must divide BK";
  return unless(at(p, "DS") % at(p, "VW") == 0, "VW must divide DS");
}

/// Forward pass, and the backward pass of devices with many small work-items.
SearchSpace attention_tiles(std::string_view program, bool on_cpus, std::string_view verified_by) {
  SearchSpace out{.program = program,
                  .axes = {{"VW", kCpuWidths, {1, 2, 4}},
                           {"RB", {1, 2, 4, 6}, {1, 2, 4}},
                           {"TR", {1}, {4, 8, 16}},
                           {"TD", {1}, {4, 8, 16}},
                           {"BK", {16, 32, 64}, {16, 32, 64}},
                           {"KC", {2, 4, 8}, {1, 2, 4}},
                           {"DC", {2, 4, 8}, {4, 8, 16}},
                           {"DS", {64, 1024}, {16, 32, 64}},
                           {"VS", {16, 32, 64}, {8, 16, 32}}}};
  if (!on_cpus)
    for (Axis& axis : out.axes) axis.cpu.clear();
  out.together = {{"RB", "KC"}, {"RB", "DC"}, {"BK", "VS"}, {"TR", "TD"}};
  out.group_items = [](const Point& p) { return at(p, "TR") * at(p, "TD"); };
  out.local_bytes = attention_tile_bytes;
  out.conflict = attention_tile_conflict;
  out.verified_by = {verified_by};
  return out;
}

std::vector<SearchSpace> attention_spaces() {
  return {
      attention_tiles("attention", true, "attention_fwd"),
      attention_tiles("attention_bwd_tiles", false, "attention_bwd"),
      {.program = "attention_bwd",
       .axes = {{"FORM", {}, {}, "which of two kernels: CPUs take this one, GPUs attention_bwd_tiles"},
                {"VW", kCpuWidths, {}},
                {"RB", {1, 2, 4}, {}},
                {"BK", {16, 32, 64}, {}},
                {"KC", {2, 4, 8}, {}},
                {"DC", {2, 4, 8}, {}},
                {"KEYS", {4, 8, 16}, {}},
                {"DV", {1, 2, 4}, {}},
                {"SPAN", {}, {}, "of the sum over chunks, a small part of the time"}},
       .together = {{"RB", "KC"}, {"RB", "DC"}, {"KEYS", "DV"}},
       .local_bytes = attention_bwd_bytes,
       .conflict =
           [](const Point& p) {
             return unless(at(p, "BK") % at(p, "KC") == 0 && at(p, "BK") % at(p, "KEYS") == 0,
                           "KC and KEYS must divide BK");
           },
       .verified_by = {"attention_bwd"}},
      {.program = "attention_decode",
       .axes = {{"VW", kCpuWidths, {1, 2, 4}},
                {"LK", {1}, {4, 8, 16, 32}},
                {"KS", {1}, {4, 8, 16}},
                {"BK", {16, 32, 64}, {4, 8, 16}}},
       .together = {{"LK", "KS"}},
       .group_items = [](const Point& p) { return at(p, "LK") * at(p, "KS"); },
       .local_bytes =
           [](const Point& p) {
             return 4 * at(p, "KS") *
                    (at(p, "BK") * (at(p, "LK") + 1) + kHeadDim + at(p, "LK") * at(p, "VW") + 2);
           },
       .conflict = [](const Point& p) { return unless(at(p, "BK") % at(p, "VW") == 0, "VW must divide BK"); },
       .verified_by = {"attention_fwd"}},
  };
}

std::vector<SearchSpace> streaming_spaces() {
  const Axis elements{"WG_ELEMENTS", {4096, 8192, 16384, 32768, 65536}, {1024, 2048, 4096, 8192}};
  SearchSpace fake_quant =
      streaming("fake_quant", {{"TEAM", {1}, {8, 16, 32, 64}}, elements},
                {"quant_grid", "fake_quant_fwd", "fake_quant_bwd", "mse_range", "quantize_codes"});
  fake_quant.conflict = [](const Point& p) {
    return unless(at(p, "WG") % at(p, "TEAM") == 0, "TEAM must divide WG");
  };
  SearchSpace adamw = streaming("adamw", {elements}, {"adamw_step"});
  adamw.conflict = [](const Point& p) {
    return unless(at(p, "WG_ELEMENTS") % (at(p, "WG") * at(p, "VW")) == 0, "WG * VW must divide WG_ELEMENTS");
  };
  return {
      fake_quant,
      adamw,
      streaming("rmsnorm", {{"ROWS", {1, 2, 4, 8, 16}, {1, 2, 4}}}, {"rmsnorm_fwd", "rmsnorm_bwd"}),
      streaming("swiglu", {{"ITEMS", {32, 64, 128, 256, 512}, {1, 2, 4}}}, {"swiglu_fwd", "swiglu_bwd"}),
      streaming("elementwise", {{"ITEMS", {64, 128, 256, 512, 1024}, {1, 2, 4}}}, {"add", "scaled_add"}),
      streaming("rope", {{"ITEMS", {8, 16, 32, 64, 128}, {1, 2, 4}}}, {"rope_fwd", "rope_bwd"}),
      streaming("cross_entropy", {}, {"cross_entropy_fwd", "cross_entropy_bwd", "kl_divergence_fwd"}),
      streaming("loss", {}, {"squared_error", "dot", "relative_error_sums"}),
      streaming("to_f32", {{"ITEMS", {64, 128, 256, 512, 1024}, {1, 2, 4}}}, {"to_f32"}),
      fixed("decode_token", {"VW", "RV", "EXTRACT", "AHEAD", "WG", "USED"},
            "a whole model in one launch; its inner loop is that of qgemv"),
      fixed("stage", {"VW", "RV", "LS", "KS", "EXTRACT", "AHEAD", "WG", "RANKS"},
            "its products take what was found for qgemv, the rest is small"),
      fixed("argmax", {"VW", "WG"}, "one row of logits per token"),
      fixed("limits", {"VW", "WG", "VECTORS"},
            "a yardstick: what reading and multiplying cost, for every other kernel"),
      fixed("embedding", {"VW", "WG"}, "copies one row per token: no time of a model"),
      fixed("moments", {"WG", "VW"}, "runs once per linear, on one matrix"),
      fixed("pack", {"LS"}, "runs once per linear, when it is stored"),
  };
}

/// Products on matrix units ("gemm_unit_<unit>") and their probes, whichever the registry has.
std::vector<SearchSpace> unit_spaces() {
  std::vector<SearchSpace> out;
  for (const auto& spec : runtime::kernel_specs()) {
    if (spec.name.find("unit_") == std::string_view::npos) continue;
    std::vector<std::string_view> names;
    for (const auto& tunable : spec.tunables) names.push_back(tunable.name);
    out.push_back(fixed(spec.name, names, "its tiles are chosen together with the unit's instruction"));
  }
  return out;
}

SearchSpace with_known_axes(SearchSpace space, const runtime::KernelSpec& spec) {
  const auto known = [&](std::string_view name) {
    return std::any_of(spec.tunables.begin(), spec.tunables.end(),
                       [&](const auto& tunable) { return tunable.name == name; });
  };
  std::erase_if(space.axes, [&](const Axis& axis) { return !known(axis.name); });
  std::erase_if(space.together, [&](const auto& pair) { return !known(pair.first) || !known(pair.second); });
  return space;
}

}  // namespace

const std::vector<SearchSpace>& search_spaces() {
  static const std::vector<SearchSpace> all = [] {
    std::vector<SearchSpace> out;
    for (auto& part :
         {packed_spaces(), dense_spaces(), attention_spaces(), streaming_spaces(), unit_spaces()})
      for (const SearchSpace& space : part)
        for (const auto& spec : runtime::kernel_specs())
          if (spec.name == space.program) out.push_back(with_known_axes(space, spec));
    return out;
  }();
  return all;
}

}  // namespace apiq::tuning
