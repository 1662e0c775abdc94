// Every kernel of the registry builds on the present device in every meaning that launchers use, and its
// functions look as launchers expect: listed in the registry, one argument struct by value first, then only
// buffers and local memory. Needs APIQ_BUILD_OPTIONS=-cl-kernel-arg-info (set by CMake), without which
// compilers keep no argument names.
#include <gmock/gmock.h>

#include <regex>
#include <set>

#include "cases/device_fixture.hpp"
#include "runtime/embedded_kernels.hpp"
#include "runtime/opencl.hpp"

namespace apiq {
namespace {

using runtime::KernelSpec;
using runtime::Macros;
using runtime::operator+;

std::string argument_text(cl_kernel kernel, cl_uint index, cl_kernel_arg_info what) {
  char text[256] = {};
  runtime::check(clGetKernelArgInfo(kernel, index, what, sizeof text, text, nullptr), "clGetKernelArgInfo");
  return text;
}

struct Argument {
  cl_kernel_arg_address_qualifier place = CL_KERNEL_ARG_ADDRESS_PRIVATE;
  std::string text;  // "GemmArgs a"
};

std::vector<Argument> arguments_of(cl_kernel kernel) {
  cl_uint count = 0;
  runtime::check(clGetKernelInfo(kernel, CL_KERNEL_NUM_ARGS, sizeof count, &count, nullptr),
                 "clGetKernelInfo");
  std::vector<Argument> out(count);
  for (cl_uint i = 0; i < count; ++i) {
    runtime::check(clGetKernelArgInfo(kernel, i, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof out[i].place,
                                      &out[i].place, nullptr),
                   "clGetKernelArgInfo");
    out[i].text = argument_text(kernel, i, CL_KERNEL_ARG_TYPE_NAME) + " " +
                  argument_text(kernel, i, CL_KERNEL_ARG_NAME);
  }
  return out;
}

std::string signature(std::string_view entry, const std::vector<Argument>& arguments) {
  std::string text(entry);
  for (const Argument& argument : arguments)
    text += (&argument == arguments.data() ? "(" : ", ") + argument.text;
  return text + ")";
}

class EveryKernel : public ::testing::TestWithParam<KernelSpec> {};

TEST_P(EveryKernel, ListsItsKernelFunctions) {
  const KernelSpec& spec = GetParam();
  const std::string source = runtime::joined_source(spec);
  const std::regex definition(R"((?:^|\n)(?:__)?kernel\s+(?:[^;{]*?\s)?void\s+(\w+)\s*\()");
  std::set<std::string> defined;
  for (std::sregex_iterator at(source.begin(), source.end(), definition), end; at != end; ++at)
    defined.insert((*at)[1]);
  EXPECT_THAT(defined, ::testing::UnorderedElementsAreArray(
                           std::set<std::string>(spec.entries.begin(), spec.entries.end())));
}

TEST_P(EveryKernel, BuildsInEveryMeaning) {
  const KernelSpec& spec = GetParam();
  if (!spec.targets.empty()) GTEST_SKIP() << "for some compilers only: scripts/lint_kernels checks it";
  runtime::Device& device = testing::shared_device();
  const std::vector<Macros> plain{Macros{}};
  std::set<std::string> signatures;
  for (const Macros& meaning : spec.meanings.empty() ? plain : spec.meanings) {
    const Macros macros = meaning + device.queue().tuned(spec.name);
    SCOPED_TRACE(runtime::option_text(macros));
    for (const auto entry : spec.entries) {
      const auto arguments = arguments_of(device.kernel(spec.name, entry, macros));
      signatures.insert(signature(entry, arguments));
      ASSERT_GE(arguments.size(), 2u);
      EXPECT_EQ(arguments[0].place, static_cast<cl_uint>(CL_KERNEL_ARG_ADDRESS_PRIVATE));
      EXPECT_THAT(arguments[0].text, ::testing::ContainsRegex("Args "))
          << "scalars travel in one struct of cl/shared";
      for (std::size_t i = 1; i < arguments.size(); ++i)
        EXPECT_NE(arguments[i].place, static_cast<cl_uint>(CL_KERNEL_ARG_ADDRESS_PRIVATE))
            << arguments[i].text << " belongs into the struct";
    }
  }
  for (const auto& text : signatures) std::printf("  %s\n", text.c_str());
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryKernel, ::testing::ValuesIn(runtime::kernel_specs()),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Registry, IsNotEmptyAndNamesAreUnique) {
  std::set<std::string_view> names;
  for (const auto& spec : runtime::kernel_specs())
    EXPECT_TRUE(names.insert(spec.name).second) << spec.name << " is listed twice";
  EXPECT_FALSE(names.empty());
}

TEST(Registry, UsesEveryFileUnderCl) {
  std::set<std::string_view> used;
  for (const auto& spec : runtime::kernel_specs()) used.insert(spec.sources.begin(), spec.sources.end());
  for (const auto& file : runtime::embedded_files())
    EXPECT_TRUE(used.count(file.path)) << file.path << " is embedded but no program lists it";
}

}  // namespace
}  // namespace apiq
