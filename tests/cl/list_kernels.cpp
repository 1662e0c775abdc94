// Writes what the device compilers are given, so that other compilers can check it without a device: the
// joined source of every program as <folder>/<name>.cl, and on standard output one line per program, meaning
// and preset (cpu, gpu, or all where they are the same): "name<TAB>preset<TAB>targets<TAB>options", targets
// being the compilers that take the program, joined by commas, or "all".
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "apiq/error.hpp"
#include "runtime/kernel_registry.hpp"

namespace {

using namespace apiq::runtime;

Macros with_preset(Macros meaning, const KernelSpec& spec, bool cpu) {
  for (const auto& tunable : spec.tunables)
    meaning.emplace_back(tunable.name, cpu ? tunable.cpu : tunable.gpu);
  return meaning;
}

void write_program(const std::filesystem::path& folder, const KernelSpec& spec) {
  std::ofstream file(folder / (std::string(spec.name) + ".cl"), std::ios::binary);
  file << joined_source(spec);
  if (!file.flush()) throw apiq::IoError("cannot write to " + folder.string());
}

std::string targets_text(const KernelSpec& spec) {
  std::string text;
  for (const auto target : spec.targets) text += (text.empty() ? "" : ",") + std::string(target);
  return text.empty() ? "all" : text;
}

void list_variant(const KernelSpec& spec, const char* preset, const std::string& options) {
  std::printf("%s\t%s\t%s\t%s\n", std::string(spec.name).c_str(), preset, targets_text(spec).c_str(),
              options.c_str());
}

void list_program(const KernelSpec& spec) {
  const std::vector<Macros> plain{Macros{}};
  for (const Macros& meaning : spec.meanings.empty() ? plain : spec.meanings) {
    const std::string cpu = option_text(with_preset(meaning, spec, true));
    const std::string gpu = option_text(with_preset(meaning, spec, false));
    list_variant(spec, cpu == gpu ? "all" : "cpu", cpu);
    if (cpu != gpu) list_variant(spec, "gpu", gpu);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: list_kernels FOLDER\n", stderr);
    return 2;
  }
  try {
    std::filesystem::create_directories(argv[1]);
    for (const KernelSpec& spec : kernel_specs()) {
      write_program(argv[1], spec);
      list_program(spec);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "list_kernels: %s\n", error.what());
    return 1;
  }
  return 0;
}
