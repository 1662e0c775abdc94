// The files of cl/, compiled into the library by cmake/embed_kernels.cmake.
#pragma once
#include <span>
#include <string_view>

namespace apiq::runtime {

struct EmbeddedFile {
  std::string_view path;  // "cl/matmul/gemm.cl"
  std::string_view text;
};

std::span<const EmbeddedFile> embedded_files();

}  // namespace apiq::runtime
