#include "ops/gemm_clblast.hpp"

#include <clblast_c.h>

#include <string>

#include "apiq/error.hpp"

namespace apiq::ops {

void clblast_gemm(runtime::Queue& queue, const runtime::TensorView& a, bool a_by_k, std::uint64_t a_stride,
                  const runtime::TensorView& b, bool b_by_k, const runtime::TensorView& c,
                  std::uint64_t inner, float alpha, float beta) {
  const std::size_t rows = c.shape[0], columns = c.shape[1];
  auto* handle = static_cast<cl_command_queue>(queue.handle());
  const CLBlastStatusCode code = CLBlastSgemm(
      CLBlastLayoutRowMajor, a_by_k ? CLBlastTransposeNo : CLBlastTransposeYes,
      b_by_k ? CLBlastTransposeYes : CLBlastTransposeNo, rows, columns, inner, alpha,
      static_cast<cl_mem>(a.memory), a.offset, a_stride, static_cast<cl_mem>(b.memory), b.offset,
      b_by_k ? inner : columns, beta, static_cast<cl_mem>(c.memory), c.offset, columns, &handle, nullptr);
  if (code != CLBlastSuccess)
    throw DeviceError("[gemm] CLBlast refused a product [" + std::to_string(rows) + ", " +
                      std::to_string(inner) + "] x [" + std::to_string(inner) + ", " +
                      std::to_string(columns) + "] with status " + std::to_string(static_cast<int>(code)) +
                      "; set APIQ_GEMM=own to use our own kernel");
}

}  // namespace apiq::ops
