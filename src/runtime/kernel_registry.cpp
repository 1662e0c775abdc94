#include "runtime/kernel_registry.hpp"

#include "apiq/error.hpp"
#include "runtime/embedded_kernels.hpp"
#include "runtime/kernel_tables.hpp"

namespace apiq::runtime {

const std::vector<KernelSpec>& kernel_specs() {
  static const std::vector<KernelSpec> specs = [] {
    std::vector<KernelSpec> all;
    for (const auto& part : {matmul_kernels(), nn_kernels(), quant_kernels(), optim_kernels(),
                             packed_kernels(), decode_kernels(), limits_kernels(), unit_kernels()})
      all.insert(all.end(), part.begin(), part.end());
    return all;
  }();
  return specs;
}

std::vector<Macros> combinations(const std::vector<std::pair<std::string_view, std::vector<int>>>& values) {
  std::vector<Macros> all{{}};
  for (const auto& [name, choices] : values) {
    std::vector<Macros> longer;
    for (const auto& start : all)
      for (const int choice : choices) {
        longer.push_back(start);
        longer.back().emplace_back(name, choice);
      }
    all = std::move(longer);
  }
  return all;
}

const KernelSpec& kernel_spec(std::string_view name) {
  for (const auto& spec : kernel_specs())
    if (spec.name == name) return spec;
  throw InvalidArgument("[kernel registry] there is no program named '" + std::string(name) + "'");
}

std::string joined_source(const KernelSpec& spec) {
  std::string text;
  for (const auto path : spec.sources) {
    const EmbeddedFile* found = nullptr;
    for (const auto& file : embedded_files())
      if (file.path == path) found = &file;
    if (found == nullptr)
      throw InvalidArgument("[kernel registry] '" + std::string(spec.name) +
                            "' lists a source that does not exist: " + std::string(path));
    text += "#line 1 \"" + std::string(path) + "\"\n";
    text += found->text;
    text += '\n';
  }
  return text;
}

std::string option_text(const Macros& macros) {
  std::string text;
  for (const auto& [name, value] : macros) {
    if (!text.empty()) text += ' ';
    text += "-D " + std::string(name) + "=" + std::to_string(value);
  }
  return text;
}

}  // namespace apiq::runtime
