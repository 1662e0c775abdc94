#include "ops/unit_probe.hpp"

#include "apiq/error.hpp"
#include "ops/unit_parts.hpp"

namespace apiq::ops {

using runtime::Arg;
using runtime::DeviceTensor;
using runtime::Macros;

namespace {

/// Two patterns to an element of a u32 tensor.
DeviceTensor upload(runtime::Queue& queue, std::span<const std::uint16_t> patterns) {
  DeviceTensor tensor(queue.device(), DType::u32, {patterns.size() / 2}, "matrix unit probe");
  queue.write(tensor, patterns.data());
  return tensor;
}

}  // namespace

UnitProbe probe_unit(runtime::Queue& queue, const runtime::UnitMode& mode, std::span<const std::uint16_t> a,
                     std::span<const std::uint16_t> b) {
  const UnitSize size = unit_size(mode.unit);
  const std::size_t slabs = a.size() / (size.rows * kSlab);
  if (slabs == 0 || a.size() != slabs * size.rows * kSlab || b.size() != slabs * size.columns * kSlab)
    throw ShapeError("[unit_probe] a and b: expected whole slabs of " + std::to_string(size.rows) + " and " +
                     std::to_string(size.columns) + " lines by 32, got " + std::to_string(a.size()) +
                     " and " + std::to_string(b.size()) + " values");
  UnitProbe out{std::vector<float>(size.rows * size.columns),
                std::vector<std::uint32_t>(size.lanes * (size.steps * (size.a_words + size.b_words) + 1))};
  const DeviceTensor da = upload(queue, a), db = upload(queue, b),
                     c(queue.device(), DType::f32, {out.c.size()}, "matrix unit probe"),
                     fragments(queue.device(), DType::u32, {out.fragments.size()}, "matrix unit probe");
  const UnitProbeArgs args{static_cast<APIQ_UINT>(slabs)};
  const Macros macros{{"INPUT_BF16", mode.input == runtime::InputType::bf16},
                      {"UNIT_LOADS", mode.loads},
                      {"UNITS_M", 1},
                      {"UNITS_N", 1}};
  queue.launch(runtime::unit_program("unit_probe", mode.unit), "unit_probe", macros,
               {{size.lanes, 1, 1}, {size.lanes, 1, 1}}, {Arg::value(args), da, db, c, fragments});
  queue.read(c, out.c.data());
  queue.read(fragments, out.fragments.data());
  return out;
}

}  // namespace apiq::ops
