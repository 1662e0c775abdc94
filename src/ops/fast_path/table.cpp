// The rows. A further path (shuffle reductions, wgmma, a KHR cooperative matrix) is one more row here.
#include <algorithm>

#include "ops/fast_path/fast_path.hpp"
#include "ops/fast_path/unit_check.hpp"
#include "ops/gemm.hpp"
#include "ops/gemm_clblast.hpp"
#include "ops/gemm_unit.hpp"
#include "ops/qgemm_unit.hpp"
#include "runtime/fast_path_gates.hpp"

namespace apiq::ops {

namespace {

using runtime::InputType;
using runtime::MatrixUnit;

bool has_program(const std::string& name) {
  const auto& specs = runtime::kernel_specs();
  return std::any_of(specs.begin(), specs.end(),
                     [&](const runtime::KernelSpec& spec) { return spec.name == name; });
}

/// Families of programs on matrix units, and the products each computes.
struct Family {
  const char* name;
  std::vector<ProductKind> products;
};
const std::vector<Family>& families() {
  static const std::vector<Family> all = {
      {"gemm_unit", {ProductKind::dense_nt, ProductKind::dense_nn, ProductKind::dense_tn}},
      {"qgemm_unit", {ProductKind::packed_forward, ProductKind::packed_dx}},
      {"unit_probe", {}},
      {"unit_sum", {}}};
  return all;
}

std::string unit_name(MatrixUnit unit) { return std::string(runtime::name_of(unit)); }

/// All sources and tunables that the unit's products are made of.
std::string unit_identity(Queue& queue, MatrixUnit unit) {
  std::string out;
  for (const Family& family : families())
    for (const std::string& program :
         {std::string(family.name), std::string(family.name) + "_" + unit_name(unit)})
      if (has_program(program))
        out += runtime::joined_source(runtime::kernel_spec(program)) +
               runtime::option_text(queue.tuned(program)) + "\n";
  return out;
}

void run_unit(Queue& queue, const UnitMode& mode, const ProductCall& p) {
  switch (p.product) {
    case ProductKind::dense_nt: return unit_matmul_nt(queue, mode, p.a, p.b, p.c, p.alpha, p.beta);
    case ProductKind::dense_nn: return unit_matmul_nn(queue, mode, p.a, p.b, p.c, p.alpha, p.beta);
    case ProductKind::dense_tn: {
      // Columns of a wider matrix come as the view of their first row: the matrix from there on, of which no
      // more is read.
      if (p.a_stride == 0 || p.a_stride == p.a.shape[1])
        return unit_matmul_tn(queue, mode, p.a, p.b, p.c, p.alpha, p.beta);
      const TensorView wide{p.a.memory, p.a.offset, p.a.dtype, {p.a.shape[0], p.a_stride}};
      return unit_matmul_tn(queue, mode, Columns{wide, 0, p.a.shape[1]}, p.b, p.c, p.alpha, p.beta);
    }
    case ProductKind::packed_forward: return unit_qmatmul(queue, mode, p.w, p.lora, p.a, p.c);
    case ProductKind::packed_dx: return unit_qmatmul_bwd(queue, mode, p.w, p.lora, p.a, p.c);
  }
}

/// `kind`: the name before the dot.
FastPath unit_row(const std::string& kind, const UnitMode& mode, std::string (*gate)(const DeviceInfo&),
                  bool by_name_only) {
  const MatrixUnit unit = mode.unit;
  FastPath row;
  row.name = kind + "." + std::string(runtime::name_of(mode.input));
  row.rounding = mode.input == InputType::f16 ? Rounding::f16 : Rounding::bf16;
  for (const Family& family : families())
    if (has_program(std::string(family.name) + "_" + unit_name(unit)))
      row.products.insert(row.products.end(), family.products.begin(), family.products.end());
  row.gate = gate;
  row.by_name_only = by_name_only;
  row.identity = [unit](Queue& queue) { return unit_identity(queue, unit); };
  row.probe = [mode](Queue& queue) { return check_unit(queue, mode); };
  row.run = [mode](Queue& queue, const ProductCall& call) { run_unit(queue, mode, call); };
  return row;
}

FastPath clblast_row() {
  FastPath row;
  row.name = "clblast";
  row.rounding = Rounding::none;
  row.products = {ProductKind::dense_nt, ProductKind::dense_nn, ProductKind::dense_tn};
  row.gate = runtime::clblast_gate;
  row.identity = [](Queue& queue) { return "clblast " + gemm_engine(queue); };
  row.probe = [](Queue& queue) {
    const std::string engine = gemm_engine(queue);
    return engine == "auto" ? std::string() : "the engine of f32 products is set to '" + engine + "'";
  };
  row.run = [](Queue& queue, const ProductCall& p) {
    const bool a_by_k = p.product != ProductKind::dense_tn, b_by_k = p.product == ProductKind::dense_nt;
    clblast_gemm(queue, p.a, a_by_k, p.a_stride != 0 ? p.a_stride : p.a.shape[1], p.b, b_by_k, p.c,
                 p.a.shape[a_by_k ? 1 : 0], p.alpha, p.beta);
  };
  return row;
}

std::vector<FastPath> all_rows() {
  struct Unit {
    const char* kind;
    MatrixUnit unit;
    int loads;
    std::string (*gate)(const DeviceInfo&);
    bool by_name_only = false;
  };
  const Unit units[] = {{"nv_mma", MatrixUnit::nv_mma, 1, runtime::nv_mma_gate},
                        {"nv_ldmatrix", MatrixUnit::nv_mma, 2, runtime::nv_mma_gate},
                        {"amd_mfma", MatrixUnit::amd_mfma, 1, runtime::amd_mfma_gate},
                        {"amd_wmma", MatrixUnit::amd_wmma, 1, runtime::amd_wmma_gate},
                        {"amd_wmma12", MatrixUnit::amd_wmma12, 1, runtime::amd_wmma_gate},
                        {"intel_dpas8", MatrixUnit::intel_dpas8, 1, runtime::intel_dpas8_gate},
                        {"intel_dpas16", MatrixUnit::intel_dpas16, 1, runtime::intel_dpas16_gate},
                        {"emulated", MatrixUnit::emulated, 1, runtime::no_gate, true}};
  std::vector<FastPath> rows;
  for (const Unit& u : units)
    for (const InputType input : {InputType::f16, InputType::bf16})
      rows.push_back(unit_row(u.kind, {u.unit, input, u.loads}, u.gate, u.by_name_only));
  rows.push_back(clblast_row());
  return rows;
}

}  // namespace

const std::vector<FastPath>& fast_path_table() {
  static const std::vector<FastPath> table = all_rows();
  return table;
}

}  // namespace apiq::ops
