// The rows. A further path (shuffle reductions, wgmma, a KHR cooperative matrix) is one more row here.
#include <algorithm>

#include "ops/fast_path/fast_path.hpp"
#include "ops/fast_path/trial_data.hpp"
#include "ops/gemm.hpp"
#include "ops/gemm_clblast.hpp"
#include "ops/gemm_unit.hpp"
#include "runtime/fast_path_gates.hpp"

namespace apiq::ops {

namespace {

using runtime::InputType;
using runtime::MatrixUnit;

bool has_program(const std::string& name) {
  const auto& specs = runtime::kernel_specs();
  return std::any_of(specs.begin(), specs.end(), [&](const runtime::KernelSpec& spec) { return spec.name == name; });
}

/// Families of programs on matrix units, and the products each computes.
struct Family {
  const char* name;
  std::vector<ProductKind> products;
};
const std::vector<Family>& families() {
  static const std::vector<Family> all = {{"gemm_unit", {ProductKind::dense_nt, ProductKind::dense_nn, ProductKind::dense_tn}}};
  return all;
}

std::string unit_name(MatrixUnit unit) { return std::string(runtime::name_of(unit)); }

/// All sources and tunables of the unit's programs.
std::string unit_identity(Queue& queue, MatrixUnit unit) {
  std::string out;
  for (const Family& family : families()) {
    const std::string program = std::string(family.name) + "_" + unit_name(unit);
    if (has_program(program)) out += runtime::joined_source(runtime::kernel_spec(program)) + runtime::option_text(queue.tuned(program)) + "\n";
  }
  return out;
}

void run_unit(Queue& queue, const UnitMode& mode, const ProductCall& p) {
  switch (p.product) {
    case ProductKind::dense_nt: return unit_matmul_nt(queue, mode, p.a, p.b, p.c, p.alpha, p.beta);
    case ProductKind::dense_nn: return unit_matmul_nn(queue, mode, p.a, p.b, p.c, p.alpha, p.beta);
    case ProductKind::dense_tn: {
      // Columns of a wider matrix come as the view of their first row: the matrix from there on, of which no more is read.
      if (p.a_stride == 0 || p.a_stride == p.a.shape[1]) return unit_matmul_tn(queue, mode, p.a, p.b, p.c, p.alpha, p.beta);
      const TensorView wide{p.a.memory, p.a.offset, p.a.dtype, {p.a.shape[0], p.a_stride}};
      return unit_matmul_tn(queue, mode, Columns{wide, 0, p.a.shape[1]}, p.b, p.c, p.alpha, p.beta);
    }
    default: throw InvalidArgument("[fast paths] matrix units have no " + std::string(name_of(p.product)));
  }
}

FastPath unit_row(MatrixUnit unit, InputType input, std::string (*gate)(const DeviceInfo&), bool by_name_only = false) {
  FastPath row;
  row.name = unit_name(unit) + "." + std::string(runtime::name_of(input));
  row.rounding = input == InputType::f16 ? Rounding::f16 : Rounding::bf16;
  for (const Family& family : families())
    if (has_program(std::string(family.name) + "_" + unit_name(unit)))
      row.products.insert(row.products.end(), family.products.begin(), family.products.end());
  row.gate = gate;
  row.by_name_only = by_name_only;
  row.identity = [unit](Queue& queue) { return unit_identity(queue, unit); };
  row.probe = [mode = UnitMode{unit, input}](Queue& queue) {
    const runtime::DeviceTensor a = trial::space(queue, {16, 32}), c = trial::space(queue, {16, 16});
    queue.fill_zero(a);
    unit_matmul_nt(queue, mode, a, a, c);
    queue.finish();
    return std::string();  // whether it is right is for the self-test to say
  };
  row.run = [mode = UnitMode{unit, input}](Queue& queue, const ProductCall& call) { run_unit(queue, mode, call); };
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
    clblast_gemm(queue, p.a, a_by_k, p.a_stride != 0 ? p.a_stride : p.a.shape[1], p.b, b_by_k, p.c, p.a.shape[a_by_k ? 1 : 0], p.alpha, p.beta);
  };
  return row;
}

std::vector<FastPath> all_rows() {
  struct Unit {
    MatrixUnit unit;
    std::string (*gate)(const DeviceInfo&);
    bool by_name_only = false;
  };
  std::vector<FastPath> rows;
  for (const Unit& u : {Unit{MatrixUnit::nv_mma, runtime::nv_mma_gate}, Unit{MatrixUnit::emulated, runtime::no_gate, true}})
    for (const InputType input : {InputType::f16, InputType::bf16}) rows.push_back(unit_row(u.unit, input, u.gate, u.by_name_only));
  rows.push_back(clblast_row());
  return rows;
}

}  // namespace

const std::vector<FastPath>& fast_path_table() {
  static const std::vector<FastPath> table = all_rows();
  return table;
}

}  // namespace apiq::ops
